"""From one image file to a label map on exactly its grid."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.transforms import Compose, Invertd

from fewlabel.data.transforms import Preprocessing
from fewlabel.plan import Plan


def sliding_window(plan: Plan, overlap: float = 0.5) -> SlidingWindowInferer:
    """Overlapping crops of the plan's size, weighted by a Gaussian; volumes smaller than a crop are padded."""
    return SlidingWindowInferer(roi_size=plan.patch, sw_batch_size=2, overlap=overlap, mode="gaussian")


@torch.no_grad()
def probabilities(
    network: Callable[[torch.Tensor], torch.Tensor], plan: Plan, image: torch.Tensor, overlap: float = 0.5
) -> torch.Tensor:
    """Softmax probabilities of a preprocessed image.

    Args:
        network: logits from BCDHW crops, or any callable of that form.
        plan: crop size.
        image: 1HWD, preprocessed, on the network's device.
        overlap: of neighbouring crops, in [0, 1).

    Returns:
        CHWD float32, adding up to 1 over C.
    """
    logits = sliding_window(plan, overlap)(image[None], network)
    return torch.softmax(logits[0].float(), 0)


def segment(network: torch.nn.Module, plan: Plan, path: str | Path, device: str = "cpu") -> tuple[torch.Tensor, dict]:
    """Label map of one image file.

    Returns:
        uint8 label map HWD on the file's own grid (probabilities are resampled back, then the likeliest class is
        taken), and the reader's meta data (``affine`` in RAS mm, ``notes``) with the ``confidence`` of each class: its
        mean probability where it is predicted, 0 where it is not.

    Raises:
        UnreadableVolume: the file is not a usable image; the message says why.
    """
    steps = Preprocessing(plan)
    data = steps({"image": str(path)})
    image = data["image"]
    prediction = probabilities(network, plan, image.as_tensor().to(device)).cpu()
    data["pred"] = MetaTensor(prediction, meta=image.meta, applied_operations=image.applied_operations)
    restored = restoring(steps.steps)(data)["pred"]
    notes = image.meta.get("notes", [])
    labels = restored.argmax(0).to(torch.uint8).as_tensor()
    return labels, {
        "affine": restored.affine.numpy(),
        "notes": list(notes),
        "confidence": _confidence(restored.as_tensor(), labels),
    }


def _confidence(prediction: torch.Tensor, labels: torch.Tensor) -> tuple[float, ...]:
    means = []
    for value in range(1, len(prediction)):
        inside = prediction[value][labels == value]
        means.append(float(inside.mean()) if inside.numel() else 0.0)
    return tuple(means)


def restoring(steps: Compose) -> Invertd:
    """Undo the resampling of ``image`` on ``pred``: back to the grid of the file."""
    return Invertd(keys="pred", transform=steps, orig_keys="image", nearest_interp=False, to_tensor=True)
