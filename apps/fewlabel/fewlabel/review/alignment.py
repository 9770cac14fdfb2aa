"""Finds the mirroring or shift of a whole label map that agrees best with another map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.optimize import linear_sum_assignment

SIDE = 64
"""Voxels along the longest side of the working grid, so that a quarter of a structure still has 16."""

_MOST_CLASSES = 8  # the largest ones are used; each costs a few Fourier transforms


@dataclass(frozen=True)
class Pair:
    """Two label maps cropped to their foreground, in coarse voxels along right, anterior and superior.

    Attributes:
        label: (i, j, k) of the submitted map.
        prediction: the same of the other map.
        axes: (3, 3), RAS mm of one voxel step along each axis (columns).
        centre: twice the position of the centre of the whole grid, in these voxels.
    """

    label: np.ndarray
    prediction: np.ndarray
    axes: np.ndarray
    centre: np.ndarray


@dataclass(frozen=True)
class Move:
    """A transformation of the label.

    Attributes:
        dice: mean Dice over the classes afterwards.
        mirrored: axis along which it is mirrored (0 right, 1 anterior, 2 superior), or None.
        shift: whole coarse voxels by which it is shifted afterwards.
        about_centre: it is only mirrored about the centre of the scan.
    """

    dice: float
    mirrored: int | None
    shift: tuple[int, int, int]
    about_centre: bool = False


def working_pair(label: np.ndarray, prediction: np.ndarray, affine: np.ndarray) -> Pair | None:
    """Crop both maps to their common bounding box, reorient them to RAS, and take every n-th voxel.

    Args:
        label: (i, j, k) integers.
        prediction: the same shape.
        affine: (4, 4), voxel -> RAS mm; oblique axes are treated as the nearest anatomical ones.

    Returns:
        None where one of the maps is empty.
    """
    sides = [_extent(label, prediction, axis) for axis in range(3)]
    box = [side for side in sides if side is not None]
    if len(box) < 3:
        return None
    steps = [-(-(stop - start) // SIDE) for start, stop in box]
    cut = tuple(slice(start, stop, step) for (start, stop), step in zip(box, steps, strict=True))
    axes = affine[:3, :3] * steps
    centre = np.array([(n - 1 - 2 * b[0]) / s for n, b, s in zip(label.shape, box, steps, strict=True)])
    small = [label[cut], prediction[cut]]
    order = linear_sum_assignment(-np.abs(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)))[1]
    axes, centre = axes[:, order], centre[order]
    small = [array.transpose(order) for array in small]
    for axis in range(3):
        if axes[axis, axis] < 0:
            small = [np.flip(array, axis) for array in small]
            axes[:, axis] *= -1
            centre[axis] = 2 * (small[0].shape[axis] - 1) - centre[axis]
    return Pair(small[0], small[1], axes, centre) if all(array.any() for array in small) else None


def _extent(label: np.ndarray, prediction: np.ndarray, axis: int) -> tuple[int, int] | None:
    others = tuple(other for other in range(3) if other != axis)
    layers = np.flatnonzero(label.any(others) | prediction.any(others))
    return (int(layers[0]), int(layers[-1]) + 1) if layers.size else None


def extents(label: np.ndarray) -> np.ndarray:
    """Extent along each axis, in voxels, of the middle 98 % of the foreground, so that stray voxels do not count."""
    sides = []
    for axis in range(3):
        profile = np.count_nonzero(label, axis=tuple(other for other in range(3) if other != axis))
        share = np.cumsum(profile) / profile.sum()
        low, high = np.searchsorted(share, [0.01, 0.99])
        sides.append(high - low + 1)
    return np.array(sides)


class Alignment:
    """Mean Dice of every whole-voxel translation of one map over another, by Fourier transforms.

    A translation does not change the sizes of the classes, so the mean Dice is a weighted sum of the classes'
    cross-correlations, which are computed at once.
    """

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.size = [fft.next_fast_len(2 * side - 1, real=True) for side in pair.label.shape]
        self.classes, self.weights = _classes(pair)
        self.seen = [self._transform(pair.prediction == value) for value in self.classes]

    def _transform(self, mask: np.ndarray) -> np.ndarray:
        return fft.rfftn(mask.astype(np.float32), self.size)

    def moves(self, mirrored: int | None) -> list[Move]:
        """The best translation, after mirroring along an axis; and mirroring about the centre of the scan."""
        label = self.pair.label if mirrored is None else np.flip(self.pair.label, mirrored)
        spectrum = 0
        for value, weight, seen in zip(self.classes, self.weights, self.seen, strict=True):
            spectrum = spectrum + weight * np.conj(self._transform(label == value)) * seen
        dice = fft.irfftn(spectrum, self.size)
        best = tuple(int(index) for index in np.unravel_index(int(dice.argmax()), dice.shape))
        moves = [Move(float(dice[best]), mirrored, self._signed(best))]
        if mirrored is None:
            moves.append(Move(float(dice[0, 0, 0]), None, (0, 0, 0)))
            return moves
        shift = [0, 0, 0]
        shift[mirrored] = round(self.pair.centre[mirrored]) - (label.shape[mirrored] - 1)
        if abs(shift[mirrored]) < label.shape[mirrored]:
            i, j, k = shift
            moves.append(Move(float(dice[i, j, k]), mirrored, (i, j, k), about_centre=True))
        return moves

    def _signed(self, position: Sequence[int]) -> tuple[int, int, int]:
        sides = self.pair.label.shape
        i, j, k = (int(p if p < n else p - s) for p, n, s in zip(position, sides, self.size, strict=True))
        return i, j, k


def _classes(pair: Pair) -> tuple[list[int], list[float]]:
    """The largest classes of both maps, and the weight of each one's overlap in the mean Dice."""
    first, second = (np.bincount(array.reshape(-1), minlength=256) for array in (pair.label, pair.prediction))
    sizes = first + second
    present = [int(value) for value in np.argsort(sizes[1:])[::-1] + 1 if sizes[value]][:_MOST_CLASSES]
    return present, [2.0 / (float(sizes[value]) * len(present)) for value in present]
