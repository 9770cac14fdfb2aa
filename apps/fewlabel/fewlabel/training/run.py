"""One training of one study: pools, plan, method, training, publishing and scoring, in this order."""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from functools import partial
from typing import Any

from monai.utils import set_determinism
from monailabel.interfaces.datastore import Datastore

from fewlabel.data.domains import count_pools, known_domains
from fewlabel.data.loaders import PairedLoader, Record
from fewlabel.data.pools import Pools, make_pools, remember
from fewlabel.data.setting import Visible, sampling_of
from fewlabel.datastore.kinds import accepted_cases, person_labelled
from fewlabel.devices import choose_device
from fewlabel.errors import Refusal
from fewlabel.memory import is_out_of_memory, too_little
from fewlabel.methods import default_method, make_method
from fewlabel.methods.base import Method
from fewlabel.networks import find, partner
from fewlabel.plan import Plan, save_plan
from fewlabel.predictions.store import PredictionStore
from fewlabel.replaced import next_version
from fewlabel.selection.scoring import score_cases, unlike_for
from fewlabel.settings import STANDARD, Settings
from fewlabel.training.acquainted import Acquainted
from fewlabel.training.budget import NO_LIMIT, Budget, TrainerConfig
from fewlabel.training.card import training_card
from fewlabel.training.learned import Learned
from fewlabel.training.planning import plan_of
from fewlabel.training.progress import Progress
from fewlabel.training.publish import Publication, Publisher
from fewlabel.training.records import Records
from fewlabel.training.short import runs_to_its_end, with_less
from fewlabel.training.stored_pool import StoredPool
from fewlabel.training.trainer import Trainer
from fewlabel.training.validation import Validator
from fewlabel.wording import duration
from fewlabel.workspace import Workspace, read_json, write_json

logger = logging.getLogger(__name__)


