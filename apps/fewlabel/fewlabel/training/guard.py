"""Detects when learning from unlabelled scans does harm, so that a training can go on with labels alone."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch

_FALL = 0.15  # of Dice, from its best: far more than the crops of one batch differ once they are averaged
_SMOOTH = 0.2  # share of a new batch in the running average
_CHECKS = 50  # of the labelled crops, in one training


class HarmGuard:
    """Watches the Dice on labelled crops, and on validation cases where there are any; keeps a state to go back to.

    A wrong teacher also makes a network worse on the labelled cases, since its pseudo-labels outweigh the labels. With
    a handful of labels nothing can be held out, so the fit to the labels is the only sign that is always available.

    Attributes:
        labels_only: whether the training goes on without unlabelled scans.
    """

    def __init__(self) -> None:
        self.labels_only = False
        self._fit: float | None = None
        self._best = {"labelled crops": -math.inf, "validation cases": -math.inf}
        self._checked = -1
        self._healthy: tuple[int, dict[str, Any]] | None = None

    def is_due(self, done: float) -> bool:
        """Whether to measure the labelled crops of this step: 50 times in a training; each time the host waits."""
        if int(done * _CHECKS) == self._checked:
            return False
        self._checked = int(done * _CHECKS)
        return True

    def fit(self, dice: float) -> float | None:
        """Add the Dice of one batch of labelled crops (NaN: no class in them); gives the running average."""
        if math.isfinite(dice):
            self._fit = dice if self._fit is None else (1 - _SMOOTH) * self._fit + _SMOOTH * dice
        return self._fit

    def harm(self, value: float | None, where: str, at_work: bool) -> str:
        """A sentence about what fell, "" if nothing did.

        Args:
            value: Dice, or None or NaN where there is none.
            where: ``labelled crops`` or ``validation cases``.
            at_work: whether the method learns from unlabelled scans at this point.
        """
        if value is None or not math.isfinite(value):
            return ""
        best = self._best[where] = max(self._best[where], value) if at_work else value
        if self.labels_only or best - value < _FALL:
            return ""
        return f"the Dice on the {where} fell from {best:.2f} to {value:.2f}"

    def keep(self, step: int, method: torch.nn.Module, optimiser: torch.optim.Optimizer) -> None:
        """Keep a copy of the state on the CPU, unless its fit to the labels has begun to fall."""
        if self._fit is None or self._best["labelled crops"] - self._fit < _FALL / 3:
            state = {"method": method.state_dict(), "optimiser": optimiser.state_dict()}
            self._healthy = step, _on_cpu(state)

    def go_back(self, method: torch.nn.Module, optimiser: torch.optim.Optimizer) -> str:
        """Restore the last healthy state and stop using unlabelled scans; gives a sentence about it."""
        self.labels_only, self._fit = True, None
        self._best = dict.fromkeys(self._best, -math.inf)
        if self._healthy is None:
            return "It goes on with labels alone."
        step, state = self._healthy
        method.load_state_dict(state["method"])
        optimiser.load_state_dict(copy.deepcopy(state["optimiser"]))
        return f"It went back to step {step} and goes on with labels alone."


def _on_cpu(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: _on_cpu(each) for key, each in value.items()}
    return [_on_cpu(each) for each in value] if isinstance(value, list) else value
