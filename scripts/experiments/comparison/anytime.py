"""One run of a training that goes on, as on the server, measured with what is published at given moments."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from experiments.comparison.passes import Passes
from experiments.comparison.times import CoreTime, same_random_numbers
from fewlabel.methods.base import Method
from fewlabel.training.branch import RunningMean
from fewlabel.training.ongoing import OngoingTrainer
from fewlabel.training.ongoing_progress import OngoingProgress


class MarkProgress(OngoingProgress):
    """Progress whose share is that of the last mark, whatever the training says of its rounds."""

    def __init__(self, path: Path, share: Callable[[], float]) -> None:
        super().__init__(path)
        self.share = share

    def update(self, progress: float | None = None, **fields: Any) -> None:
        super().update(self.share(), **fields)


_SPARE = 2.0  # seconds: a step more, and a checkpoint


@dataclass
class Kept:
    """What is published: since when (seconds), after how many steps, which network."""

    seconds: float
    step: int
    network: torch.nn.Module


class Anytime:
    """What is published while a training goes on, and what it is worth at the marks.

    Nothing can be validated here, so each candidate is published. Where two kinds of candidates come from one run, the
    mean of the weights is charged without the time of the branches, which it does not need.

    Args:
        kinds: ``branch``, ``mean`` or both.
        minutes: the marks.
        now: the time of the training.
        passes: predicts the pool with what was published; None where the method learns from no stored predictions.
        measure: called with (kind, minutes, what is kept) at each mark.
        done: (kind, minutes) that were measured before.
        fresh: whether a candidate is made for each mark too, so that what is measured is as old as the mark.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        minutes: Sequence[float],
        now: CoreTime,
        passes: Passes | None,
        measure: Callable[[str, float, Kept], None],
        done: Sequence[tuple[str, float]] = (),
        fresh: bool = False,
    ) -> None:
        self.fresh, self._made_for = fresh, 0.0
        self.kinds, self.now, self.passes, self.measure = tuple(kinds), now, passes, measure
        self.left = {kind: [each for each in sorted(minutes) if (kind, each) not in done] for kind in kinds}
        self.kept: dict[str, Kept] = {}
        self.aside = 0.0  # seconds that branches took
        self.last = max(minutes) * 60

    def seconds(self, kind: str) -> float:
        """That this kind of candidate has cost so far."""
        return self.now() - (self.aside if kind == "mean" else 0.0)

    def take(self, candidates: dict[str, Method], step: int) -> None:
        """Publish these; the marks that passed since the last ones were measured with those."""
        for kind, method in candidates.items():
            cost = self.seconds(kind)
            self._measure(kind, lambda mark, cost=cost: mark * 60 < cost)
            self.kept[kind] = Kept(cost, step, copy.deepcopy(method.deployed).eval())
        if self.passes is not None:
            self.passes(candidates[self.kinds[0]])

    def look(self, mean: Method | None, step: int) -> str:
        """Measure where a mark has passed; why the training should end, "" to go on.

        Args:
            mean: the mean of the weights now, where it is kept.
            step: of the training.
        """
        for kind in self.kinds:
            cost = self.seconds(kind)
            if (
                self.fresh
                and kind == "mean"
                and mean is not None
                and self.left[kind]
                and self.left[kind][0] * 60 <= cost
            ):
                self.kept[kind] = Kept(cost, step, copy.deepcopy(mean.deployed).eval())
            self._measure(kind, lambda mark, cost=cost: mark * 60 <= cost)
        return "" if any(self.left.values()) else "marks"

    def is_look_due(self, branch: float) -> bool:
        """Whether to begin a branch that takes so many seconds now, so that it has ended at the next mark."""
        mark = next(iter(self.left.get("branch", ())), 0.0)
        due = self.fresh and mark > self._made_for and self.now() + branch + _SPARE >= mark * 60
        self._made_for = mark if due else self._made_for
        return due

    def _measure(self, kind: str, has_passed: Callable[[float], bool]) -> None:
        """A mark that passes before anything was published is measured with the first that is."""
        while kind in self.kept and self.left[kind] and has_passed(self.left[kind][0]):
            with self.now.stopped(), same_random_numbers():
                self.measure(kind, self.left[kind][0], self.kept[kind])
            self.left[kind].pop(0)

    def share(self) -> float:
        """Of the last mark that is done, in [0, 1]."""
        return min(1.0, min(self.seconds(kind) for kind in self.kinds) / self.last)


class AnytimeTrainer(OngoingTrainer):
    """The product's trainer, with its schedule; keeps the mean of the weights beside branches where both are asked for.

    Args:
        anytime: what is published and when it is measured.
        arguments: of OngoingTrainer, up to ``config``.
    """

    def __init__(self, anytime: Anytime, *arguments: Any) -> None:
        self.anytime = anytime
        given = {
            "look": self._take_candidate,
            "ends": self._look_at_marks,
            "publishes": anytime.kinds[0],
            "now": anytime.now,
        }
        super().__init__(*arguments, **given)
        self.beside = RunningMean(self.method) if anytime.kinds == ("branch", "mean") else None

    def _take_candidate(self, candidate: Method, done: float) -> float:
        candidates = {self.anytime.kinds[0]: candidate}
        if self.beside is not None:
            candidates["mean"] = self.beside.method
        self.anytime.take(candidates, self.step)
        return float("nan")

    def _look_at_marks(self) -> str:
        mean = self.mean or self.beside
        return self.anytime.look(mean and mean.method, self.step)

    def _train_step(self, engine: Any, batch: Any) -> dict[str, Any]:
        output = super()._train_step(engine, batch)
        self.now.step()
        return output

    def _one_more(self, output: dict[str, Any], batches: Iterator[Any]) -> None:
        if self.beside is not None:
            self.beside.update(self.method)
        if self.anytime.is_look_due(self.clock.branch()):
            self.clock.looked = -math.inf
        super()._one_more(output, batches)

    @contextmanager
    def _candidate(self, batches: Iterator[Any]) -> Iterator[Method]:
        begun = self.now()
        with super()._candidate(batches) as candidate:
            self.anytime.aside += self.now() - begun
            yield candidate

    def more_state(self) -> dict[str, Any]:
        mean, anytime = self.mean or self.beside, self.anytime
        kept = {
            kind: {"seconds": each.seconds, "step": each.step, "network": each.network.state_dict()}
            for kind, each in anytime.kept.items()
        }
        more = {"seconds": self.now(), "aside": anytime.aside, "kept": kept}
        if mean is not None:
            more |= {"mean": mean.method.state_dict(), "mean_steps": mean.steps}
        return {**super().more_state(), "anytime": more}

    def _take(self, saved: dict[str, Any]) -> str:
        said, more = super()._take(saved), saved["anytime"]
        self.now.go_on_from(more["seconds"])
        self.anytime.aside = more["aside"]
        for kind, each in more["kept"].items():
            network = copy.deepcopy(self.method.deployed).eval()
            network.load_state_dict(each["network"])
            self.anytime.kept[kind] = Kept(each["seconds"], each["step"], network)
        mean = self.mean or self.beside
        if mean is not None:
            mean.method.load_state_dict(more["mean"])
            mean.steps = more["mean_steps"]
        return said
