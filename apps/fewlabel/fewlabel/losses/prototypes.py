"""Pulls the features of uncertain voxels towards the mean feature of their class, and away from the others."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_LEAST_NORM = 1e-4  # shortest feature that is scaled to length 1


def class_means(features: Tensor, classes: Tensor, mask: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Mean feature of each class over the selected voxels.

    Args:
        features: BFS, F numbers for each of S voxels; they get no gradient.
        classes: BS int64 in 0..C-1.
        mask: BS bool.
        number: of classes, C.

    Returns:
        Means CF (0 for a class without voxels) and which classes have voxels, C bool.

    Examples:
        >>> import torch
        >>> features = torch.tensor([[[1.0, 3.0, 5.0]]])  # one feature of three voxels
        >>> class_means(features, torch.tensor([[0, 0, 1]]), torch.tensor([[True, True, False]]), number=2)
        (tensor([[2.],
                [0.]]), tensor([ True, False]))
    """
    members = _membership(classes, number).to(features.dtype) * mask[..., None]
    sums = torch.einsum("bfs,bsc->cf", features.detach(), members)
    count = members.sum((0, 1))
    return sums / count.clamp_min(1)[:, None], count > 0


def at_most_per_class(classes: Tensor, mask: Tensor, number: int, most: int) -> Tensor:
    """A mask that keeps at most ``most`` voxels of each class in each volume, drawn at random.

    Args:
        classes: BS int64 in 0..C-1.
        mask: BS bool, the candidates.
        number: of classes, C.
        most: voxels.

    Returns:
        BS bool, within ``mask``.

    Examples:
        >>> import torch
        >>> classes, mask = torch.tensor([[0, 0, 0, 1]]), torch.ones(1, 4, dtype=torch.bool)
        >>> int(at_most_per_class(classes, mask, number=2, most=1).sum())  # one of each class
        2
    """
    if most >= classes.shape[1]:
        return mask
    lots = torch.rand(classes.shape, device=classes.device) + 1
    members = _membership(classes, number).movedim(-1, 1) & mask[:, None]
    lots = lots[:, None] * members  # 1..2 for candidates of a class, else 0
    drawn = torch.zeros_like(members).scatter_(2, lots.topk(most, dim=2).indices, True)
    return (drawn & members).any(1)


def prototype_contrast(
    features: Tensor, prototypes: Tensor, known: Tensor, classes: Tensor, weight: Tensor, temperature: float
) -> Tensor:
    """Mean over the selected voxels of -w log( e^{f·c_ŷ/τ} / Σ_j e^{f·c_j/τ} ), all vectors of length 1.

    InfoNCE (van den Oord 2018, eq. 4) with the class's prototype as the positive and all others as negatives: it
    pulls voxels to their class and keeps the classes apart. arXiv 2509.13084 says "align uncertain voxel features
    with reliable class prototypes"; its code uses distances, which also pulls the prototypes together.

    Args:
        features: BFS, of the network that learns.
        prototypes: CF; they get no gradient.
        known: C bool, which classes have a prototype; voxels of other classes are left out.
        classes: BS int64 in 0..C-1.
        weight: BS, at least 0; 0 for voxels that are not selected; gets no gradient.
        temperature: τ > 0.

    Returns:
        A scalar, at least 0; exactly 0 where nothing is selected.

    Examples:
        >>> import torch
        >>> prototypes, known = torch.eye(2), torch.tensor([True, True])
        >>> features = torch.tensor([[[1.0], [0.0]]])  # one voxel, at the prototype of class 0
        >>> near, far = torch.tensor([[0]]), torch.tensor([[1]])
        >>> weight = torch.ones(1, 1)
        >>> round(float(prototype_contrast(features, prototypes, known, near, weight, temperature=1.0)), 4)
        0.3133
        >>> round(float(prototype_contrast(features, prototypes, known, far, weight, temperature=1.0)), 4)
        1.3133
    """
    weight = weight.detach() * known[classes]
    queries, centres = _length_one(features), _length_one(prototypes.detach())
    similarity = torch.einsum("bfs,cf->bcs", queries, centres) / temperature
    similarity = similarity.masked_fill(~known[None, :, None], -1e4)
    loss = functional.cross_entropy(similarity, classes, reduction="none")
    return (loss * weight).sum() / (weight > 0).sum().clamp_min(1)


def _length_one(vectors: Tensor) -> Tensor:
    """Scale to length 1 along the second axis; vectors below the least norm stay shorter."""
    return vectors * vectors.square().sum(1, keepdim=True).clamp_min(_LEAST_NORM**2).rsqrt()


def _membership(classes: Tensor, number: int) -> Tensor:
    """One-hot classes, BS to BSC bool, without waiting for the device as torch's one_hot does."""
    return classes[..., None] == torch.arange(number, device=classes.device)
