"""Checks the voxels of images and label maps; what is not allowed is refused, or corrected with a note."""

from __future__ import annotations

import numpy as np

from fewlabel.volumes.formats import UnreadableVolume

LABEL_LIMIT = 255
"""Label maps are stored as uint8."""


def checked_image(array: np.ndarray, notes: list[str]) -> tuple[np.ndarray, list[str]]:
    """Check the voxels of an image: finite and not constant.

    Args:
        array: (i, j, k) float32.
        notes: so far, a sentence each.

    Returns:
        The array, with the smallest finite value where one was not finite, and the notes.

    Raises:
        UnreadableVolume: no voxel is finite, or all are equal.
    """
    finite = np.isfinite(array)
    if not finite.any():
        raise UnreadableVolume("has no voxel with a finite value. Export the scan again")
    damaged = int(finite.size - np.count_nonzero(finite))
    smallest = array[finite].min() if damaged else array.min()
    if damaged:
        array = np.where(finite, array, smallest)
        notes = [*notes, f"{damaged} voxel(s) that were not finite were set to {smallest:g}, the minimum."]
    if array.max() == smallest:
        raise UnreadableVolume(f"is constant (every voxel is {smallest:g}). Export the scan again")
    return array, notes


def checked_label(array: np.ndarray, notes: list[str]) -> tuple[np.ndarray, list[str]]:
    """Check the voxels of a label map; gives them as uint8.

    Args:
        array: (i, j, k) of any type.
        notes: so far, a sentence each.

    Raises:
        UnreadableVolume: values that are not whole numbers from 0 to 255.
    """
    lowest, highest = np.rint(array.min()), np.rint(array.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):  # NaN goes through both
        raise UnreadableVolume("has values that are not finite. Save it as a label map of whole numbers")
    fits = lowest >= 0 and highest <= LABEL_LIMIT
    if array.dtype.kind not in "iu":
        array = _rounded(array, fits)
    if not fits:
        raise UnreadableVolume(
            f"has values from {lowest:g} to {highest:g}; a label has 0 to {LABEL_LIMIT}. Is it the scan "
            "rather than its label? Else renumber its classes from 1"
        )
    return array.astype(np.uint8), notes


def _rounded(array: np.ndarray, fits: bool) -> np.ndarray:
    """(i, j, k) rounded to integers, uint8 if they fit; layer by layer, so that a large map is not copied at once."""
    whole = np.zeros(array.shape, np.uint8)
    for layer in range(array.shape[2]):
        rounded = np.rint(array[:, :, layer])
        if np.abs(array[:, :, layer] - rounded).max() > 0.1:
            raise UnreadableVolume(
                "has values between the whole numbers, as a probability or smoothed map has. "
                "Save it as a label map of whole numbers"
            )
        if fits:
            whole[:, :, layer] = rounded
    return whole
