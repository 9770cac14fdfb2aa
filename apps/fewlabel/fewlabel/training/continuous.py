"""Continuous training: goes on while people label, takes in their labels, publishes, and rests."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import random
from functools import partial
from typing import Any

import torch
from monai.utils import set_determinism

from fewlabel.data.domains import count_pools
from fewlabel.data.held_back import decide, no_validation_yet
from fewlabel.data.joining import JoiningStream
from fewlabel.data.loaders import PairedLoader, Record
from fewlabel.data.pools import Pools
from fewlabel.errors import Refusal
from fewlabel.memory import too_little
from fewlabel.methods.base import Method
from fewlabel.plan import save_plan
from fewlabel.predictions.pool import predict_pool
from fewlabel.published import read_card
from fewlabel.replaced import next_version
from fewlabel.training.acquainted import Acquainted
from fewlabel.training.arrivals import Arrivals, in_order
from fewlabel.training.budget import NO_LIMIT
from fewlabel.training.card import training_card
from fewlabel.training.clock import Clock
from fewlabel.training.looks import LookPublisher
from fewlabel.training.ongoing import OngoingTrainer
from fewlabel.training.ongoing_progress import OngoingProgress
from fewlabel.training.people import wait_for_people
from fewlabel.training.planning import plan_of
from fewlabel.training.progress import Progress
from fewlabel.training.publish import Publication
from fewlabel.training.refresh import Movement, PoolPasses
from fewlabel.training.run import Run
from fewlabel.training.short import runs_to_its_end, with_less
from fewlabel.training.standing import AGAIN, RESTING
from fewlabel.training.validation import Validator, mean_dice
from fewlabel.workspace import read_json, write_json

logger = logging.getLogger(__name__)


class ContinuousRun(Run):
    """Trains until nothing improves any more; see Run for the arguments.

    After that the server starts a new run when a label comes. It also does so when a run was killed, or when the
    classes have changed.
    """

    progress: OngoingProgress

    def _make_progress(self, **fields: Any) -> Progress:
        with contextlib.suppress(Refusal, KeyError, ValueError, OSError):
            card = read_card(self.workspace.model)
            fields["version"] = int(card["version"])
        return OngoingProgress(self.workspace.progress, **fields)

    def _make_pools(self) -> Pools:
        """As decided when each label was submitted; for labels that were put into the folder by hand, decided here."""
        kept = read_json(self.workspace.pools, {}) if self.workspace.pools.exists() else {}
        if isinstance(kept, dict):
            order = in_order(self.datastore)
            decided = decide(order, kept, self.settings.validation_share, self.settings.seed)
            if decided != kept:
                write_json(self.workspace.pools, decided)
        pools = super()._make_pools()
        if pools.validation or not self.settings.validation_share:
            return pools
        return self.sampling.noted(dataclasses.replace(pools, note=no_validation_yet(len(pools.labelled))))

    def _renew_pools(self) -> None:
        """Split the present labels, and say what is true of them."""
        self.pools = self._make_pools()
        self.progress.note_labels(self.pools.note)
        self.progress.put(validation_cases=self.pools.validation)

    def __call__(self) -> dict[str, Any]:
        set_determinism(self.settings.seed)
        self._leave_a_core()
        self.arrivals = Arrivals(self.datastore, self.workspace, self.settings.learn_accepted)
        self._renew_pools()  # labels may have come since this object was made
        labelled, validation, unlabelled = self.records(self.pools, self.left_out)
        self.plan = plan_of(self.workspace, self.settings, self.device, labelled, unlabelled)
        counts = {"labelled": len(labelled), "unlabelled": len(unlabelled)}
        self.progress.update(network=self.plan.network, plan=dataclasses.asdict(self.plan), **counts)
        method = self._method(self.plan).to(self.device)
        self.learns_from_pool, self.views = method.learns_from_unlabelled(1.0), method.needs
        self._make_loader(labelled, unlabelled)
        self.publisher = self._look_publisher(validation, labelled)
        self.publisher.measure_published(self._beat)
        self.trainer = self.ongoing = self._make_trainer(method)
        self.publisher.steps = lambda: self.ongoing.step
        self.progress.note(self.ongoing.resume())
        while True:
            self._run_with_less_if_needed()
            if self.ongoing.ended_by != "labels" or not self._take_in():
                break
        return self._rest()

    def _make_trainer(self, method: Method) -> OngoingTrainer:
        return OngoingTrainer(
            method,
            self.loader,
            self._clock(),
            self.progress,
            self._config(self.plan),
            lambda candidate, done: self.publisher.consider(candidate, done, self._beat),
            self._why_end,
            partial(wait_for_people, self.workspace.people),
            most_steps=self.settings.max_steps or NO_LIMIT,
            now=self._now,
        )

    def _clock(self) -> Clock:
        """A new clock. Its first look comes early only where no model is published: something is better than nothing.

        Where a model is published, a training from scratch (another class, a damaged checkpoint) first learns for a
        whole round: without validation cases a model of a few seconds would replace one of a long training.
        """
        looked = 0.0 if self.workspace.model.exists() else -math.inf
        return Clock(look_every=self._look_every(), looked=looked)

    def _leave_a_core(self) -> None:
        """Leave a core to the server, for requests."""
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))

    def _look_every(self) -> float:
        """Seconds between two looks: half as many where publishing needs two of them."""
        return self.settings.publish_minutes * (30 if self.pools.validation else 60)

    def _make_loader(self, labelled: list[Record], unlabelled: list[Record]) -> None:
        pool = unlabelled if self.learns_from_pool else []
        self.store = self.stored.open(self.plan)
        seed, report = self.settings.seed, self.progress.problem
        given = self.views, self.store, self.sampling, self.settings.augmentation
        loader = PairedLoader(labelled, pool, self.plan, seed, report, *given)
        self.labels, self.pool = JoiningStream.of(loader.labelled), JoiningStream.of(loader.unlabelled)
        loader.labelled, loader.unlabelled = self.labels, self.pool
        self.loader = loader

    def _look_publisher(self, validation: list[Record], labelled: list[Record]) -> LookPublisher:
        validator = Validator(validation, self.plan, self.device, report=self.progress.problem)
        pool = len(self.pools.unlabelled)
        domains = count_pools(self.domains, self.pools)
        card = training_card(self.method_name, len(labelled), pool, self.settings, self.device, domains)
        last = next_version(self.workspace) - 1
        publisher = LookPublisher(self.workspace.model, self.plan, validator, self.progress, card, self.device, last)
        publisher.released = self._score_sometimes
        unlabelled = self.records.images(self.pools.unlabelled)
        publisher.acquainted = Acquainted(labelled, unlabelled, self.device, self.settings.seed, self._beat)
        self.passes = PoolPasses(self._now)
        return publisher

    def _run_with_less_if_needed(self) -> None:
        if runs_to_its_end(self.ongoing):
            return
        self.plan = with_less(self.plan, self.device, self.progress)
        save_plan(self.workspace.plan, self.plan)  # for the next trainings too
        self._make_loader(self.labels.records, self.pool.records)
        self.publisher.use(self.plan)
        self.ongoing.use(self.loader, self._identity(self.plan))
        if not runs_to_its_end(self.ongoing):
            raise too_little("Training", self.device)

    def _why_end(self) -> str:
        if self.arrivals.changed():
            return "labels"
        return "rest" if self.ongoing.clock.may_rest(bool(self.pools.validation)) else ""

    def _take_in(self) -> bool:
        """Go on with the present labels; False where a new run is needed for that, or no label is left."""
        new, _ = self.arrivals.take_in()
        self.left_out = self.datastore.left_out()
        if tuple(self.workspace.classes()) != self.plan.classes:
            self.progress.note("The classes have changed: it begins again.")
            return False
        try:
            self._renew_pools()
            self.progress.put(problems=[{"id": case, "reason": reason} for case, reason in self.left_out.items()])
            labelled, validation, unlabelled = self.records(self.pools, self.left_out)
        except Refusal as error:
            self.progress.note(str(error))
            return False
        self.passes.movement.label_came()
        self.labels.change(labelled, new)
        self.pool.change(unlabelled if self.learns_from_pool else [])
        self.publisher.validator = Validator(validation, self.plan, self.device, report=self.progress.problem)
        domains = count_pools(self.domains, self.pools)
        self.publisher.card.update(labelled=len(labelled), unlabelled=len(unlabelled), domains=domains)
        self.publisher.begin_anew(self._beat)
        self.ongoing.clock.look_every = self._look_every()
        self.ongoing.labels_came(self.loader, self._identity(self.plan))
        self.progress.update(labelled=len(labelled), unlabelled=len(unlabelled))
        return True

    def _rest(self) -> dict[str, Any]:
        """End: remember and report which labels were learned; the server starts a new run when they change."""
        rests = self.ongoing.ended_by != "labels"
        if rests:
            self.learned.write(self.arrivals.known)
        self.progress.update(phase=RESTING if rests else AGAIN, learned=self.arrivals.known, progress=1.0)
        return self.progress.snapshot()

    def _give_way(self) -> None:
        wait_for_people(self.workspace.people)

    def _has_news(self) -> bool:
        return self.arrivals.changed()

    def _beat(self) -> None:
        self._give_way()
        if self.progress.due():
            self.progress.update(self.ongoing.clock.round() if self.trainer else None)

    def _changed(self, method: Method, unlabelled: list[Record], published: Publication) -> float:
        """Share of the foreground that changed its class with the published version, on ten scans of the pool."""
        version = published.version
        order = random.Random(version).sample(unlabelled, len(unlabelled))
        some = [record for record in order if record["id"] in self.store.heads][: Movement.scans]
        keeper = self.stored.keeper(method, published.candidate, self.store, self.plan, version)
        return predict_pool(keeper.eyes, self.store, self.plan, some, version, self.device).changed

    def _score_sometimes(self, method: Method) -> None:
        """Score the pool with the published model if it changed enough; see PoolPasses."""
        published = self.publisher.last
        if published is None:
            return
        unlabelled = self.records.images(self.pools.unlabelled)

        def score(seconds: float) -> bool:
            end = self._now() + seconds
            self._score(method, self.plan, unlabelled, published, self.store, seconds)
            return self._now() < end and not self._has_news()

        dice, cases = mean_dice(self.publisher.published_dice or {}), [record["id"] for record in unlabelled]
        look = partial(self._changed, method, unlabelled, published)
        self.passes(self.store, published.version, dice, cases, look, score)
        self.progress.update(phase="training")
