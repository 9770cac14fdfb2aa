"""Which weights of a training are published, and what is reported about it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch.nn import Module

from fewlabel.files import stamp
from fewlabel.methods.base import Method
from fewlabel.networks import partner
from fewlabel.plan import Plan
from fewlabel.published import Published, load_published, read_card, save_published
from fewlabel.training.progress import Progress
from fewlabel.training.validation import (
    Measured,
    Validator,
    best_candidate,
    dice_of_published,
    may_replace,
    mean_dice,
    published_plan,
)

logger = logging.getLogger(__name__)


class Publication(NamedTuple):
    """A model that a training published.

    Attributes:
        version: of the model.
        candidate: which of the method's candidates it is (see Method.candidates).
        validated: whether it was measured on validation cases.
    """

    version: int
    candidate: str
    validated: bool


class Publisher:
    """Publishes the last weights of a training where they are not worse than the model that it found.

    During the training the best weights so far are published under the same condition, so that they are there if
    somebody stops it early. At its end the last weights replace them: the best of many measurements would flatter.

    Args:
        path: the published model.
        plan: of the training.
        validator: its validation cases; without any, the weights of the end are published.
        progress: reports to people.
        card: entries of the model's card besides version and validation (see ``training.card``).
        device: to compute on.
        last_version: known from elsewhere, such as the scores: a version is never used twice, even where the published
            model was moved away.

    Attributes:
        version: of the model that this training publishes.
        last: what this training published last; None as long as it published nothing.
        steps: gives the steps of the training so far, for the model's card.
        acquainted: gives the card's entry about the scans that a network learned from; asked at the end only, since it
            looks at many scans.
        best: mean Dice and complete state of the method, on the CPU: of what was published, or of the best so far.
        measured: Dice of each candidate when they were last measured.
    """

    steps: Callable[[], int] = staticmethod(lambda: 0)
    acquainted: Callable[[Module, Plan], dict[str, Any]] = staticmethod(lambda network, plan: {})

    def __init__(
        self,
        path: Path,
        plan: Plan,
        validator: Validator,
        progress: Progress,
        card: dict[str, Any],
        device: str,
        last_version: int = 0,
    ) -> None:
        self.path, self.plan, self.validator, self.progress = path, plan, validator, progress
        self.card, self.device = card, device
        self.version = last_version + 1
        self.last: Publication | None = None
        self.best: tuple[float, dict[str, torch.Tensor]] | None = None
        self.published_dice: dict[str, float] | None = None
        self.before: dict[str, float] | None = None  # of the model that was published before this training
        self.measured: dict[str, Measured] = {}
        self._seen: tuple[int, int] | None = None

    def use(self, plan: Plan) -> None:
        """Go on under a plan with other crops."""
        self.plan = self.validator.plan = plan

    def measure_published(self, beat: Callable[[], None]) -> None:
        """Dice of the published model on today's validation cases, for a fair comparison."""
        self.published_dice = self.before = None
        self._seen = stamp(self.path)
        published = self._published()
        if published is None or not self.validator.records:
            return
        self.published_dice = self.before = dice_of_published(published, self.validator, beat)
        if self.published_dice is None:
            self.progress.note("The published model knows other classes: it is replaced without a comparison.")

    def _published(self) -> Published | None:
        if not self.path.exists():
            return None
        try:
            self.version = max(self.version, int(read_card(self.path)["version"]) + 1)
            return load_published(self.path, self.device)
        except Exception as error:  # damaged, or another version's: never a reason not to train
            logger.warning("published model not usable: %s", error)
            self.progress.note("The published model cannot be read: it is replaced without a comparison.")
            return None

    def consider(self, method: Method, done: float, beat: Callable[[], None]) -> float:
        """Measure the method; publish it where that is due and it is not worse than the published model.

        Args:
            method: as it is now.
            done: share of the training that is done, in [0, 1].
            beat: called often, so that people see it is alive.

        Returns:
            Mean Dice of the validation cases; NaN where nothing can be measured.

        Raises:
            Refusal: (507) the model cannot be written; the published one is still there.
        """
        candidates = method.candidates
        chosen, dice = self._measure(candidates, beat)
        mean = mean_dice(dice)
        measured = math.isfinite(mean)
        if not measured and done < 1:  # half-trained weights that nobody can check replace nothing
            return mean
        if stamp(self.path) != self._seen:  # somebody else sent, deleted or restored one meanwhile
            self.measure_published(beat)
        better = self.best is None or not mean < self.best[0]
        # At the end the last weights count, even if earlier ones were better: the best of many would flatter.
        if may_replace(dice, self.before) if done >= 1 else better and may_replace(dice, self.published_dice):
            self._publish(candidates[chosen], chosen, dice, done, self._others(method, candidates[chosen]))
            better = True
        if better:
            self.best = (mean, {key: value.to("cpu", copy=True) for key, value in method.state_dict().items()})
        if measured:
            self.progress.put(best_metric=mean)  # of the last weights: the best of many would flatter
        self.progress.update(done, validation=dice)
        if done >= 1:
            self._report_result(mean)
        return mean

    def _measure(self, candidates: Mapping[str, Module], beat: Callable[[], None]) -> tuple[str, Measured]:
        """Name and Dice of the best candidate; that of the others is kept for the card."""
        self.measured = {name: self.validator(network, beat) for name, network in candidates.items()}
        return best_candidate(self.measured)

    def _others(self, method: Method, published: Module) -> list[tuple[str, Module]]:
        """Members of the method that are not part of the published network, with the names of their networks."""
        members = method.member_networks
        second = partner(self.plan.network) if method.needs_second else self.plan.network
        parts = list(published.modules())
        named = zip((self.plan.network, second), members, strict=False)
        return [(name, member) for name, member in named if not any(member is part for part in parts)]

    def _publish(
        self, network: Module, chosen: str, dice: Measured, done: float, others: list[tuple[str, Module]]
    ) -> None:
        plan = published_plan(self.plan, chosen)
        card = {
            **self.card,
            "version": self.version,
            "network": plan.network,
            "candidate": chosen,
            "validation": dice,
            "validated": math.isfinite(mean_dice(dice)),
            "validated_on": dice.cases,
            **self._alone(chosen),
            "steps": self.steps(),
            "seconds": round(self.progress.elapsed(), 1),
            "progress": round(done, 3),
            **(self.acquainted(network, plan) if self._is_whole(done) else {}),
        }
        save_published(self.path, network, plan, card, others)
        self.published_dice, self._seen = dice, stamp(self.path)
        self.last = Publication(self.version, chosen, card["validated"])
        self.progress.update(published=True, **self.last._asdict())

    def _is_whole(self, done: float) -> bool:
        """Whether no better weights of the same training will follow soon."""
        return done >= 1

    def _alone(self, chosen: str) -> dict[str, Any]:
        """Of a mean of networks, the Dice that each of them has alone, per class in the plan's order."""
        if chosen != "mean":
            return {}
        each = {name: list(dice.values()) for name, dice in self.measured.items() if name != chosen}
        return {
            "alone": {name: [value if math.isfinite(value) else None for value in dice] for name, dice in each.items()}
        }

    def _report_result(self, reached: float) -> None:
        if self.last is None:
            self.progress.note(
                f"Not published: on the validation cases the published model has Dice "
                f"{mean_dice(self.before or {}):.3f}, this training reached {reached:.3f}."
            )
            return
        candidate = self.last.candidate
        if candidate != "network":
            what = "the mean of both networks" if candidate == "mean" else f"the {candidate} of two networks alone"
            self.progress.note(f"Published is {what}.")
        if not self.last.validated:
            reason = (
                "none of the validation cases holds a class" if self.validator.records else "there are too few labels"
            )
            self.progress.note(f"Published without validation: {reason}.")
