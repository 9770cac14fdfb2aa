"""Estimates the gain from five more labels, from how much had to be corrected so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

MORE = 5
"""Number of further labels that the estimate is for."""

LEAST_POINTS = 4
"""Least number of measurements for a curve with three parameters."""

LEAST_NUMBERS = 3
"""Least number of different training set sizes among them."""

WORTH = 0.01
"""Least gain in mean Dice that people would notice (inferred: two people differ by more)."""

_EXPONENTS = np.geomspace(0.05, 3.0, 48)
_BOOTSTRAPS = 1000
_FAIR = {"random", "first"}  # strategies that do not prefer hard cases


def expected_gain(entries: Sequence[dict[str, Any]], labels: int | None = None, seed: int = 0) -> dict[str, Any]:
    """Expected gain in mean Dice from five more labels to train on.

    Fits ``d(n) = a - b n^-c`` (a <= 1; b, c >= 0) to the mean Dice between each first submission and the prediction of
    a model trained on n labels; or, if enough versions of the model were validated, to their validation Dice only. For
    learning curves of this form see Viering and Loog 2022, "The shape of learning curves", section 4 (power law).

    Args:
        entries: of the history, see :class:`fewlabel.review.history.History`.
        labels: number that the model is trained on now; by default the largest in the history.
        seed: of the bootstrap.

    Returns:
        Finite numbers only. ``points`` [[labels, Dice], ...], ``source`` ("corrected" or "validation"), ``advice``
        (a recommendation in words); and if there are enough points, ``labels``, ``expected_now``, ``gain``,
        ``low`` and ``high`` (its 90 % interval), ``curve`` {a, b, c}.
    """
    validation, corrected = _validation_points(entries), _corrected_points(entries)
    source, points = ("validation", validation) if _enough(validation) else ("corrected", corrected)
    found: dict[str, Any] = {"source": source, "points": [[n, round(d, 4)] for n, d in points]}
    if not _enough(points):
        return {**found, "advice": _too_few(points)}
    numbers, dice = (np.array(column, float) for column in zip(*points, strict=True))
    now = max(1, labels or int(numbers.max()))
    curve = fit(numbers, dice[None])
    gain = float(_gains(curve, now)[0])
    low, high = np.quantile(_gains(_bootstrap(numbers, dice, curve, seed), now), [0.05, 0.95])
    found |= {
        "labels": now,
        "expected_now": round(float(at(curve, np.array([now]))[0, 0]), 4),
        "gain": round(gain, 4),
        "low": round(min(float(low), gain), 4),
        "high": round(max(float(high), gain), 4),
        "curve": dict(zip("abc", (round(float(value), 4) for value in curve[0]), strict=True)),
    }
    return {**found, "advice": _advice(found, entries)}


def is_hardly_worth_it(found: Mapping[str, Any]) -> bool:
    """Whether the advice is to stop: the upper end of the interval of an :func:`expected_gain` is below ``WORTH``.

    False where there are too few points for an estimate.
    """
    return bool(found.get("high", WORTH) < WORTH)


def at(curves: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Evaluate curves (B, 3), each a, b, c, at numbers of labels (N,): (B, N)."""
    a, b, c = (curves[:, index, None] for index in range(3))
    return a - b * numbers[None, :] ** -c


def fit(numbers: np.ndarray, dice: np.ndarray) -> np.ndarray:
    """Bounded least squares of ``a - b n^-c``.

    For each of a range of exponents, the best a and b have a closed form; the best exponent is taken.

    Args:
        numbers: (N,) of labels, at least two different.
        dice: (B, N) measurements in 0..1; each row is fitted separately.

    Returns:
        (B, 3): a <= 1, b >= 0, c > 0.
    """
    powers = numbers[None, :] ** -_EXPONENTS[:, None]  # (K, N)
    middle, mean = powers.mean(1), dice.mean(1)
    spread = powers - middle[:, None]
    b = -(dice @ spread.T) / np.square(spread).sum(1)
    free = np.stack([mean[:, None] + b * middle, b])
    top = np.stack([np.ones_like(b), ((1 - dice) @ powers.T) / np.square(powers).sum(1)])
    flat = np.stack([np.broadcast_to(mean[:, None], b.shape), np.zeros_like(b)])
    allowed = (free[0] <= 1) & (free[1] >= 0)
    errors = [_error(candidate, powers, dice) for candidate in (top, flat)]
    bounded = np.where(errors[0] < errors[1], top, flat)
    chosen = np.where(allowed, free, bounded)
    best = _error(chosen, powers, dice).argmin(1)
    rows = np.arange(len(dice))
    return np.stack([chosen[0, rows, best], chosen[1, rows, best], _EXPONENTS[best]], 1)


