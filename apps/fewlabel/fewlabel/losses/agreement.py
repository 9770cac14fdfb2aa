"""What two networks (or a student and its teacher) owe each other's predictions."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def divergence(target: Tensor, logits: Tensor) -> Tensor:
    """KL(sg p_target ‖ p) per voxel, in nats.

    Args:
        target: logits BCDHW of the network that teaches; no gradient is sent to them.
        logits: BCDHW, of the network that learns.

    Returns:
        BDHW, at least 0 but for rounding; 0 where both say the same.
    """
    teaching, learning = target.detach().log_softmax(1), logits.log_softmax(1)
    return functional.kl_div(learning, teaching, reduction="none", log_target=True).sum(1)


def agreement_weights(first: Tensor, second: Tensor) -> Tensor:
    """How much to believe the pseudo-label of a voxel: w = sg exp(-D), D = ½ KL(p1 ‖ p2) + ½ KL(p2 ‖ p1).

    The weight exp(-D) is Zheng & Yang 2021 (arXiv 2003.03773), there from one direction; the mean of both
    treats the networks alike.

    Args:
        first, second: logits BCDHW.

    Returns:
        BDHW in 0..1, without gradient; 1 where both say the same.
    """
    first, second = first.detach(), second.detach()
    return (-(divergence(first, second) + divergence(second, first)) / 2).exp().clamp_max(1)


def cosine_distance(logits: Tensor, target: Tensor) -> Tensor:
    """Mean over the voxels of 1 - cos(p, sg p_target): the angle between two vectors of probabilities.

    The cosine consistency of the dual networks (arXiv 2505.17690, as its code has it).

    Args:
        logits: BCDHW, of the network that learns.
        target: logits BCDHW of the other; no gradient is sent to them.

    Returns:
        A scalar, 0..1 but for rounding; 0 where both say the same.
    """
    learning, teaching = (functional.normalize(each.softmax(1), dim=1) for each in (logits, target.detach()))
    return (learning - teaching).square().sum(1).mean() / 2  # of vectors of length 1: the same, and exact at 0


def masked_squared_error(probabilities: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean over the selected voxels of ‖p - sg p_target‖², exactly 0 for an empty mask (Yu 2019, arXiv 1907.07034).

    Args:
        probabilities: BCDHW, of the network that learns.
        target: BCDHW, the teacher's; no gradient is sent to them.
        mask: BDHW bool.

    Returns:
        A scalar, 0..2.
    """
    error = (probabilities - target.detach()).square().sum(1)
    return (error * mask).sum() / mask.sum().clamp_min(1)
