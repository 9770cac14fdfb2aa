"""Pre- and postprocessing with the parameters of model.json, equal to the server's in every voxel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from network import exp, logits, mean_and_deviation, resampled, sigmoid, softmax


def working_grid(model: dict[str, Any], affine: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, tuple[int, ...]]:
    """Matrix (4, 4) from voxels of the grid that the network sees to those of the scan, and its voxels along each axis.

    As MONAI's Spacing calculates: where a side falls between two whole numbers, and whether both grids begin at one
    corner or have one centre, rounding decides.
    """
    axes, own = affine[:3, :3], np.sqrt(np.sum(affine[:3, :3] ** 2, axis=0))
    spacing = np.where(abs(own - model["spacing"]) <= model["spacing_tolerance"], own, model["spacing"])
    scale = np.linalg.cholesky(axes.T @ axes).T
    target = np.eye(4)
    target[:3, :3] = axes @ np.linalg.inv(scale) @ np.diag(np.sign(np.diag(scale)) * spacing)
    corners = np.stack(np.meshgrid(*((0.0, side - 1.0) for side in shape), 1.0, indexing="ij")).reshape(4, 8)
    positions = (np.linalg.solve(target, affine) @ corners)[:3]
    sides = np.round(np.ptp(positions, axis=1) + 1).astype(int)
    lowest = [corner for corner in range(8) if np.allclose((positions - positions[:, [corner]]).min(1), 0)]
    if lowest:
        target[:3, 3] = (affine @ corners)[:3, lowest[0]]
    else:
        target[:3, 3] = axes @ (np.array(shape) / 2) + affine[:3, 3] - target[:3, :3] @ (sides / 2)
    matrix = np.linalg.solve(affine, target)
    same = tuple(sides) == tuple(shape) and np.allclose(matrix, np.eye(4), atol=model["spacing_tolerance"])
    return np.eye(4) if same else matrix, tuple(sides.tolist())


def onto(volume: np.ndarray, matrix: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Linear interpolation of (i, j, k) on another grid, see working_grid; outside the nearest voxel's value."""
    return volume if np.array_equal(matrix, np.eye(4)) else resampled(volume, matrix, shape)


def predicted(model: dict[str, Any], volume: np.ndarray) -> np.ndarray:
    """Probabilities float32 (class, i, j, k) of a scan on the network's grid."""
    return softmax(blended(model["windows"], len(model["classes"]), normalised(model["intensity"], volume)))


def normalised(intensity: dict[str, Any], volume: np.ndarray) -> np.ndarray:
    """Intensities as the network was trained on them."""
    if intensity["normalisation"] == "ct":
        low, high = intensity["window"]
        return sigmoid((volume - low) / (high - low) * 2 - 1)
    inside = volume != 0
    if not inside.any():
        return volume
    mean, deviation = mean_and_deviation(volume[inside])
    return np.where(inside, (volume - mean) / (deviation or np.float32(1)), volume)


def blended(windows: dict[str, Any], classes: int, volume: np.ndarray) -> np.ndarray:
    """The network's logits (class, i, j, k): the mean of overlapping windows, weighted by a Gaussian."""
    patch, shape = windows["patch"], volume.shape
    missing = [max(0, size - side) for size, side in zip(patch, shape, strict=True)]
    volume = np.pad(volume, [(each // 2, each - each // 2) for each in missing], constant_values=windows["padding"])
    starts, weights = [], np.ones((), np.float32)
    for size, side in zip(patch, volume.shape, strict=True):
        starts.append([*range(0, side - size, max(1, int(size * (1 - windows["overlap"])))), side - size])
        distance = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
        weights = weights[..., None] * exp(distance**2 / np.float32(-2 * (windows["sigma"] * size) ** 2))
    weights = np.maximum(weights, max(weights.min(), np.float32(windows["least_weight"])))
    boxes = [tuple(slice(at, at + size) for at, size in zip(each, patch, strict=True)) for each in product(*starts)]
    total, counted = np.zeros((classes, *volume.shape), np.float32), np.zeros(volume.shape, np.float32)
    for first in range(0, len(boxes), windows["batch"]):
        batch = boxes[first : first + windows["batch"]]
        results = logits(np.stack([volume[box] for box in batch])[:, None])
        for box, result in zip(batch, results, strict=True):
            inside = (slice(None), *box)
            total[inside] += result * weights
            counted[box] += weights
    whole = tuple(slice(each // 2, each // 2 + side) for each, side in zip(missing, shape, strict=True))
    inside = (slice(None), *whole)
    return total[inside] / counted[whole]
