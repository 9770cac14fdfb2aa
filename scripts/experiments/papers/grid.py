"""Resamples volumes to the grids of the published benchmarks, with their affines, so that millimetres stay right."""

from __future__ import annotations

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Orientation, Resize

from fewlabel.volumes.reading import Volume

_RAS = Orientation(axcodes="RAS", labels=(("L", "R"), ("P", "A"), ("I", "S")))


def resized(volume: Volume, shape: tuple[int, int, int], is_label: bool) -> Volume:
    """The volume with axes along right, anterior, superior, resized to so many voxels.

    Images linearly, labels to the nearest voxel; both voxel centres as in ``align_corners=False``.
    """
    tensor = MetaTensor(torch.as_tensor(volume.array[None].astype(np.float32)), affine=torch.as_tensor(volume.affine))
    resize = Resize(shape, mode="nearest-exact" if is_label else "trilinear")
    result = resize(_RAS(tensor))
    array = result[0].numpy().astype(np.uint8 if is_label else np.float32)
    return Volume(array, result.affine.numpy().astype(np.float64), volume.notes)


def cut(volume: Volume, start: tuple[int, int, int], stop: tuple[int, int, int]) -> Volume:
    """The voxels from ``start`` up to ``stop``, where they were in space."""
    box = tuple(slice(first, last) for first, last in zip(start, stop, strict=True))
    affine = volume.affine.copy()
    affine[:3, 3] = (affine @ [*start, 1])[:3]
    return Volume(np.ascontiguousarray(volume.array[box]), affine, volume.notes)


def content_box(array: np.ndarray) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Smallest box, as start and stop, around all voxels that are not 0."""
    filled = [np.flatnonzero(array.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return tuple(int(each[0]) for each in filled), tuple(int(each[-1]) + 1 for each in filled)


def clipped(volume: Volume, low: float, high: float) -> Volume:
    """Intensities cut off at both values."""
    return Volume(volume.array.clip(low, high).astype(np.float32), volume.affine, volume.notes)
