"""Measures of a training's own crops and weights."""

from __future__ import annotations

from typing import cast

import torch
from monai.metrics import DiceHelper


def dice_of_crops(logits: torch.Tensor, label: torch.Tensor) -> float:
    """Mean Dice of the foreground classes on one batch of labelled crops; NaN where none of them holds any."""
    classes = logits.shape[1]
    metric = DiceHelper(include_background=False, num_classes=classes, reduction="none", get_not_nans=False)
    dice = cast(torch.Tensor, metric(logits.float(), label))  # a pair only with get_not_nans
    return float(dice.nanmean())


def is_finite(module: torch.nn.Module) -> bool:
    """Whether every weight is finite."""
    return bool(torch.stack([weight.detach().isfinite().all() for weight in module.parameters()]).all())
