"""Reconstructs a teacher's features from partly hidden features of a student."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

_LEAST = 1e-3  # shortest feature that is scaled to length 1; limits the gradient


def hide_voxels(features: Tensor, share: float, generator: torch.Generator | None = None) -> Tensor:
    """Features BFDHW with all channels of random voxels set to 0, each voxel with this probability (0..1).

    Masked generative distillation (Yang, ECCV 2022, eqs. 2 and 3). The generator must be on the features' device.

    Examples:
        >>> import torch
        >>> features = torch.ones(1, 3, 2, 2, 2)
        >>> float(hide_voxels(features, 0.0).sum()), float(hide_voxels(features, 1.0).sum())
        (24.0, 0.0)
    """
    shape = (len(features), 1, *features.shape[2:])
    uniform = torch.rand(shape, device=features.device, generator=generator)
    return features * (uniform >= share)


def feature_distance(features: Tensor, target: Tensor) -> Tensor:
    """Squared distance of features BFDHW, scaled to length 1 at each voxel, averaged over voxels: 0..4.

    2 - 2 cos of the angle between them (inferred: DTLP's text was not available; the form is that of BYOL, Grill
    2020, eq. 2). The scales of the two networks' features do not matter. The target gets no gradient.

    Examples:
        >>> import torch
        >>> features = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1, 1)
        >>> float(feature_distance(features, 3 * features)), float(feature_distance(features, -features))
        (0.0, 4.0)
    """
    exact = torch.promote_types(features.dtype, torch.float32)
    one, other = (functional.normalize(value.to(exact), dim=1, eps=_LEAST) for value in (features, target.detach()))
    return (one - other).square().sum(1).mean()
