"""How much of the model's prediction a person had to correct."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_AT_ONCE = 4_000_000  # voxels counted at once: limits the memory for large scans


@dataclass(frozen=True)
class Correction:
    """Comparison of the model's prediction with the submitted label.

    Attributes:
        dice: per class name, 0..1; classes that are in neither are left out.
        mean: of ``dice``; None where there is none.
        changed: number of voxels whose class differs.
    """

    dice: dict[str, float]
    mean: float | None
    changed: int


def overlaps(label: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Count the voxels with each pair of values (a confusion matrix).

    Args:
        label: integers 0..classes, any shape.
        prediction: the same shape and values.
        classes: number of classes without background.

    Returns:
        (classes + 1, classes + 1) integers: [value in label, value in prediction].

    Raises:
        ValueError: the shapes differ, or a value is out of range.
    """
    if label.shape != prediction.shape:
        raise ValueError(f"The label has the shape {label.shape}, the prediction {prediction.shape}.")
    size = classes + 1
    counts = np.zeros(size * size, np.int64)
    first, second = label.reshape(-1), prediction.reshape(-1)
    for start in range(0, first.size, _AT_ONCE):
        there, seen = (values[start : start + _AT_ONCE].astype(np.intp) for values in (first, second))
        if there.max() > classes or seen.max() > classes:
            raise ValueError(f"There are values above {classes}, the number of classes.")
        counts += np.bincount(there * size + seen, minlength=size * size)
    return counts.reshape(size, size)


def dice_matrix(counts: np.ndarray) -> np.ndarray:
    """Dice of each class of the label (rows) with each of the prediction (columns); NaN where both are absent."""
    sizes = counts.sum(1)[1:, None] + counts.sum(0)[None, 1:]
    return np.divide(2.0 * counts[1:, 1:], sizes, out=np.full(sizes.shape, np.nan), where=sizes > 0)


def correction(counts: np.ndarray, classes: Sequence[str]) -> Correction:
    """Dice and changed voxels from the :func:`overlaps` of label and prediction."""
    values = np.diag(dice_matrix(counts))
    dice = {name: float(value) for name, value in zip(classes, values, strict=True) if math.isfinite(value)}
    mean = sum(dice.values()) / len(dice) if dice else None
    return Correction(dice, mean, int(counts.sum() - np.trace(counts)))
