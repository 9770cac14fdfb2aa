"""Propagates labels between voxels with similar features (CorrMatch, Sun, CVPR 2024, extended to 3-D)."""

from __future__ import annotations

import math

import torch
from monai.networks.utils import one_hot
from torch import Tensor
from torch.nn import functional

_LEAST = 1e-6  # lower bound of a probability in a logarithm; limits loss and gradient


def token_grid(size: tuple[int, ...], most: int) -> tuple[int, ...]:
    """A grid of about the same proportions with at most ``most`` tokens; the grid itself where it has no more.

    Examples:
        >>> import torch
        >>> token_grid((40, 48, 40), 1000)
        (10, 10, 10)
        >>> token_grid((4, 4, 4), 1000)
        (4, 4, 4)
    """
    grid = list(size)
    while math.prod(grid) > most:
        longest = max(range(len(grid)), key=lambda axis: grid[axis])
        grid[longest] -= 1
    return tuple(grid)


def propagate(queries: Tensor, keys: Tensor, probabilities: Tensor) -> Tensor:
    """Each token's probabilities as the mean of all tokens' probabilities, weighted by similarity.

    A = softmax over sources j of q_i · k_j / √F; result_i = Σ_j A_ij p_j. Each row of A sums to 1, so the result is a
    convex combination of probabilities and sums to 1 as well. (CorrMatch normalises over the destinations i: then the
    weights that arrive at a token do not sum to 1. It propagates logits; probabilities are bounded, so that no single
    voxel outweighs the rest.)

    Args:
        queries, keys: BFdhw, projections of the features.
        probabilities: BCdhw, summing to 1 over C. They get no gradient: only the similarity is learnt.

    Returns:
        Probabilities BCdhw; the gradient goes to queries and keys.

    Examples:
        >>> import torch
        >>> alike = torch.tensor([1.0, 1.0, -1.0]).reshape(1, 1, 1, 1, 3)  # one feature of three tokens
        >>> known = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).reshape(1, 2, 1, 1, 3)
        >>> propagate(9 * alike, alike, known).flatten(2)[0].round(decimals=3)  # the class of similar tokens
        tensor([[1., 1., 0.],
                [0., 0., 1.]])
    """
    query, key, value = (each.flatten(2).transpose(1, 2) for each in (queries, keys, probabilities.detach()))
    result = functional.scaled_dot_product_attention(query, key, value.to(query.dtype))
    return result.transpose(1, 2).reshape(probabilities.shape)


def propagation_loss(propagated: Tensor, classes: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean of -log p(class) over the voxels, each with the probabilities of the token that contains it.

    Equal to cross entropy after nearest-neighbour upsampling (CorrMatch upsamples bilinearly), but computed on the
    coarse grid: labels are counted per token, and -log p is taken of the tokens only.

    Args:
        propagated: BCdhw, summing to 1 over C, on the grid of the labels or a coarser one.
        classes: BDHW class indices.
        weight: BDHW bool or float, at least 0.

    Returns:
        A scalar, at least 0; exactly 0, with a gradient of 0, where all weights are 0.

    Examples:
        >>> import torch
        >>> propagated = torch.tensor([0.5, 0.5]).reshape(1, 2, 1, 1, 1)  # one token over two voxels
        >>> classes, weight = torch.tensor([0, 1]).reshape(1, 1, 1, 2), torch.ones(1, 1, 1, 2)
        >>> round(float(propagation_loss(propagated, classes, weight)), 4)  # -log 0.5
        0.6931
    """
    exact = propagated.to(torch.promote_types(propagated.dtype, torch.float32))
    truth = one_hot(classes[:, None], propagated.shape[1], dtype=exact.dtype) * weight[:, None]
    depth, height, width = propagated.shape[2:]
    counts = functional.adaptive_avg_pool3d(truth.detach(), (depth, height, width))
    amount = counts.sum()
    return -(counts * exact.clamp_min(_LEAST).log()).sum() / (amount + (amount == 0))
