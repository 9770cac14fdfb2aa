"""The ensemble of two teachers, and distillation from it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

_LEAST = 1e-8  # lower bound of a probability in a logarithm


def entropy_weighted_mean(first: Tensor, second: Tensor) -> Tensor:
    """Mean of two teachers' probabilities, weighted at each voxel by their certainty.

    H = -Σ_c p log2 p; w = e^-H, normalised over the two; mean = w1 p1 + w2 p2. AD-MT (Zhao, ECCV 2024), which
    uses the logarithm to base 2.

    Args:
        first, second: BCDHW, summing to 1 over C.

    Returns:
        BCDHW, summing to 1 over C, without gradient.

    Examples:
        >>> import torch
        >>> p = torch.tensor([[0.5, 0.9], [0.5, 0.1]]).reshape(1, 2, 1, 1, 2)  # two voxels: unsure, sure
        >>> q = torch.tensor([[0.5, 0.1], [0.5, 0.9]]).reshape(1, 2, 1, 1, 2)  # the second is sure of the other class
        >>> entropy_weighted_mean(p, q).flatten(2)[0]  # equally sure: the plain mean
        tensor([[0.5000, 0.5000],
                [0.5000, 0.5000]])
        >>> entropy_weighted_mean(p, p.flip(-1)).flatten(2)[0]  # the surer one counts more
        tensor([[0.7519, 0.7519],
                [0.2481, 0.2481]])
    """
    both = torch.stack([first.detach(), second.detach()])
    entropies = torch.special.entr(both).sum(2, keepdim=True) / math.log(2)
    return ((-entropies).softmax(0) * both).sum(0)


def distillation(logits: Tensor, probabilities: Tensor, temperature: float = 1.0) -> Tensor:
    """T² KL(target ‖ student) with target = softmax(log p / T) and student = softmax(logits / T).

    Hinton 2015, section 2, averaged over all voxels, whatever the teacher's confidence: it also learns from voxels
    whose hard pseudo-label is rejected.

    Args:
        logits: BCDHW, of the network that learns.
        probabilities: BCDHW, the teacher's, summing to 1 over C; they get no gradient.
        temperature: T > 0; with a larger one the less probable classes count more.

    Returns:
        A scalar, at least 0 up to rounding; 0 where student and teacher are equal.

    Examples:
        >>> import torch
        >>> p = torch.tensor([[0.5, 0.9], [0.5, 0.1]]).reshape(1, 2, 1, 1, 2)  # two voxels: unsure, sure
        >>> q = torch.tensor([[0.5, 0.1], [0.5, 0.9]]).reshape(1, 2, 1, 1, 2)  # the second is sure of the other class
        >>> round(float(distillation(p.log(), p)), 6), round(float(distillation(p.log(), q)), 4)
        (0.0, 0.8789)
    """
    target = (probabilities.detach().clamp_min(_LEAST).log() / temperature).log_softmax(1)
    student = (logits / temperature).log_softmax(1)
    divergence = functional.kl_div(student, target, reduction="none", log_target=True).sum(1)
    return temperature**2 * divergence.mean()
