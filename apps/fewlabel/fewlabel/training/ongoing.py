"""The trainer of a continuous training: no end is planned, so its candidates are good at any moment."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Literal

from fewlabel.data.loaders import Batch
from fewlabel.methods.base import Method
from fewlabel.training.branch import RunningMean, aside, falling
from fewlabel.training.budget import NO_LIMIT, Budget, TrainerConfig
from fewlabel.training.clock import Clock
from fewlabel.training.measures import dice_of_crops, is_finite
from fewlabel.training.progress import Progress
from fewlabel.training.recovery import RecoveringGuard
from fewlabel.training.trainer import CHECKPOINT_EVERY, Trainer

Published = Literal["branch", "mean"]
_KEEP_EVERY = 60.0  # seconds of training between two healthy states
_LONGEST_STEP = 30.0  # seconds; a longer one means that the computer was asleep


class OngoingTrainer(Trainer):
    """Runs a method over paired batches at a constant rate, with candidates trained aside, until ``ends`` says to end.

    Args:
        method: on its device.
        loader: pairs of batches; replaced after each change of the labels.
        clock: its schedule.
        progress: reports to people.
        config: see TrainerConfig; a checkpoint of other labels is continued too.
        look: called with (candidate, progress) for each candidate; gives the mean Dice of the validation cases, NaN
            where there are none.
        ends: called after each step; the reason to end, "" to go on.
        waits: called before each step; blocks while requests need the machine.
        publishes: the kind of candidate: a ``branch`` whose rate falls to zero, or the ``mean`` of the weights.
        most_steps: of one run; for tests.
        now: gives the seconds of the clock that training time is counted with; None: the monotonic clock.

    Attributes:
        ended_by: why the last run ended: the reason that ``ends`` gave, or "steps".
    """

    def __init__(
        self,
        method: Method,
        loader: Iterable[Batch],
        clock: Clock,
        progress: Progress,
        config: TrainerConfig,
        look: Callable[[Method, float], float],
        ends: Callable[[], str] = lambda: "",
        waits: Callable[[], None] = lambda: None,
        publishes: Published = "branch",
        most_steps: int = NO_LIMIT,
        now: Callable[[], float] | None = None,
    ) -> None:
        super().__init__(method, loader, Budget(NO_LIMIT, math.inf), progress, config, look)
        self.clock, self.ends, self.waits, self.most_steps = clock, ends, waits, most_steps
        self.now = now or time.monotonic
        self.guard: RecoveringGuard = RecoveringGuard(clock)
        self.mean = RunningMean(self.method) if publishes == "mean" else None
        self.ended_by = ""
        self._kept = -math.inf
        self._falling = 0.0  # share of a branch that is done
        self._steps_of_run = 0

    def run(self) -> None:
        """Train until there is a reason to end; it is then in ``ended_by``.

        Raises:
            Diverged: the loss is not finite.
        """
        self.ended_by, self._steps_of_run = "", 0
        self.progress.update(self.clock.round(), phase="training", step=self.step)
        self._ask_for_pool(self.done())
        with contextlib.ExitStack() as ending:
            batches = iter(self.loader)
            if isinstance(batches, Generator):
                ending.callback(batches.close)  # ends the threads that make them
            while not self.ended_by:
                self.waits()
                started = self.now()
                output = self._train_step(None, next(batches))
                self.clock.trained += min(self.now() - started, _LONGEST_STEP)
                self._one_more(output, batches)
        self.save(finished=True)

    def done(self) -> float:
        """Share of the warm-up of the pool terms; see Clock."""
        return self.clock.progress()

    def rate(self, done: float) -> float:
        return falling(self._falling, self.clock.rate(self.highest))

    def weights(self, done: float) -> dict[str, float]:
        """The weight of each term; those of pool terms are reduced after harm."""
        weights, labelled = self.method.weights(done), self.method.labelled_terms
        return {name: value * (1 if name in labelled else self.guard.weight) for name, value in weights.items()}

    def _one_more(self, output: dict[str, Any], batches: Iterator[Batch]) -> None:
        """Everything that is due after a step of the trunk."""
        self.step += 1
        self._steps_of_run += 1
        if self.mean is not None:
            self.mean.update(self.method)
        done = self.done()
        if self.guard.is_due(done):
            self._watch(self.guard.fit(dice_of_crops(output["logits"], output["label"])), "labelled crops", done)
        self._say(self.guard.recover())
        since = self.clock.trained - self.clock.improved
        self.progress.put(pool_rests=self.guard.labels_only, seconds_since_better=round(since))
        look = self.clock.is_look_due() or self._steps_of_run >= self.most_steps
        late = look or time.monotonic() - self._saved > CHECKPOINT_EVERY
        if late or self.progress.due():
            self._report(output, self.clock.round())  # raises where weights are not finite, so those are never saved
        if late:
            self.save(finished=True)
        if look:
            self._look(batches)
        if self.refresh is not None and not self.guard.labels_only:
            self.refresh(self.method, done)
        self._ask_for_pool(done)
        self.ended_by = self.ends() or ("steps" if self._steps_of_run >= self.most_steps else "")

    def _watch(self, dice: float | None, where: str, done: float) -> None:
        rested = self.guard.labels_only
        super()._watch(dice, where, done)
        if self.mean is not None and self.guard.labels_only and not rested:
            self.mean = RunningMean(self.method)  # without the steps that did harm

    def _look(self, batches: Iterator[Batch]) -> None:
        """Measure a candidate; the weights in training are not touched."""
        with self._candidate(batches) as candidate:
            if not is_finite(candidate):
                self._say("A candidate for publishing had weights that are not finite and was left out.")
                self.clock.looked = self.clock.trained
                return
            dice = self.validate(candidate, self.done())
        self.clock.has_looked(dice)
        self._watch(dice, "validation cases", self.done())
        if self.clock.trained - self._kept >= _KEEP_EVERY:
            self.guard.keep(self.step, self.method, self.optimiser)
            self._kept = self.clock.trained

    @contextlib.contextmanager
    def _candidate(self, batches: Iterator[Batch]) -> Iterator[Method]:
        if self.mean is not None:
            yield self.mean.method
            return
        with aside(self) as branch:
            spent, seconds = 0.0, self.clock.branch()
            try:
                while spent < seconds:
                    self._falling = spent / seconds
                    self.waits()
                    started = self.now()
                    output = self._train_step(None, next(batches))
                    spent += min(self.now() - started, _LONGEST_STEP)
                    if self.progress.due():
                        self._report(output, 1.0)
            finally:
                self._falling = 0.0
            yield branch

    def labels_came(self, loader: Iterable[Batch], identity: dict[str, Any]) -> None:
        """Go on with other labels when ``run`` is called again."""
        self.use(loader, identity)
        self.clock.label_came()
        self._say(self.guard.label_came())

    def _say(self, text: str) -> None:
        if text:
            self.progress.note(text)

    def more_state(self) -> dict[str, Any]:
        return {"clock": self.clock.state(), "guard": self.guard.state()}

    def _take(self, saved: dict[str, Any]) -> str:
        if not self._is_of_this_kind(saved):
            return "Started from scratch: plan, method or classes changed."
        self.method.load_state_dict(saved["method"])
        self.optimiser.load_state_dict(saved["optimiser"])
        self.step = int(saved["step"])
        elapsed = float(saved["elapsed"])  # of a training on request
        self.clock.restore(saved.get("clock", {"trained": elapsed, "improved": elapsed}))
        self.guard.restore(saved.get("guard", {"labels_only": saved.get("labels_only")}))
        if self.mean is not None:
            self.mean = RunningMean(self.method)
        if saved["identity"] != self.identity:
            self.clock.label_came()
            self.guard.label_came()
            return f"Went on at step {self.step}, with other labels."
        return f"Went on at step {self.step}."
