"""Overlap and surface distances of one predicted label map, by MONAI's metrics, in millimetres."""

from __future__ import annotations

import math
from typing import Any

import torch
from monai.metrics import compute_average_surface_distance, compute_dice, compute_hausdorff_distance, compute_iou
from monai.networks.utils import one_hot

MEASURES = ("dice", "jaccard", "hausdorff95", "surface_distance")


def measure(
    predicted: torch.Tensor, truth: torch.Tensor, spacing: tuple[float, ...], classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Measures of every class of two label maps of one grid.

    Args:
        predicted, truth: HWD, integer.
        spacing: of the voxels, mm.
        classes: names of the values 1, 2, ...

    Returns:
        Per class: ``class``; ``dice`` and ``jaccard`` in [0, 1], NaN where neither map holds the class;
        ``hausdorff95``, the larger of both directions' 95th percentiles, and ``surface_distance``, the average
        symmetric one, in mm, NaN where a map lacks the class; ``empty``: which does (prediction, reference, both).

    Raises:
        ValueError: a map has a value without a name.
    """
    highest = int(max(predicted.max(), truth.max()))
    if highest > len(classes):
        raise ValueError(f"A label map has the value {highest}, but the classes are {', '.join(classes)}.")
    maps = [one_hot(each.long()[None, None], len(classes) + 1) for each in (predicted, truth)]
    dice = compute_dice(*maps, include_background=False, ignore_empty=False)[0]
    jaccard = compute_iou(*maps, include_background=False, ignore_empty=False)[0]
    rows = []
    for value, name in enumerate(classes, 1):
        masks = [each[:, [0, value]] for each in maps]
        lacks = tuple(not bool(mask[:, 1].any()) for mask in masks)
        empty = {(True, True): "both", (True, False): "prediction", (False, True): "reference"}.get(lacks, "")
        row = {"class": name, **dict.fromkeys(MEASURES, math.nan), "empty": empty}
        if empty != "both":
            row |= {"dice": float(dice[value - 1]), "jaccard": float(jaccard[value - 1])}
        if not empty:
            row["hausdorff95"] = float(compute_hausdorff_distance(*masks, percentile=95, spacing=spacing))
            row["surface_distance"] = float(compute_average_surface_distance(*masks, symmetric=True, spacing=spacing))
        rows.append(row)
    return rows
