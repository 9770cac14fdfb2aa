"""A small picture of a prediction: an axial slice with the outlines of the predicted classes."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

_SIDE = 128  # largest side in pixels


def middle_slice(image: np.ndarray, labels: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """The axial slice with the most foreground (the middle one if there is none), on square pixels.

    Args:
        image: HWD intensities, axes to the patient's right, front and head.
        labels: uint8 HWD.
        spacing: of the voxels in mm.

    Returns:
        uint8 2 x rows x columns, at most 128 pixels a side: grey values, and classes. The patient's right is on the
        left, the front at the top.
    """
    areas = (labels > 0).sum((0, 1))
    number = int(areas.argmax()) if areas.any() else image.shape[2] // 2
    extents = [size * float(side) for size, side in zip(image.shape[:2], spacing[:2], strict=True)]
    pixel = max(max(extents) / _SIDE, min(spacing[:2]))
    shown = [max(1, round(extent / pixel)) for extent in extents]
    rows = np.ix_(*((np.arange(n) * size // n)[::-1] for n, size in zip(shown, image.shape[:2], strict=True)))
    chosen = image[..., number][rows].astype(np.float32)
    low, high = np.percentile(chosen, (1, 99))
    grey = np.clip((chosen - low) / max(float(high - low), 1e-6), 0, 1) * 255
    return np.stack([grey.round().astype(np.uint8).T, labels[..., number][rows].T])


def draw(picture: np.ndarray, colours: Sequence[tuple[int, int, int]]) -> bytes:
    """A PNG with the outline of each class.

    Args:
        picture: of :func:`middle_slice`.
        colours: red, green and blue (0 to 255) of each class, that of value 1 first.
    """
    from matplotlib.image import imsave  # slow to import, and rarely needed

    grey, classes = picture
    padded = np.pad(classes, 1)
    around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    edge = (classes > 0) & np.any([each != classes for each in around], axis=0)
    shown = np.repeat(grey[..., None], 3, axis=2)
    shown[edge] = np.array([(0, 0, 0), *colours], np.uint8)[classes[edge]]
    buffer = io.BytesIO()
    imsave(buffer, shown, format="png")
    return buffer.getvalue()
