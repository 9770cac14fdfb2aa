"""Our own network run as Slicer's MONAIAuto3DSeg runs a model: an export for it is compared with this by voxels."""

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
"""Of neighbouring windows."""

KEPT = 0.25
"""Share by which the voxel size of an axis may differ from the plan's and is left as it is."""


@torch.no_grad()
def labels_as_slicer(model: Published, image: Path) -> np.ndarray:
    """Label map uint8 (i, j, k) of an image file on its own grid, as the extension's steps make it.

    They differ from ``/infer`` in the overlap, in voxel sizes that are left as they are, and in that they normalise
    before they resample and take the likeliest class before they go back to the scan's grid, by nearest neighbours.
    Nothing else is other: reader, network and plan are ours. The windows go one by one and in the layout in which the
    extension holds them, which changes no more than the last digits.

    Raises:
        UnreadableVolume: the file is not a usable image.
    """
    steps = Compose(steps_as_slicer(model.plan))
    data = steps(ReadVolumed("image")({"image": str(image)}))
    given = data["image"]
    network = copy.deepcopy(model.network)
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # of weights it means a layout
    windows = SlidingWindowInferer(model.plan.patch, 1, OVERLAP, "gaussian")
    crops = given.as_tensor()[None].to(memory_format=torch.channels_last_3d)
    likeliest = torch.as_tensor(windows(crops, network)).argmax(1).to(torch.uint8)
    data["pred"] = MetaTensor(likeliest, meta=given.meta, applied_operations=given.applied_operations)
    restored = Invertd("pred", transform=steps, orig_keys="image", nearest_interp=True)(data)["pred"]
    return restored.as_tensor()[0].numpy().astype(np.uint8)


def steps_as_slicer(plan: Plan) -> list[Transform]:
    """From an image as it is read to the network's input."""
    axes = resampling(plan, ("image",))[0]
    least, most = ([share * size for size in plan.spacing] for share in (1 - KEPT, 1 + KEPT))
    sizes = Spacingd("image", plan.spacing, mode="bilinear", dtype=np.float32, min_pixdim=least, max_pixdim=most)
    return [*normalisation(plan), axes, sizes]
