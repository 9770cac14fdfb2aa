"""The Dice that can be expected of a proposal, calibrated on labels that the model had not learned yet."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fewlabel.review.stopping import is_number, is_own_work

FOR_INTERVAL = 8
"""Least number of comparisons for an interval: with fewer, no interval of this share is valid."""

INSIDE = 0.8
"""Share of new cases that lie inside the interval if they are like those compared."""

LATEST = 100
"""Comparisons that are used, the newest ones: older models were wrong in other ways."""


@dataclass(frozen=True)
class Expected:
    """The expected mean Dice of a proposal, and where 8 of 10 such cases lie; None: too few comparisons for that."""

    dice: float
    low: float | None = None
    high: float | None = None


class ExpectedDice:
    """Estimates the Dice of a proposal from the model's own certainty.

    Each comparison is of a first submission, drawn or corrected by a person, with the prediction of the model that was
    published then, which had not learned this label: never of a case that the model was trained on. The certainty is
    that of the same version. A line is fitted to them (below ``FOR_INTERVAL``: only a constant difference); the
    interval has the width that ``INSIDE`` of the leave-one-out residuals need, with the correction for their number
    of split conformal prediction (Lei et al. 2018, "Distribution-free predictive inference for regression", 2.2).

    Args:
        entries: of the history of submissions, oldest first.

    Examples:
        >>> known = {"case": "a", "first": True, "kind": "drawn", "mean": 0.7, "confidence": {"liver": 0.9}}
        >>> ExpectedDice([known])((0.8,))
        Expected(dice=0.6, low=None, high=None)
    """

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        pairs = [pair for entry in entries if (pair := _pair(entry)) is not None][-LATEST:]
        self.certainties, self.dice = np.array(pairs, float).reshape(-1, 2).T
        self._line = _fit(self.certainties, self.dice) if self.with_interval else _shift(self.certainties, self.dice)
        self._width = _width(left_out(self.certainties, self.dice)) if self.with_interval else math.nan

    @property
    def with_interval(self) -> bool:
        """Whether there are enough comparisons for an interval."""
        return len(self.dice) >= FOR_INTERVAL

    def __call__(self, confidence: Sequence[float]) -> Expected | None:
        """What to expect of a proposal; None without any comparison.

        Args:
            confidence: mean probability of each class where it is predicted, 0 where it is not.
        """
        if not len(self.dice):
            return None
        offset, slope = self._line
        dice = offset + slope * certainty(confidence)
        if not self.with_interval:
            return Expected(_share(dice))
        return Expected(_share(dice), _share(dice - self._width), _share(dice + self._width))

    def sentence(self) -> str:
        """How many labels it comes from, and how well it is calibrated."""
        count = len(self.dice)
        labels = "1 label" if count == 1 else f"{count} labels"
        if not count:
            return "No expected Dice yet: no label was compared with a model that had not learned it."
        basis = f"The expected Dice comes from {labels} that the model had not learned when it was compared with them."
        if not self.with_interval:
            return f"{basis} From {FOR_INTERVAL} on it has an interval, and its error can be said."
        error = np.abs(left_out(self.certainties, self.dice)).mean()
        said = f"{basis} Each estimated from the others, it is wrong by {error:.3f} on average."
        inside = in_turn(self.certainties, self.dice)
        if not inside:
            return said
        return f"{said} Of the last {len(inside)} labels, {sum(inside)} lay inside the interval from those before them."


def certainty(confidence: Sequence[float]) -> float:
    """Mean of the classes' probabilities over the predicted classes, 0..1; 0 where nothing is predicted."""
    predicted = [value for value in confidence if value > 0]
    return sum(predicted) / len(predicted) if predicted else 0.0


def left_out(certainties: np.ndarray, dice: np.ndarray) -> np.ndarray:
    """Residuals (N,), each of a fit to the other comparisons (N,), N > 2."""
    number = len(dice)
    lines = [_fit(np.delete(certainties, each), np.delete(dice, each)) for each in range(number)]
    return np.array([dice[each] - a - b * certainties[each] for each, (a, b) in enumerate(lines)])


def in_turn(certainties: np.ndarray, dice: np.ndarray) -> list[bool]:
    """Whether each label lay inside the interval from the labels before it, from the first that had one."""
    found = []
    for each in range(FOR_INTERVAL, len(dice)):
        a, b = _fit(certainties[:each], dice[:each])
        width = _width(left_out(certainties[:each], dice[:each]))
        found.append(bool(abs(dice[each] - a - b * certainties[each]) <= width))
    return found


def _fit(certainties: np.ndarray, dice: np.ndarray) -> tuple[float, float]:
    """Offset and slope by least squares; never a falling line: certainty does not lower the Dice."""
    spread = certainties - certainties.mean()
    square = float(spread @ spread)
    slope = max(0.0, float(spread @ dice) / square) if square > 1e-12 else 0.0
    return float(dice.mean() - slope * certainties.mean()), slope


def _shift(certainties: np.ndarray, dice: np.ndarray) -> tuple[float, float]:
    """Offset and slope 1, where there are too few comparisons for a slope."""
    return (float((dice - certainties).mean()) if len(dice) else 0.0), 1.0


def _width(residuals: np.ndarray) -> float:
    """Half the width of the interval: the ceil((N + 1) * INSIDE)-th smallest absolute residual."""
    place = min(len(residuals), math.ceil((len(residuals) + 1) * INSIDE))
    return float(np.sort(np.abs(residuals))[place - 1])


def _pair(entry: Mapping[str, Any]) -> tuple[float, float] | None:
    """Certainty and Dice of a comparison; None where it does not count."""
    known, mean = entry.get("confidence"), entry.get("mean")
    if not entry.get("first") or not is_own_work(entry) or not isinstance(known, Mapping):
        return None
    if not known or mean is None or not all(is_number(value) for value in (mean, *known.values())):
        return None
    return certainty(list(known.values())), float(mean)


def _share(value: float) -> float:
    return round(min(1.0, max(0.0, value)), 3)
