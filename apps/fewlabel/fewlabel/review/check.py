"""Checks whether a submitted label disagrees grossly with a confident prediction, and in which way.

Only specific mistakes are flagged: classes exchanged, the whole label mirrored or shifted, a class forgotten, the label
empty or elsewhere. A model that is merely worse than the person never leads to a flag: undoing the mistake must make
the label agree with the prediction, and far better than before.

The thresholds were chosen on generated scans and on the 120 development labels of the hippocampus, with predictions
degraded in six ways (Dice 0.5 to 0.9). "Planted" mistakes below are a swap, each mirroring, and each shift by a quarter
of the extent, with predictions of Dice 0.7 and better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from fewlabel.review.alignment import Alignment, Move, Pair, extents, working_pair
from fewlabel.review.correction import dice_matrix

LEAST_RESULT = 0.5
"""Least mean Dice after undoing the mistake: below, the two are not the same structure at another position."""

LEAST_GAIN = {"swapped": 0.25, "mirrored": 0.12, "shifted": 0.08}
"""Least gain in Dice from undoing the mistake; planted ones gained at least 0.43, 0.16 and 0.20."""

LEAST_BETTER = 0.08
"""Least difference to the best translation for a mirroring: for a nearly symmetric structure both are equal.

Correct labels had at most -0.01, planted mirrorings at least 0.12.
"""

LEAST_SHARE = 0.3
"""Least share of the disagreement (1 - Dice) removed by undoing the mistake; planted shifts had at least 0.44."""

LEAST_SHIFT = 0.2
"""Least shift, as a share of the extent along an axis; correct labels had at most 0.14, planted ones at least 0.20."""

LEAST_VALIDATION = 0.6
"""Least mean validation Dice of a model whose prediction is used."""

LEAST_CONFIDENCE = 0.8
"""Least mean probability over the predicted foreground, for a model that was not validated."""

SURE = 0.85
"""Least mean probability over a class that is missing from the label."""

LARGE = 0.05
"""Least share of the predicted foreground for a missing class."""

APART = 0.02
"""Largest mean Dice of a label that lies elsewhere."""

_SIMPLER = 0.03  # Dice by which a more complex explanation must be better than a simpler one
_SIDES = (("left", "right"), ("back (posterior)", "front (anterior)"), ("feet (inferior)", "head (superior)"))
_AXES = ("left-right", "front-back (anterior-posterior)", "head-feet (superior-inferior)")


@dataclass(frozen=True)
class Opinion:
    """The model's prediction of a case, and how far it can be trusted.

    Attributes:
        prediction: (i, j, k) label map on the grid of the submitted label; value i + 1 is ``classes[i]``.
        classes: names.
        confidence: per class, mean probability where it is predicted; 0 if it is not.
        validation: validation Dice per class name; None or empty where the model was not validated.
    """

    prediction: np.ndarray
    classes: Sequence[str]
    confidence: Sequence[float]
    validation: Mapping[str, float | None] | None = None


def check(label: np.ndarray, opinion: Opinion, affine: np.ndarray, counts: np.ndarray) -> list[dict[str, Any]]:
    """Gross disagreements of a submitted label with the model.

    Args:
        label: (i, j, k) values 0..number of classes.
        opinion: prediction of the model.
        affine: (4, 4), voxel -> RAS mm.
        counts: :func:`fewlabel.review.correction.overlaps` of the label and the prediction.

    Returns:
        ``{kind, reason, gain}`` each, mostly none; kind is swapped, mirrored, shifted, missing, empty or elsewhere;
        gain is the increase of Dice from undoing the mistake, 0..1.
    """
    if not _may_judge(opinion, counts):
        return []
    if not counts[1:].any():
        reason = (
            f"The label is empty, but the model is sure that it sees {_names(opinion, counts)}. "
            "Check that the right segmentation was submitted."
        )
        return [_flag("empty", reason, 0.0)] if _sure(opinion, counts) else []
    pair = working_pair(label, opinion.prediction, affine)
    moved = _misplaced(pair, opinion, counts)
    if moved:
        return [moved]
    if np.nanmean(np.diag(dice_matrix(counts))) < APART and _overlap(counts) < APART and _sure(opinion, counts):
        reason = (
            f"The label lies elsewhere: almost nothing of it is where the model sees {_names(opinion, counts)}. "
            "Check that it was drawn on this scan."
        )
        return [_flag("elsewhere", reason, 0.0)]
    return _missing(opinion, counts)


def _flag(kind: str, reason: str, gain: float) -> dict[str, Any]:
    return {"kind": kind, "reason": reason, "gain": round(float(gain), 4)}


def _may_judge(opinion: Opinion, counts: np.ndarray) -> bool:
    """Whether the model sees foreground here, and is validated well enough or at least confident."""
    sizes = counts.sum(0)[1:]
    if not sizes.any():
        return False
    measured = [value for value in (opinion.validation or {}).values() if value is not None and np.isfinite(value)]
    if measured:
        return float(np.mean(measured)) >= LEAST_VALIDATION
    return _confidence(opinion, sizes) >= LEAST_CONFIDENCE


def _confidence(opinion: Opinion, sizes: np.ndarray) -> float:
    return float(np.dot(opinion.confidence, sizes) / sizes.sum())


def _sure(opinion: Opinion, counts: np.ndarray) -> bool:
    return _confidence(opinion, counts.sum(0)[1:]) >= SURE


def _names(opinion: Opinion, counts: np.ndarray) -> str:
    return ", ".join(name for name, size in zip(opinion.classes, counts.sum(0)[1:], strict=True) if size)


def _overlap(counts: np.ndarray) -> float:
    """Dice of the two foregrounds, regardless of class."""
    return 2 * counts[1:, 1:].sum() / (counts[1:].sum() + counts[:, 1:].sum())


def _misplaced(pair: Pair | None, opinion: Opinion, counts: np.ndarray) -> dict[str, Any] | None:
    """The best explanation of the disagreement, if it is good enough: exchange, mirroring or shift."""
    now, exchanged, moved = _exchange(counts)
    found = []
    if moved and _explains(now[1], exchanged[1], LEAST_GAIN["swapped"]):
        found.append((exchanged[0] + 2 * _SIMPLER, _swap_flag(moved, opinion, exchanged[1] - now[1])))
    if pair is not None and now[0] <= 1 - LEAST_GAIN["shifted"]:
        found += _move_flags(pair)
    return max(found, key=lambda each: each[0])[1] if found else None


def _explains(before: float, after: float, gain: float) -> bool:
    enough = max(gain, LEAST_SHARE * (1 - before))
    return after >= LEAST_RESULT and after - before >= enough


def _exchange(counts: np.ndarray) -> tuple[tuple[float, float], tuple[float, float], list[tuple[int, int]]]:
    """Mean Dice (over all classes, and over those concerned) before and after the best exchange of names.

    The third result lists pairs of class indices (label, prediction) that differ.
    """
    dice = dice_matrix(counts)
    known = np.nan_to_num(dice) + 1e-6 * np.eye(len(dice))
    rows, columns = linear_sum_assignment(-known)
    moved = [(int(a), int(b)) for a, b in zip(rows, columns, strict=True) if a != b]
    if not moved:
        mean = float(np.nanmean(np.diag(dice)))
        return (mean, mean), (mean, mean), []
    concerned = [a for a, _ in moved]
    now, then = np.diag(dice), dice[rows, columns]
    return (
        (float(np.nanmean(now)), float(np.nanmean(now[concerned]))),
        (float(np.nanmean(then)), float(np.nanmean(then[concerned]))),
        moved,
    )


def _swap_flag(moved: Sequence[tuple[int, int]], opinion: Opinion, gain: float) -> dict[str, Any]:
    said = "; ".join(f"'{opinion.classes[a]}' where the model sees '{opinion.classes[b]}'" for a, b in moved)
    reason = f"The classes look exchanged: the label has {said}. Check the names of the segments and submit again."
    return _flag("swapped", reason, gain)


def _move_flags(pair: Pair) -> list[tuple[float, dict[str, Any]]]:
    """Shift and mirrorings that explain the disagreement, each with its Dice and a bonus for simpler ones."""
    alignment = Alignment(pair)
    shifted, as_it_is = alignment.moves(None)
    found = []
    far = np.abs(shifted.shift) / extents(pair.label)
    if far.max() >= LEAST_SHIFT and _explains(as_it_is.dice, shifted.dice, LEAST_GAIN["shifted"]):
        flag = _flag("shifted", _shift_reason(pair, shifted), shifted.dice - as_it_is.dice)
        found.append((shifted.dice + _SIMPLER, flag))
    far_away = bool(found)
    for axis in range(3):
        for move in alignment.moves(axis):
            asymmetric = move.dice >= shifted.dice + LEAST_BETTER
            certain = asymmetric or (far_away and move.about_centre)  # otherwise the model itself may be slightly off
            if certain and _explains(as_it_is.dice, move.dice, LEAST_GAIN["mirrored"]):
                flag = _flag("mirrored", _mirror_reason(axis), move.dice - as_it_is.dice)
                found.append((move.dice + (2 * _SIMPLER if move.about_centre else 0.0), flag))
    return found


def _mirror_reason(axis: int) -> str:
    return (
        f"The whole label looks mirrored {_AXES[axis]}: turned back it agrees with the model far better. "
        "Check how it was exported and submit again."
    )


def _shift_reason(pair: Pair, move: Move) -> str:
    """Position of the label relative to the prediction: the inverse of the shift that undoes it."""
    offset = -(pair.axes @ np.array(move.shift))
    largest = np.abs(offset).max()
    parts = [
        f"{abs(length):.{0 if largest >= 10 else 1}f} mm towards the {_SIDES[axis][int(length > 0)]}"
        for axis, length in enumerate(offset)
        if abs(length) >= 0.3 * largest
    ]
    return (
        f"The whole label looks shifted by {' and '.join(parts)} from where the model sees the structure. "
        "Check its position in the viewer and submit again."
    )


def _missing(opinion: Opinion, counts: np.ndarray) -> list[dict[str, Any]]:
    """Classes without a voxel in the label, of which the model sees much with high confidence."""
    there, seen = counts.sum(1)[1:], counts.sum(0)[1:]
    flags = []
    for index, name in enumerate(opinion.classes):
        measured = (opinion.validation or {}).get(name)
        trusted = measured is None or measured >= LEAST_VALIDATION
        large = seen[index] >= LARGE * seen.sum()
        if not there[index] and large and trusted and opinion.confidence[index] >= SURE:
            reason = (
                f"'{name}' is missing from the label, but the model is sure that it sees {int(seen[index])} voxels "
                "of it. Check whether it was forgotten."
            )
            flags.append(_flag("missing", reason, 0.0))
    return flags