def _error(candidate: np.ndarray, powers: np.ndarray, dice: np.ndarray) -> np.ndarray:
    """Sums of squares (B, K) for a and b (2, B, K), without arrays of (B, K, N)."""
    a, b = candidate
    n, sums, squares = powers.shape[1], powers.sum(1), np.square(powers).sum(1)
    y, yy, yx = dice.sum(1)[:, None], np.square(dice).sum(1)[:, None], dice @ powers.T
    return yy + n * a**2 + b**2 * squares - 2 * a * y + 2 * b * yx - 2 * a * b * sums


def _gains(curves: np.ndarray, now: int) -> np.ndarray:
    before, after = at(curves, np.array([now, now + MORE], float)).T
    return after - before


def _bootstrap(numbers: np.ndarray, dice: np.ndarray, curve: np.ndarray, seed: int) -> np.ndarray:
    """Curves fitted to histories with resampled residuals (bootstrap).

    The residuals are scaled up for the three parameters of the fit, and for the tails of Student's distribution
    compared with the normal one: four points leave one degree of freedom.
    """
    fitted = at(curve, numbers)[0]
    residuals = dice - fitted
    free = max(1, len(dice) - 3)
    wider = math.sqrt(len(dice) / free) * stats.t.ppf(0.95, free) / stats.norm.ppf(0.95)
    residuals = (residuals - residuals.mean()) * wider
    drawn = np.random.default_rng(seed).choice(residuals, (_BOOTSTRAPS, len(dice)))
    return fit(numbers, np.clip(fitted + drawn, 0.0, 1.0))


def _enough(points: Sequence[tuple[int, float]]) -> bool:
    return len(points) >= LEAST_POINTS and len({n for n, _ in points}) >= LEAST_NUMBERS


def is_number(value: Any) -> bool:
    """Whether a value from a file is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_own_work(entry: Mapping[str, Any]) -> bool:
    """Whether a person drew or corrected the label; for an accepted one the model would agree with itself."""
    kind = entry.get("kind")
    return kind in ("drawn", "corrected") if kind else entry.get("changed") != 0


def _corrected_points(entries: Sequence[dict[str, Any]]) -> list[tuple[int, float]]:
    """Points of first submissions only: the model may have been trained on an earlier label of the same case."""
    first = (entry for entry in entries if entry.get("first") and is_own_work(entry))
    usable = (e for e in first if is_number(e.get("mean")) and is_number(e.get("labels")))
    return [(int(e["labels"]), float(e["mean"])) for e in usable if e["labels"] >= 1]


def _validation_points(entries: Sequence[dict[str, Any]]) -> list[tuple[int, float]]:
    """One point for each version of the model that was validated."""
    versions = {}
    for entry in entries:
        if is_number(entry.get("validation")) and is_number(entry.get("labels")) and entry["labels"] >= 1:
            versions[str(entry.get("model_version"))] = (int(entry["labels"]), float(entry["validation"]))
    return list(versions.values())


def _too_few(points: Sequence[tuple[int, float]]) -> str:
    return (
        f"Too few comparisons to estimate what more labels would bring: {len(points)} of at least {LEAST_POINTS} "
        f"submissions could be compared with a model, which was trained on {len({n for n, _ in points})} of at least "
        f"{LEAST_NUMBERS} different numbers of labels. Go on labelling and training."
    )


def _advice(found: dict[str, Any], entries: Sequence[dict[str, Any]]) -> str:
    sentences = [
        f"{MORE} more labels are expected to raise the mean Dice by {found['gain']:.3f} (90 % interval "
        f"{found['low']:.3f} to {found['high']:.3f}) from about {found['expected_now']:.2f}."
    ]
    if is_hardly_worth_it(found):
        sentences.append("That is hardly worth the work: it is time to stop, or to look for other kinds of cases.")
    elif found["low"] >= WORTH:
        sentences.append("More labels are worth the work.")
    else:
        sentences.append("It is not certain yet whether more labels are worth the work.")
    if found["source"] == "validation":
        sentences.append(f"This is from the validation Dice of {len(found['points'])} versions of the model.")
        return " ".join(sentences)
    sentences.append(f"This is from {len(found['points'])} submissions, compared before the model learned from them.")
    if any(entry.get("strategy") not in _FAIR for entry in entries):
        sentences.append("Cases are chosen because they are hard, so the values are lower than for average cases.")
    known = [entry["validation"] for entry in entries if is_number(entry.get("validation"))]
    if known:
        sentences.append(f"Its validation Dice ({known[-1]:.2f}) is the better measure of how good the model is.")
    return " ".join(sentences)
