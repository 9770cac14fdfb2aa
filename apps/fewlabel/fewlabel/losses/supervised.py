"""The loss on labelled voxels, shared by all methods."""

from __future__ import annotations

from monai.losses import DiceCELoss
from torch import Tensor

# Dice without background, over the batch as a whole, smoothed by one voxel. The loss of a class that is missing from
# the batch is then p / (p + 1) for p falsely predicted voxels, and 0 for none; MONAI's smoothing of 1e-5 would give a
# loss near 1 with almost no gradient, however few voxels are predicted.
_DICE_CROSS_ENTROPY = DiceCELoss(
    include_background=False, to_onehot_y=True, softmax=True, batch=True, smooth_nr=1.0, smooth_dr=1.0
)


def dice_cross_entropy(logits: Tensor, label: Tensor) -> Tensor:
    """Mean Dice loss of the foreground classes plus mean cross entropy of all classes.

    Args:
        logits: BCDHW, C > 1.
        label: B1DHW integer in 0..C-1.

    Returns:
        A scalar, at least 0. Dice as in Milletari 2016, the sum of both as in nnU-Net (Isensee 2021).

    Examples:
        >>> import torch
        >>> right = torch.tensor([[9.0, -9.0], [-9.0, 9.0]]).reshape(1, 2, 1, 1, 2)  # sure of class 0, then of class 1
        >>> label = torch.tensor([0, 1]).reshape(1, 1, 1, 1, 2)
        >>> round(float(dice_cross_entropy(right, label)), 3), round(float(dice_cross_entropy(-right, label)), 1)
        (0.0, 18.7)
    """
    return _DICE_CROSS_ENTROPY(logits, label.long())
