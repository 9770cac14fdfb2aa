"""Agreement between the predictions of two networks, or of a student and its teacher."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def divergence(target: Tensor, log_probabilities: Tensor) -> Tensor:
    """KL(sg p_target ‖ p) per voxel, in nats.

    Args:
        target: log-probabilities BCDHW (``log_softmax``) of the teaching network; they get no gradient.
        log_probabilities: BCDHW, of the network that learns.

    Returns:
        BDHW, at least 0 up to rounding; 0 where both are equal.

    Examples:
        >>> import torch
        >>> p = torch.tensor([[0.5, 0.9], [0.5, 0.1]]).reshape(1, 2, 1, 1, 2)  # two voxels: unsure, sure
        >>> q = torch.tensor([[0.5, 0.1], [0.5, 0.9]]).reshape(1, 2, 1, 1, 2)  # the second is sure of the other class
        >>> divergence(p.log(), q.log()).flatten()
        tensor([0.0000, 1.7578])
    """
    return functional.kl_div(log_probabilities, target.detach(), reduction="none", log_target=True).sum(1)


def agreement_weights(first: Tensor, second: Tensor) -> Tensor:
    """Weight of the pseudo-label of a voxel: w = sg exp(-D), D = ½ KL(p1 ‖ p2) + ½ KL(p2 ‖ p1).

    The weight exp(-D) is from Zheng & Yang 2021 (arXiv 2003.03773), who use one direction; the mean of both is
    symmetric.

    Args:
        first, second: log-probabilities BCDHW.

    Returns:
        BDHW in 0..1, without gradient; 1 where both are equal.

    Examples:
        >>> import torch
        >>> p = torch.tensor([[0.5, 0.9], [0.5, 0.1]]).reshape(1, 2, 1, 1, 2)  # two voxels: unsure, sure
        >>> q = torch.tensor([[0.5, 0.1], [0.5, 0.9]]).reshape(1, 2, 1, 1, 2)  # the second is sure of the other class
        >>> agreement_weights(p.log(), q.log()).flatten()
        tensor([1.0000, 0.1724])
    """
    first, second = first.detach(), second.detach()
    both_ways = ((first.exp() - second.exp()) * (first - second)).sum(1)  # KL(p1 ‖ p2) + KL(p2 ‖ p1)
    return (-both_ways / 2).exp().clamp_max(1)


def cosine_distance(probabilities: Tensor, target: Tensor) -> Tensor:
    """Mean over the voxels of 1 - cos(p, sg p_target), p as vectors over the classes.

    The cosine consistency of the dual networks (arXiv 2505.17690, as in its code).

    Args:
        probabilities: BCDHW, of the network that learns.
        target: BCDHW, the other's; they get no gradient.

    Returns:
        A scalar, 0..1 up to rounding; exactly 0 where both are equal.

    Examples:
        >>> import torch
        >>> p = torch.tensor([[0.5, 0.9], [0.5, 0.1]]).reshape(1, 2, 1, 1, 2)  # two voxels: unsure, sure
        >>> q = torch.tensor([[0.5, 0.1], [0.5, 0.9]]).reshape(1, 2, 1, 1, 2)  # the second is sure of the other class
        >>> round(float(cosine_distance(p, p)), 6), round(float(cosine_distance(p, q)), 4)
        (0.0, 0.3902)
    """
    return (_length_one(probabilities) - _length_one(target.detach())).square().sum(1).mean() / 2


def _length_one(probabilities: Tensor) -> Tensor:
    return probabilities * probabilities.square().sum(1, keepdim=True).rsqrt()  # far faster than a norm over classes


def masked_squared_error(probabilities: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean over the selected voxels of ‖p - sg p_target‖², exactly 0 for an empty mask (Yu 2019, arXiv 1907.07034).

    Args:
        probabilities: BCDHW, of the network that learns.
        target: BCDHW, the teacher's; they get no gradient.
        mask: BDHW bool.

    Returns:
        A scalar, 0..2.

    Examples:
        >>> import torch
        >>> p = torch.tensor([[0.5, 0.9], [0.5, 0.1]]).reshape(1, 2, 1, 1, 2)  # two voxels: unsure, sure
        >>> q = torch.tensor([[0.5, 0.1], [0.5, 0.9]]).reshape(1, 2, 1, 1, 2)  # the second is sure of the other class
        >>> second = torch.tensor([False, True]).reshape(1, 1, 1, 2)
        >>> round(float(masked_squared_error(p, q, second)), 4)  # 0.8 squared, twice
        1.28
    """
    error = (probabilities - target.detach()).square().sum(1)
    return (error * mask).sum() / mask.sum().clamp_min(1)
