"""Learning from another network's classes where that network is confident (FixMatch, Sohn 2020, eq. 4)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def confident_classes(probabilities: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Pseudo-labels, and the voxels where they count.

    Args:
        probabilities: BCDHW, summing to 1 over C.
        threshold: least probability of the most probable class, 0..1.

    Returns:
        Class indices BDHW (int64) and the mask BDHW (bool); neither has a gradient.

    Examples:
        >>> import torch
        >>> p = torch.tensor([[0.5, 0.9], [0.5, 0.1]]).reshape(1, 2, 1, 1, 2)  # two voxels: unsure, sure
        >>> confident_classes(p, threshold=0.8)
        (tensor([[[[0, 0]]]]), tensor([[[[False,  True]]]]))
    """
    confidence, classes = probabilities.detach().max(1)
    return classes, confidence >= threshold


def masked_cross_entropy(logits: Tensor, classes: Tensor, mask: Tensor) -> Tensor:
    """Mean cross entropy over the voxels of a mask; exactly 0 for an empty mask.

    Args:
        logits: BCDHW, of the network that learns.
        classes: BDHW int64 class indices.
        mask: BDHW bool.

    Returns:
        A scalar, at least 0. The mean is over the selected voxels, while FixMatch divides by all: so the size of
        the term does not depend on the share that is selected.

    Examples:
        >>> import torch
        >>> p = torch.tensor([[0.5, 0.9], [0.5, 0.1]]).reshape(1, 2, 1, 1, 2)  # two voxels: unsure, sure
        >>> first = torch.tensor([True, False]).reshape(1, 1, 1, 2)
        >>> classes = torch.zeros(1, 1, 1, 2, dtype=torch.int64)
        >>> round(float(masked_cross_entropy(p.log(), classes, first)), 4)  # -log 0.5
        0.6931
        >>> float(masked_cross_entropy(p.log(), classes, first & ~first))
        0.0
    """
    loss = functional.cross_entropy(logits, classes, reduction="none")
    return (loss * mask).sum() / mask.sum().clamp_min(1)
