"""A slice of a scan with the outlines of the submitted label and of the prediction."""

from __future__ import annotations

import io

import nibabel
import numpy as np

_COLOURS = ("#e69f00", "#56b4e9", "#009e73", "#d55e00", "#f0e442", "#cc79a7", "#0072b2", "#aaffc3")


def overlay(image: np.ndarray, truth: np.ndarray, seen: np.ndarray, affine: np.ndarray, classes: int) -> bytes:
    """The axial slice with the most labelled voxels: the submitted label solid, the prediction dashed.

    Args:
        image: (i, j, k) intensities.
        truth: uint8 (i, j, k), submitted.
        seen: uint8 (i, j, k), of the model.
        affine: (4, 4), voxel -> RAS mm.
        classes: number of classes, one colour each.

    Returns:
        PNG; the patient's right is on the left, anterior at the top.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import, and exports are rare
    from matplotlib.figure import Figure

    turn = nibabel.orientations.io_orientation(affine)
    image, truth, seen = (nibabel.orientations.apply_orientation(each, turn) for each in (image, truth, seen))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)[np.argsort(turn[:, 0])]
    index = int(((truth > 0) | (seen > 0)).sum((0, 1)).argmax())
    slices = [each[::-1, :, index].T for each in (image, truth, seen)]
    figure = Figure(figsize=(4, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    low, high = np.percentile(image, (1, 99))
    axes.imshow(slices[0], cmap="gray", vmin=low, vmax=max(high, low + 1e-6), origin="lower")
    axes.set_aspect(float(spacing[1] / spacing[0]))
    axes.axis("off")
    for value in range(1, classes + 1):
        colour = _COLOURS[(value - 1) % len(_COLOURS)]
        for drawn, style in ((slices[1], "solid"), (slices[2], "dashed")):
            inside = drawn == value
            if inside.any():
                axes.contour(inside, [0.5], colors=colour, linestyles=style, linewidths=1.2)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return buffer.getvalue()
