"""From one image file to a label map on exactly its grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.transforms import Compose, Invertd

from fewlabel.data.transforms import Preprocessing
from fewlabel.plan import Plan


def sliding_window(plan: Plan, overlap: float | Sequence[float] = 0.5) -> SlidingWindowInferer:
    """Overlapping crops of the plan's size, weighted by a Gaussian; volumes smaller than a crop are padded.

    Args:
        plan: crop size.
        overlap: of neighbouring crops, in [0, 1): one number, or one per axis.
    """
    return SlidingWindowInferer(roi_size=plan.patch, sw_batch_size=2, overlap=overlap, mode="gaussian")


@torch.no_grad()
def probabilities(
    network: Callable[[torch.Tensor], torch.Tensor],
    plan: Plan,
    image: torch.Tensor,
    overlap: float | Sequence[float] = 0.5,
) -> torch.Tensor:
    """Softmax probabilities of a preprocessed image.

    Args:
        network: logits from BCDHW crops, or any callable of that form.
        plan: crop size.
        image: 1HWD, preprocessed, on the network's device.
        overlap: of neighbouring crops, in [0, 1): one number, or one per axis.

    Returns:
        CHWD float32, adding up to 1 over C.
    """
    logits = sliding_window(plan, overlap)(image[None], network)
    return torch.softmax(logits[0].float(), 0)


def segment(
    network: torch.nn.Module,
    plan: Plan,
    path: str | Path,
    device: str = "cpu",
    overlap: float | Sequence[float] = 0.5,
) -> tuple[torch.Tensor, dict]:
    """Label map of one image file.

    Args:
        network: logits from BCDHW crops.
        plan: preprocessing and crop size.
        path: of the image.
        device: of the network.
        overlap: of neighbouring crops, in [0, 1): one number, or one per axis.

    Returns:
        uint8 label map HWD on the file's own grid (probabilities are resampled back, then the likeliest class is
        taken), and the reader's meta data (``affine`` in RAS mm, ``notes``).

    Raises:
        UnreadableVolume: the file is not a usable image; the message says why.
    """
    steps = Preprocessing(plan)
    data = steps({"image": str(path)})
    image = data["image"]
    prediction = probabilities(network, plan, image.as_tensor().to(device), overlap).cpu()
    data["pred"] = MetaTensor(prediction, meta=image.meta, applied_operations=image.applied_operations)
    restored = restoring(steps.steps)(data)["pred"]
    notes = image.meta.get("notes", [])
    return restored.argmax(0).to(torch.uint8).as_tensor(), {
        "affine": restored.affine.numpy(),
        "notes": list(notes),
    }


def restoring(steps: Compose) -> Invertd:
    """Undo the resampling of ``image`` on ``pred``: back to the grid of the file."""
    return Invertd(keys="pred", transform=steps, orig_keys="image", nearest_interp=False, to_tensor=True)