class Run:
    """One training of one study.

    Args:
        workspace: of the study.
        settings: of the server, with those of the request.
        datastore: with the images and labels.

    Attributes:
        sampling: which scans it learns from.
        left_out: cases that the datastore leaves out of trainings, and why.
        domains: of the study's images; without any where they cannot be read.

    Raises:
        Refusal: (409, 422) no label to learn from, or unfitting domains; (500) a file of the workspace is damaged.
    """

    def __init__(self, workspace: Workspace, settings: Settings, datastore: Datastore) -> None:
        self.workspace, self.settings = workspace, settings
        self.device = choose_device(settings.device)
        self.method_name = settings.method or default_method(self.device)
        self.learned = Learned(workspace.learned)
        self._clear_away()
        self.sampling = sampling_of(settings, datastore)
        self.datastore = datastore = Visible(datastore, self.sampling)
        self.left_out = datastore.left_out()
        self.domains = known_domains(datastore)
        self.pools = self._make_pools()
        self.progress = self._make_progress(
            method=self.method_name,
            device=self.device,
            labelled=len(self.pools.labelled),
            unlabelled=len(self.pools.unlabelled),
            validation_cases=self.pools.validation,
            notes=[self.pools.note] if self.pools.note else [],
        )
        for reason in self.left_out.values():
            logger.warning("not trained on: %s", reason)
            self.progress.note(f"Left out of this training: {reason}")
        self.records = Records(workspace, datastore, self.progress.problem)
        self.progress.update(phase="reading scans")
        self.trainer: Trainer | None = None
        self.stored = StoredPool(workspace, settings, self.device, self._beat)

    def _make_progress(self, **fields: Any) -> Progress:
        settings = self.settings
        return Progress(self.workspace.progress, settings.max_minutes * 60, settings.scoring_minutes * 60, **fields)

    def _clear_away(self) -> None:
        """Remove what a killed training was writing; only trainings write .pt files, one at a time."""
        self.learned.clear()
        for leftover in self.workspace.folder.glob(".writing-*.pt"):
            leftover.unlink(missing_ok=True)

    def _make_pools(self) -> Pools:
        kept = read_json(self.workspace.pools) if self.workspace.pools.exists() else {}
        if not isinstance(kept, dict):
            raise Refusal(
                f"{self.workspace.pools} is damaged, so it is not known which cases are kept for validation. Delete "
                "it to draw new ones; their Dice will flatter, since the model has been trained on them.",
                500,
            )
        labelled = set(person_labelled(self.datastore)) - self.left_out.keys()
        if self.left_out and not labelled:
            raise Refusal(f"None of the labels can be used. {' '.join(self.left_out.values())}", 422)
        if not labelled:
            where = self.sampling.outside
            raise Refusal(f"There are no labels{where} yet: submit a label for at least one case, then train.", 409)
        images = self.sampling.pool(self.datastore.list_images()) - self.left_out.keys()
        share, seed = self.settings.validation_share, self.settings.seed
        accepted = accepted_cases(self.datastore, labelled)
        pools = make_pools(labelled, images, kept, share, seed, accepted, self.settings.learn_accepted)
        if not pools.labelled and accepted.keys() & set(pools.unlabelled):
            raise Refusal(pools.note, 409)
        known = remember(pools, kept)
        if known != kept:
            write_json(self.workspace.pools, known)
        return self.sampling.noted(pools)

    def __call__(self) -> dict[str, Any]:
        set_determinism(self.settings.seed)
        labelled, validation, unlabelled = self.records(self.pools, self.left_out)
        plan = plan_of(self.workspace, self.settings, self.device, labelled, unlabelled)
        self.progress.update(network=plan.network, labelled=len(labelled), plan=dataclasses.asdict(plan))
        method = self._method(plan).to(self.device)
        pool = unlabelled if method.learns_from_unlabelled(1.0) else []
        report, views = self.progress.problem, method.needs
        crops = partial(PairedLoader, sampling=self.sampling, augmentation=self.settings.augmentation)
        make_loader = partial(crops, labelled, pool, seed=self.settings.seed, report=report, views=views)
        store = self.stored.open(plan)
        loader = make_loader(plan, predictions=store)
        publisher = self._publisher(plan, labelled, validation)
        publisher.acquainted = Acquainted(labelled, unlabelled, self.device, self.settings.seed, self._beat)
        publisher.measure_published(self._beat)
        budget = self._budget()
        self.trainer = trainer = Trainer(
            method,
            loader,
            budget,
            self.progress,
            self._config(plan),
            lambda method, done: publisher.consider(method, done, self._beat),
            self.stored.refresh(method, store, plan, pool, budget, publisher.version),
        )
        publisher.steps = lambda: trainer.step
        self.progress.note(trainer.resume())
        if not runs_to_its_end(trainer):
            plan = with_less(plan, self.device, self.progress)
            save_plan(self.workspace.plan, plan)  # also for the next trainings
            store = self.stored.open(plan)
            loader = make_loader(plan, predictions=store)
            trainer.refresh = self.stored.refresh(method, store, plan, pool, budget, publisher.version)
            publisher.use(plan)
            trainer.use(loader, self._identity(plan))
            if not runs_to_its_end(trainer):
                raise too_little("Training", self.device)
        if publisher.best is not None and publisher.last is not None:
            method.load_state_dict(publisher.best[1])
            self._score(method, plan, unlabelled, publisher.last, store)
        counts = {"unlabelled_read": len(loader.unlabelled.read), "total_time": duration(self.progress.elapsed())}
        self.progress.update(1.0, phase="done", seconds_left=0.0, **counts)
        result = self.progress.snapshot()
        logger.info("training done: %s", result["notes"])
        return result

    def _config(self, plan: Plan) -> TrainerConfig:
        return TrainerConfig(self.device, self.settings.learning_rate, self.workspace.checkpoint, self._identity(plan))

    def _budget(self) -> Budget:
        return Budget(self.settings.max_steps or NO_LIMIT, self.settings.max_minutes * 60)

    def _method(self, plan: Plan) -> Method:
        """The method, with builders for the plan's network and, for methods with two, for its partner."""
        classes = len(plan.classes) + 1
        build, build_second = (partial(find(name), classes) for name in (plan.network, partner(plan.network)))
        return make_method(self.method_name, build, build_second, classes, **self.stored.teacher_of(self.method_name))

    def _publisher(self, plan: Plan, labelled: list[Record], validation: list[Record]) -> Publisher:
        pool = len(self.pools.unlabelled)
        domains = count_pools(self.domains, self.pools)
        card = training_card(self.method_name, len(labelled), pool, self.settings, self.device, domains)
        validator = Validator(validation, plan, self.device, report=self.progress.problem)
        last = next_version(self.workspace) - 1
        return Publisher(self.workspace.model, plan, validator, self.progress, card, self.device, last)

    def _identity(self, plan: Plan) -> dict[str, Any]:
        fixed = {key: list(v) if isinstance(v, tuple) else v for key, v in dataclasses.asdict(plan).items()}
        fixed.pop("reasons")
        return {
            **self.sampling.identity,
            **({} if self.settings.augmentation == STANDARD else {"augmentation": self.settings.augmentation}),
            "plan": fixed,
            "method": self.method_name,
            "labelled": self.pools.labelled,
            **self.stored.teacher_of(self.method_name),
        }

    def _beat(self) -> None:
        if self.progress.due():
            self.progress.update(self.trainer.done() if self.trainer else None)

    def _now(self) -> float:
        """Seconds on the clock by which time is counted."""
        return time.monotonic()

    def _give_way(self) -> None:
        """Called often: a continuous training lets requests have the machine first."""

    def _has_news(self) -> bool:
        """Whether something came that is more urgent than scoring."""
        return False

    def _score(
        self,
        method: Method,
        plan: Plan,
        unlabelled: list[Record],
        published: Publication,
        store: PredictionStore,
        seconds: float = math.inf,
    ) -> None:
        """Score the pool with the weights that were published, for so long at most, and store what they predict."""
        method.eval()
        keeper = self.stored.keeper(method, published.candidate, store, plan, published.version)
        self.progress.update(phase="scoring cases")

        def report(done: int, of: int) -> None:
            self._give_way()
            if self.progress.due():
                self.progress.update(scored=done, to_score=of)

        minutes = min(self.settings.scoring_minutes, seconds / 60)
        pool = self.workspace.scores, published.version, minutes, self.device, self.settings.seed
        unlike = unlike_for(self.workspace.model, self.device)
        try:
            score_cases(
                method.members, plan, unlabelled, *pool, report, keeper, self._has_news, clock=self._now, unlike=unlike
            )
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            self.progress.note(f"Not all cases were scored. {too_little('Scoring', self.device)}")
