"""Which weights of a training are published, and what is said about it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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


class Publisher:
    """Publishes the last weights of a training where they are not worse than the model that it found.

    On the way the best weights so far are published under the same condition, so that who ends a training early has
    them; in the end the last ones take their place, since the best of many looks would flatter.

    Args:
        path: the published model.
        plan: of the training.
        validator: its validation cases; without any, the weights of the end are published.
        progress: where people are told.
        card: what is told of the model besides its version and validation (see ``training.told``).
        device: to compute on.
        last_version: that is known from elsewhere, such as the scores: versions never return, even where the
            published model was moved away.

    Attributes:
        version: of what this training publishes.
        best: mean Dice and whole state of the method, on the CPU, of what was published, or best so far.
        measured: Dice of each candidate when they were last measured.
    """

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
        self.best: tuple[float, dict[str, torch.Tensor]] | None = None
        self.published_dice: dict[str, float] | None = None
        self.before: dict[str, float] | None = None  # of the model that this training found
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
        """Measure, and publish where that is due and it is not worse than what is published.

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
        if not measured and done < 1:  # half-trained weights that nobody could check replace nothing
            return mean
        if stamp(self.path) != self._seen:  # by another hand meanwhile: sent, deleted, put back
            self.measure_published(beat)
        better = self.best is None or not mean < self.best[0]
        # In the end the last weights count, whatever was better on the way: the best of many looks would flatter.
        if may_replace(dice, self.before) if done >= 1 else better and may_replace(dice, self.published_dice):
            self._publish(candidates[chosen], chosen, dice, done, self._others(method, candidates[chosen]))
            better = True
        if better:
            self.best = (mean, {key: value.to("cpu", copy=True) for key, value in method.state_dict().items()})
        if measured:
            self.progress.values["best_metric"] = mean  # of the last weights: the best of many looks would flatter
        self.progress.update(done, validation=dice)
        if done >= 1:
            self._tell_result(mean)
        return mean

    def _measure(self, candidates: Mapping[str, Module], beat: Callable[[], None]) -> tuple[str, Measured]:
        """Name and Dice of the best candidate; that of the others is kept for the card."""
        self.measured = {name: self.validator(network, beat) for name, network in candidates.items()}
        return best_candidate(self.measured)

    def _others(self, method: Method, published: Module) -> list[tuple[str, Module]]:
        """Members of the method that are not part of the published network, with the names of their kinds."""
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
            "steps": self.progress.values.get("step"),
            "seconds": self.progress.values.get("elapsed"),
            "progress": round(done, 3),
        }
        save_published(self.path, network, plan, card, others)
        self.published_dice, self._seen = dice, stamp(self.path)
        self.progress.update(published=True, version=self.version, validated=card["validated"], candidate=chosen)

    def _alone(self, chosen: str) -> dict[str, Any]:
        """Of a mean of networks, the Dice that each of them has alone, per class in the plan's order."""
        if chosen != "mean":
            return {}
        each = {name: list(dice.values()) for name, dice in self.measured.items() if name != chosen}
        return {
            "alone": {name: [value if math.isfinite(value) else None for value in dice] for name, dice in each.items()}
        }

    def _tell_result(self, reached: float) -> None:
        if not self.progress.values["published"]:
            self.progress.note(
                f"Not published: on the validation cases the published model has Dice "
                f"{mean_dice(self.before or {}):.3f}, this training reached {reached:.3f}."
            )
            return
        candidate = self.progress.values["candidate"]
        if candidate != "network":
            what = "the mean of both networks" if candidate == "mean" else f"the {candidate} of two networks alone"
            self.progress.note(f"Published is {what}.")
        if not self.progress.values["validated"]:
            reason = (
                "none of the validation cases holds a class" if self.validator.records else "there are too few labels"
            )
            self.progress.note(f"Published without validation: {reason}.")
