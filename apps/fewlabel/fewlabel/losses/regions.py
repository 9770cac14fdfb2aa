"""Dice and cross entropy with a weight for each voxel, for mixed crops and pseudo-labels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.networks.utils import one_hot
from torch import Tensor


def weighted_dice_cross_entropy(logits: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """Mean Dice loss of the foreground classes plus mean cross entropy, with a weight for each voxel.

    Per class over the batch, with voxels v: Dice = (2 Σ w p y + 1) / (Σ w p + Σ w y + 1); cross entropy is
    Σ w CE / Σ w. With weights of 1 this is ``dice_cross_entropy``; with weights of 0 and 1 it is that of the region
    with weight 1 (Bai 2023, eq. 8, one of its two regions). It weights probabilities: where logits are masked before
    the softmax, as in the published code and by MONAI's ``MaskedDiceLoss(softmax=True)``, voxels outside count as
    p = 1/C. On probabilities that class would only be right for weights of 0 or 1, since it multiplies both prediction
    and label and so squares the weight of the overlap.

    Args:
        logits: BCDHW, C > 1.
        label: B1DHW class indices; true or pseudo-labels.
        weight: B1DHW float, at least 0; gets no gradient.

    Returns:
        A scalar, at least 0; exactly 0, with a gradient of 0, where all weights are 0.

    Examples:
        >>> import torch
        >>> right = torch.tensor([[9.0, -9.0], [-9.0, 9.0]]).reshape(1, 2, 1, 1, 2)  # sure of class 0, then of class 1
        >>> label, weight = torch.tensor([0, 1]).reshape(1, 1, 1, 1, 2), torch.ones(1, 1, 1, 1, 2)
        >>> round(float(weighted_dice_cross_entropy(right, label, weight)), 3)
        0.0
        >>> round(float(weighted_dice_cross_entropy(-right, label, weight)), 1)
        18.7
    """
    return in_regions(logits, label, [weight])[0]


def in_regions(logits: Tensor, label: Tensor, weights: Sequence[Tensor]) -> list[Tensor]:
    """``weighted_dice_cross_entropy`` for several weights of the same voxels; what they share is computed once.

    Args:
        logits, label: see weighted_dice_cross_entropy.
        weights: each B1DHW float, at least 0; they get no gradient.

    Returns:
        A scalar for each of the weights.

    Examples:
        >>> import torch
        >>> logits = torch.tensor([[9.0, 9.0], [-9.0, -9.0]]).reshape(1, 2, 1, 1, 2)  # sure of class 0, twice
        >>> label, first = torch.tensor([0, 1]).reshape(1, 1, 1, 1, 2), torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 1, 2)
        >>> [round(float(term), 3) for term in in_regions(logits, label, [first, 1 - first])]  # right, then wrong
        [0.0, 18.5]
    """
    logs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(1)
    probabilities = logs.exp()[:, 1:]
    truth = one_hot(label, logs.shape[1], dtype=logs.dtype)[:, 1:]
    right, either = probabilities * truth, probabilities + truth
    entropy = -logs.gather(1, label.long())
    return [_in_region(right, either, entropy, weight.detach().to(logs.dtype)) for weight in weights]


def _in_region(right: Tensor, either: Tensor, entropy: Tensor, weight: Tensor) -> Tensor:
    axes = (0, 2, 3, 4)
    overlap, size = (weight * right).sum(axes), (weight * either).sum(axes)
    dice = 1 - (2 * overlap + 1) / (size + 1)
    amount = weight.sum()
    return dice.mean() + (weight * entropy).sum() / (amount + (amount == 0))
