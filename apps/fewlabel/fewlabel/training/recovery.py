"""The guard against harm in a continuous training: after harm the pool rests, and is tried again later."""

from __future__ import annotations

import math
from typing import Any

import torch

from fewlabel.training.clock import CHECK_EVERY, RETRY_AFTER, Clock
from fewlabel.training.guard import HarmGuard


class RecoveringGuard(HarmGuard):
    """After harm, trains on labels alone until the next label, or for ``RETRY_AFTER``; then half the weight is used.

    Args:
        clock: of the training.

    Attributes:
        weight: factor of the weights of the pool terms, in (0, 1].
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.weight = 1.0
        self.retry_at = math.inf
        self._looked = -math.inf

    def is_due(self, done: float) -> bool:
        """Whether to measure the labelled crops of this step: by training time, whatever ``done`` is."""
        if self.clock.trained - self._looked < CHECK_EVERY:
            return False
        self._looked = self.clock.trained
        return True

    def go_back(self, method: torch.nn.Module, optimiser: torch.optim.Optimizer) -> str:
        """Restore the last healthy state and let the pool rest; gives a sentence about it."""
        self.retry_at = self.clock.trained + RETRY_AFTER
        minutes = round(RETRY_AFTER / 60)
        return (
            f"{super().go_back(method, optimiser)} The unlabelled scans are tried again with the next label, or after "
            f"{minutes} minutes at half the weight."
        )

    def recover(self) -> str:
        """Try the pool again if it is time; gives a sentence about it, "" otherwise."""
        if not self.labels_only or self.clock.trained < self.retry_at:
            return ""
        self.labels_only, self.retry_at = False, math.inf
        self.weight /= 2
        return f"Unlabelled scans are tried again, at {self.weight:g} of their weight."

    def label_came(self) -> str:
        """Try the pool again at full weight; gives a sentence about it, "" where it did not rest."""
        rested, self.labels_only, self.retry_at = self.labels_only, False, math.inf
        self.weight = 1.0
        return "Unlabelled scans are tried again, with the new label." if rested else ""

    def state(self) -> dict[str, Any]:
        """State for a checkpoint."""
        return {"labels_only": self.labels_only, "weight": self.weight, "retry_at": self.retry_at}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the state of a checkpoint."""
        self.labels_only = bool(state.get("labels_only", False))
        self.weight = float(state.get("weight", 1.0))
        self.retry_at = float(state.get("retry_at", math.inf))
        if self.labels_only and not math.isfinite(self.retry_at):  # of a training on request, which never tries again
            self.retry_at = self.clock.trained + RETRY_AFTER
