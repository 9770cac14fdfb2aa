"""The slices of a scan on which the model is least certain."""

from __future__ import annotations

from typing import Any

import nibabel
import numpy as np

AXES = ("sagittal", "coronal", "axial")  # slices across the right-left, posterior-anterior and inferior-superior axis
_APART = 8  # chosen slices are at least an eighth of the uncertain extent apart


def worst_slices(
    uncertainty: np.ndarray, affine: np.ndarray, image_affine: np.ndarray, image_shape: tuple[int, ...], most: int = 3
) -> dict[str, dict[str, list[Any]]]:
    """The slices of the image with the most uncertainty, for each anatomical axis.

    Args:
        uncertainty: HWD, at least 0, on a grid of RAS order.
        affine: (4, 4) of that grid, voxel to RAS mm.
        image_affine, image_shape: of the image file.
        most: slices per axis.

    Returns:
        ``slices``: for ``sagittal``, ``coronal`` and ``axial`` the indices along the image's own axis, worst first;
        ``points``: for each slice a point in RAS mm, the centre of the uncertainty on it. Empty where there is none.
    """
    stored = np.argsort(nibabel.orientations.io_orientation(image_affine)[:, 0])  # the image's axis of each of AXES
    to_image = np.linalg.inv(image_affine)
    found: dict[str, dict[str, list[Any]]] = {"slices": {}, "points": {}}
    for axis, name in enumerate(AXES):
        points = [
            affine[:3, :3] @ _middle(uncertainty, axis, number) + affine[:3, 3]
            for number in _worst(uncertainty, axis, most)
        ]
        own = int(stored[axis])
        indices = [round(float((to_image[:3, :3] @ point + to_image[:3, 3])[own])) for point in points]
        found["slices"][name] = [min(max(index, 0), image_shape[own] - 1) for index in indices]
        found["points"][name] = [[round(float(value), 1) for value in point] for point in points]
    return found


def _worst(uncertainty: np.ndarray, axis: int, most: int) -> list[int]:
    """Slices with the largest sums, not next to each other."""
    sums = uncertainty.sum(tuple(other for other in range(3) if other != axis))
    extent = np.flatnonzero(sums > 0)
    if not extent.size:
        return []
    apart = max(1, (extent[-1] - extent[0] + 1) // _APART)
    chosen: list[int] = []
    for number in np.argsort(-sums, kind="stable"):
        if sums[number] > 0 and all(abs(number - other) >= apart for other in chosen):
            chosen.append(int(number))
        if len(chosen) == most:
            break
    return chosen


def _middle(uncertainty: np.ndarray, axis: int, number: int) -> np.ndarray:
    """Centre of mass of one slice, as a voxel position in the volume."""
    plane = np.take(uncertainty, number, axis)
    weights = plane / plane.sum()
    centre = [float((np.indices(plane.shape)[number] * weights).sum()) for number in range(2)]
    return np.insert(np.array(centre), axis, number)
