"""The training of a study that goes on while people label: takes in labels, publishes, rests."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import math
import os
import random
import time
from functools import partial
from typing import Any

import torch
from monai.utils import set_determinism

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
from fewlabel.training.arrivals import Arrivals, in_order
from fewlabel.training.budget import NO_LIMIT
from fewlabel.training.clock import Clock
from fewlabel.training.looks import LookPublisher
from fewlabel.training.ongoing import OngoingTrainer
from fewlabel.training.ongoing_progress import OngoingProgress
from fewlabel.training.people import wait_for_people
from fewlabel.training.planning import plan_of
from fewlabel.training.progress import Progress
from fewlabel.training.refresh import Movement
from fewlabel.training.run import Run, runs_to_its_end
from fewlabel.training.short import with_less
from fewlabel.training.standing import AGAIN, RESTING
from fewlabel.training.told import told_of
from fewlabel.training.validation import Validator, mean_dice
from fewlabel.workspace import read_json, write_json

logger = logging.getLogger(__name__)

_SCORING_SHARE = 0.2  # of the time, at most


class ContinuousRun(Run):
    """Trains until nothing improves any more; see Run for its arguments.

    It is begun anew by the server when a label comes after that, when it was killed, and when the classes have changed.
    """

    progress: OngoingProgress

    def _make_progress(self, **fields: Any) -> Progress:
        with contextlib.suppress(Refusal, KeyError, ValueError, OSError):
            card = read_card(self.workspace.model)
            fields["version"] = int(card["version"])
        return OngoingProgress(self.workspace.progress, **fields)

    def _make_pools(self) -> Pools:
        """With what was decided when each label was submitted; the same is decided here of those laid by hand."""
        kept = read_json(self.workspace.pools, {}) if self.workspace.pools.exists() else {}
        if isinstance(kept, dict):
            order = in_order(self.datastore)
            decided = decide(order, kept, self.settings.validation_share, self.settings.seed)
            if decided != kept:
                write_json(self.workspace.pools, decided)
        pools = super()._make_pools()
        if pools.validation or not self.settings.validation_share:
            return pools
        return dataclasses.replace(pools, note=no_validation_yet(len(pools.labelled)))

    def __call__(self) -> dict[str, Any]:
        set_determinism(self.settings.seed)
        self._leave_a_core()
        self.arrivals = Arrivals(self.datastore, self.workspace)
        self.pools = self._make_pools()
        labelled, validation, unlabelled = self._records()
        self.plan = plan_of(self.workspace, self.settings, self.device, labelled, unlabelled)
        self.progress.update(network=self.plan.network, plan=dataclasses.asdict(self.plan))
        method = self._method(self.plan).to(self.device)
        self.learns_from_pool, self.views = method.learns_from_unlabelled(1.0), method.needs
        self.movement = Movement()
        self._make_loader(labelled, unlabelled)
        self.publisher = self._look_publisher(validation, labelled)
        self.publisher.measure_published(self._beat)
        self.trainer = self.ongoing = self._make_trainer(method)
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
            self.device,
            self.settings.learning_rate,
            self.workspace.checkpoint,
            self._identity(self.plan),
            lambda candidate, done: self.publisher.consider(candidate, done, self._beat),
            self._why_end,
            partial(wait_for_people, self.workspace.people),
            most_steps=self.settings.max_steps or NO_LIMIT,
            now=self._now,
        )

    def _clock(self) -> Clock:
        """It begins with an early look, since something is better than nothing, where nothing is published yet.

        Otherwise what began from scratch (another class, a damaged checkpoint) learns for a round first: where nothing
        can be compared, its first seconds would take the place of a whole training.
        """
        looked = 0.0 if self.workspace.model.exists() else -math.inf
        return Clock(look_every=self._look_every(), looked=looked)

    def _leave_a_core(self) -> None:
        """One is for people."""
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))

    def _now(self) -> float:
        """Seconds, of what time is counted in."""
        return time.monotonic()

    def _look_every(self) -> float:
        """Seconds; twice as often where a model is published after two looks."""
        return self.settings.publish_minutes * (30 if self.pools.validation else 60)

    def _make_loader(self, labelled: list[Record], unlabelled: list[Record]) -> None:
        pool = unlabelled if self.learns_from_pool else []
        self.store = self.stored.open(self.plan)
        seed, report = self.settings.seed, self.progress.problem
        loader = PairedLoader(labelled, pool, self.plan, seed, report, self.views, self.store)
        self.labels, self.pool = JoiningStream.of(loader.labelled), JoiningStream.of(loader.unlabelled)
        loader.labelled, loader.unlabelled = self.labels, self.pool
        self.loader = loader

    def _look_publisher(self, validation: list[Record], labelled: list[Record]) -> LookPublisher:
        validator = Validator(validation, self.plan, self.device, report=self.progress.problem)
        pool = len(self.pools.unlabelled)
        card = told_of(self.method_name, len(labelled), pool, self.settings, self.device)
        last = next_version(self.workspace) - 1
        publisher = LookPublisher(self.workspace.model, self.plan, validator, self.progress, card, self.device, last)
        publisher.released = self._score_sometimes
        self._scored_at, self._scoring_took = -float("inf"), 0.0
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
        """Go on with the labels that are there now; False where that needs a new beginning, or none is left."""
        new, _ = self.arrivals.take_in()
        self.left_out = self.datastore.left_out()
        if tuple(self.workspace.classes()) != self.plan.classes:
            self.progress.note("The classes have changed: it begins again.")
            return False
        try:
            before, self.pools = self.pools, self._make_pools()
            self.progress.say_instead(before.note, self.pools.note)
            self.progress.values["problems"] = []
            for case, reason in self.left_out.items():
                self.progress.problem(case, reason)
            labelled, validation, unlabelled = self._records()
        except Refusal as error:
            self.progress.note(str(error))
            return False
        self.movement.label_came()
        self.labels.change(labelled, new)
        self.pool.change(unlabelled if self.learns_from_pool else [])
        self.publisher.validator = Validator(validation, self.plan, self.device, report=self.progress.problem)
        self.publisher.card.update(labelled=len(labelled), unlabelled=len(unlabelled))
        self.publisher.begin_anew(self._beat)
        self.ongoing.clock.look_every = self._look_every()
        self.ongoing.labels_came(self.loader, self._identity(self.plan))
        self.progress.update(
            labelled=len(labelled),
            unlabelled=len(unlabelled),
            validation_cases=self.pools.validation,
        )
        return True

    def _rest(self) -> dict[str, Any]:
        """Say that it rests, and of which labels nothing more can be learnt; the server wakes it with the next."""
        phase = AGAIN if self.ongoing.ended_by == "labels" else RESTING
        self.progress.update(phase=phase, learned=self.arrivals.known, progress=1.0)
        return self.progress.values

    def _give_way(self) -> None:
        wait_for_people(self.workspace.people)

    def _has_news(self) -> bool:
        return self.arrivals.changed()

    def _beat(self) -> None:
        self._give_way()
        if self.progress.due():
            self.progress.update(self.ongoing.clock.round() if self.trainer else None)

    def _changed(self, method: Method, unlabelled: list[Record], version: int) -> float:
        """Share of the foreground that this version gives to another class, on ten scans of the pool."""
        order = random.Random(version).sample(unlabelled, len(unlabelled))
        some = [record for record in order if record["id"] in self.store.heads][: Movement.scans]
        keeper = self.stored.keeper(method, self.progress.values["candidate"], self.store, self.plan, version)
        return predict_pool(keeper.eyes, self.store, self.plan, some, version, self.device).changed

    def _score_sometimes(self, method: Method) -> None:
        """Score the pool with what was published where it moved enough, in at most a fifth of the time."""
        now = self._now()
        if now - self._scored_at < self._scoring_took / _SCORING_SHARE:
            return
        unlabelled = [{"id": case, "image": self._image(case)} for case in self.pools.unlabelled]
        version, dice = self.publisher.version - 1, mean_dice(self.publisher.published_dice or {})
        if self.movement.is_worth_it(dice, lambda: self._changed(method, unlabelled, version)):
            self._score(method, self.plan, unlabelled, version, self.store)
            self.movement.predicted(dice)
        self.progress.update(phase="training")
        self._scored_at = self._now()
        self._scoring_took = self._scored_at - now
