"""Predicts the label map of an image file, on exactly its grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import SlidingWindowInferer
from monai.transforms import Compose, Invertd

from fewlabel.data.transforms import Preprocessing
from fewlabel.memory import free_memory, is_out_of_memory
from fewlabel.plan import Plan
from fewlabel.uncertainty import mean_prediction, normalised_entropy


class FrugalInferer(SlidingWindowInferer):
    """Where memory runs out, tries again with less: one crop at a time, the result in the computer's memory."""

    def __call__(self, inputs: torch.Tensor, network: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Predictions of the whole volume, on the device of ``inputs`` or, if its memory ran out, on the CPU."""
        try:
            return super().__call__(inputs, network, *args, **kwargs)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        free_memory()  # here: the error, which refers to tensors, is gone
        less = SlidingWindowInferer(
            self.roi_size, 1, self.overlap, self.mode, sw_device=inputs.device, device=torch.device("cpu")
        )
        return less(inputs, network, *args, **kwargs)


def sliding_window(plan: Plan, overlap: float | Sequence[float] = 0.5) -> FrugalInferer:
    """Overlapping crops of the plan's size, weighted by a Gaussian; volumes smaller than a crop are padded.

    Args:
        plan: crop size.
        overlap: of neighbouring crops, in [0, 1): one number, or one per axis.
    """
    return FrugalInferer(roi_size=plan.patch, sw_batch_size=2, overlap=overlap, mode="gaussian")


@torch.no_grad()
def probabilities(
    network: Callable[[torch.Tensor], torch.Tensor],
    plan: Plan,
    image: torch.Tensor,
    overlap: float | Sequence[float] = 0.5,
) -> torch.Tensor:
    """Softmax probabilities of a preprocessed image.

    Args:
        network: gives logits for BCDHW crops; any callable.
        plan: crop size.
        image: 1HWD, preprocessed, on the network's device.
        overlap: of neighbouring crops, in [0, 1): one number, or one per axis.

    Returns:
        CHWD float32, summing to 1 over C.
    """
    logits = sliding_window(plan, overlap)(image[None], network)
    return torch.softmax(logits[0].float(), 0)


def segment(
    network: torch.nn.Module,
    plan: Plan,
    path: str | Path,
    device: str = "cpu",
    overlap: float | Sequence[float] = 0.5,
    look: Callable[[torch.Tensor], Any] | None = None,
) -> tuple[torch.Tensor, dict]:
    """Label map of one image file.

    Args:
        network: logits from BCDHW crops.
        plan: preprocessing and crop size.
        path: of the image.
        device: of the network.
        overlap: of neighbouring crops, in [0, 1): one number, or one per axis.
        look: called with the preprocessed image 1HWD on the device; what it gives is in the meta data as ``seen``.

    Returns:
        uint8 label map HWD on the file's own grid (the argmax of the resampled probabilities), and the reader's meta
        data (``affine`` in RAS mm, ``notes``) with the ``confidence`` of each class: its mean probability where it is
        predicted, 0 if it is not.

    Raises:
        UnreadableVolume: the file is not a usable image; the message says why.
    """
    restored, meta = restored_probabilities(network, plan, path, device, overlap, look)
    labels = label_map(restored)
    return labels, {**meta, "confidence": confidence_of(restored, labels)}


@torch.no_grad()
def restored_probabilities(
    network: torch.nn.Module,
    plan: Plan,
    path: str | Path,
    device: str = "cpu",
    overlap: float | Sequence[float] = 0.5,
    look: Callable[[torch.Tensor], Any] | None = None,
) -> tuple[torch.Tensor, dict]:
    """Probabilities of one image file, from which ``segment`` makes the label map.

    Args:
        network, plan, path, device, overlap, look: as ``segment``.

    Returns:
        float32 CHWD on the file's own grid, background first; and the reader's meta data (``affine``, ``notes``).

    Raises:
        UnreadableVolume: as ``segment``.
    """
    steps = Preprocessing(plan)
    data = steps({"image": str(path)})
    image = data["image"].as_tensor().to(device)
    prediction = probabilities(network, plan, image, overlap).cpu()
    restored, meta = on_the_file_s_grid(prediction, data, steps)
    return restored, meta if look is None else {**meta, "seen": look(image)}


def label_map(restored: torch.Tensor) -> torch.Tensor:
    """The most probable class of each voxel, uint8 HWD, from probabilities CHWD."""
    return restored.argmax(0).to(torch.uint8)


@torch.no_grad()
def map_uncertainty(
    members: Sequence[torch.nn.Module], plan: Plan, path: str | Path, device: str = "cpu"
) -> tuple[torch.Tensor, dict]:
    """Uncertainty of the mean prediction of some networks, voxel by voxel.

    Returns:
        float32 HWD in 0..1 on the file's own grid, the entropy of the mean prediction as a share of its maximum; and
        the reader's meta data as in ``segment``.

    Raises:
        UnreadableVolume: as ``segment``.
    """
    steps = Preprocessing(plan)
    data = steps({"image": str(path)})
    image = data["image"].as_tensor().to(device)
    predicted = [probabilities(member, plan, image)[None] for member in members]
    restored, meta = on_the_file_s_grid(normalised_entropy(mean_prediction(predicted)).cpu(), data, steps)
    return restored[0].clamp(0, 1), meta


def on_the_file_s_grid(values: torch.Tensor, data: dict, steps: Preprocessing) -> tuple[torch.Tensor, dict]:
    """CHWD values resampled back to the grid of the image file, and its affine and notes."""
    image = data["image"]
    data["pred"] = MetaTensor(values, meta=image.meta, applied_operations=image.applied_operations)
    restored = restoring(steps.steps)(data)["pred"]
    return restored.as_tensor(), {"affine": restored.affine.numpy(), "notes": list(image.meta.get("notes", []))}


def confidence_of(prediction: torch.Tensor, labels: torch.Tensor) -> tuple[float, ...]:
    """Mean probability of each class but background where ``labels`` (HWD) has it, 0 if it has not, from CHWD."""
    means = []
    for value in range(1, len(prediction)):
        inside = prediction[value][labels == value]
        means.append(float(inside.mean()) if inside.numel() else 0.0)
    return tuple(means)


def restoring(steps: Compose) -> Invertd:
    """Undo the resampling of ``image`` on ``pred``: back to the grid of the file."""
    return Invertd(keys="pred", transform=steps, orig_keys="image", nearest_interp=False, to_tensor=True)
