"""Learning another network's classes on the voxels of lowest entropy, whose share grows during the training."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def spread_sample(length: int, most: int, device: torch.device) -> Tensor:
    """Indices of at most ``most`` of ``length`` voxels: one random voxel in each of ``most`` equal runs.

    All of them where there are few enough. They are distinct and sorted; the host does not wait.

    Examples:
        >>> import torch
        >>> spread_sample(3, 10, torch.device("cpu"))  # few enough: all of them
        tensor([0, 1, 2])
        >>> len(spread_sample(100, 10, torch.device("cpu")))
        10
    """
    if length <= most:
        return torch.arange(length, device=device)
    run = length // most
    start = torch.randint(length - run * most + 1, (1,), device=device)  # so that voxels at the end are drawn, too
    return start + torch.arange(most, device=device) * run + torch.randint(run, (most,), device=device)


def entropy_bounds(entropy: Tensor, classes: Tensor, number: int, keep: float, most: int = 10_000) -> Tensor:
    """For each class, the ``keep`` quantile of the entropy of its voxels.

    U²PL (Wang 2022, arXiv 2203.03884) uses one quantile for all voxels. Then (``number`` 1 and classes 0) the voxels
    of lowest entropy are those of the background, and small structures are never taught.

    Args:
        entropy: of any shape, one number a voxel.
        classes: of the same shape, int64 in 0..number-1.
        number: of classes, C.
        keep: share, in (0, 1].
        most: voxels to use; of more, a random sample (with 10,000 the quantile is right to half a percent).

    Returns:
        C bounds without gradient; -1, below every entropy, for a class without voxels.

    Examples:
        >>> import torch
        >>> entropy = torch.tensor([0.1, 0.2, 0.3, 0.9])
        >>> entropy_bounds(entropy, torch.tensor([0, 0, 0, 1]), number=2, keep=0.5)
        tensor([0.2000, 0.9000])
    """
    flat = entropy.detach().flatten()
    sample = spread_sample(flat.numel(), most, flat.device)
    entropies, classes = flat[sample], classes.flatten()[sample]
    members = classes == torch.arange(number, device=flat.device)[:, None]
    ordered = torch.where(members, entropies, torch.inf).sort(1).values
    count = members.sum(1, keepdim=True)
    rank = (keep * count).ceil().long().clamp_min(1) - 1
    return torch.where(count > 0, ordered.gather(1, rank), -1.0)[:, 0]


def filtered_cross_entropy(log_probabilities: Tensor, classes: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """Σ m w CE / Σ m; exactly 0 for an empty mask.

    The sum of the weighted terms divided by the number of selected voxels: low weights make the term small.

    Args:
        log_probabilities: BCDHW (``log_softmax``), of the network that learns.
        classes: BDHW int64, predicted by the other network.
        mask: BDHW bool, the selected voxels.
        weight: BDHW, at least 0; gets no gradient.

    Returns:
        A scalar, at least 0.

    Examples:
        >>> import torch
        >>> p = torch.tensor([[0.5, 0.9], [0.5, 0.1]]).reshape(1, 2, 1, 1, 2)  # two voxels: unsure, sure
        >>> classes, weight = torch.zeros(1, 1, 1, 2, dtype=torch.int64), torch.ones(1, 1, 1, 2)
        >>> first = torch.tensor([True, False]).reshape(1, 1, 1, 2)
        >>> round(float(filtered_cross_entropy(p.log(), classes, first, weight)), 4)  # -log 0.5
        0.6931
    """
    loss = functional.nll_loss(log_probabilities, classes, reduction="none")
    return (loss * mask * weight.detach()).sum() / mask.sum().clamp_min(1)


def filtered_dice(probabilities: Tensor, classes: Tensor, mask: Tensor, weight: Tensor) -> Tensor:
    """Mean over the foreground classes of 1 - (2 Σ w p y + 1) / (Σ w p + Σ w y + 1), over the selected voxels.

    The Dice loss of ``dice_cross_entropy`` (over the batch, smoothed by one voxel), restricted to a mask. It takes
    probabilities: with logits that are masked before the softmax, voxels outside would count as p = 1/C.

    Args:
        probabilities: BCDHW, of the network that learns, C > 1.
        classes, mask, weight: see filtered_cross_entropy.

    Returns:
        A scalar, 0..1; exactly 0 for an empty mask.

    Examples:
        >>> import torch
        >>> p = torch.tensor([[0.5, 0.9], [0.5, 0.1]]).reshape(1, 2, 1, 1, 2)  # two voxels: unsure, sure
        >>> classes, weight = torch.ones(1, 1, 1, 2, dtype=torch.int64), torch.ones(1, 1, 1, 2)
        >>> nothing = torch.zeros(1, 1, 1, 2, dtype=torch.bool)
        >>> round(float(filtered_dice(p, classes, ~nothing, weight)), 4)
        0.3889
        >>> float(filtered_dice(p, classes, nothing, weight))
        0.0
    """
    weight = (mask * weight.detach())[:, None]
    truth = torch.zeros_like(probabilities).scatter_(1, classes[:, None], weight.to(probabilities.dtype))
    axes = (0, 2, 3, 4)
    overlap = (probabilities * truth).sum(axes)
    size = (probabilities * weight).sum(axes) + truth.sum(axes)
    return (1 - (2 * overlap + 1) / (size + 1))[1:].mean()
