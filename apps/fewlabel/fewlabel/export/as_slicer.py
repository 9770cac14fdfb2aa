"""Runs our network as Slicer's MONAIAuto3DSeg runs a model; the export for it is compared with this, voxel by voxel."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.transforms import Compose, Invertd, Spacingd, Transform

from fewlabel.data.transforms import ReadVolumed, normalisation, resampling
from fewlabel.plan import Plan
from fewlabel.published import Published

OVERLAP = 0.625
"""Overlap of neighbouring windows, as a fraction."""

KEPT = 0.25
"""An axis is not resampled if its voxel size differs from the plan's by at most this fraction."""


@torch.no_grad()
def labels_as_slicer(model: Published, image: Path) -> np.ndarray:
    """Label map uint8 (i, j, k) of an image file on its own grid, as the extension computes it.

    It differs from ``/infer`` in the overlap, in axes that are not resampled, in that it normalises before it resamples
    and takes the argmax before it resamples to the scan's grid, by nearest neighbours. All else is the same: reader,
    network and plan are ours. The windows are computed one by one and in the extension's memory layout, which changes
    only the last digits.

    Raises:
        UnreadableVolume: the file is not a usable image.
    """
    steps = Compose(steps_as_slicer(model.plan))
    data = steps(ReadVolumed("image")({"image": str(image)}))
    given = data["image"]
    network = copy.deepcopy(model.network)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # a memory layout of the weights
    windows = SlidingWindowInferer(model.plan.patch, 1, OVERLAP, "gaussian")
    crops = given.as_tensor()[None].to(memory_format=torch.channels_last_3d)
    likeliest = torch.as_tensor(windows(crops, network)).argmax(1).to(torch.uint8)
    data["pred"] = MetaTensor(likeliest, meta=given.meta, applied_operations=given.applied_operations)
    restored = Invertd("pred", transform=steps, orig_keys="image", nearest_interp=True)(data)["pred"]
    return restored.as_tensor()[0].numpy().astype(np.uint8)


def steps_as_slicer(plan: Plan) -> list[Transform]:
    """From an image as read to the network's input."""
    axes = resampling(plan, ("image",))[0]
    least, most = ([share * size for size in plan.spacing] for share in (1 - KEPT, 1 + KEPT))
    sizes = Spacingd("image", plan.spacing, mode="bilinear", dtype=np.float32, min_pixdim=least, max_pixdim=most)
    return [*normalisation(plan), axes, sizes]
