"""Mixing and hiding parts of crops by random masks, boxes and cubes, on the crops' device.

Masks are boolean B1DHW. Random numbers come from a ``torch.Generator`` of the crops' device, or from the global
one; the host never waits for the device.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Crops(NamedTuple):
    """Crops to learn from.

    Attributes:
        image: B1DHW float.
        label: B1DHW int64 class indices.
        weight: B1DHW float, weight of each voxel's label; 0: it does not count.
    """

    image: Tensor
    label: Tensor
    weight: Tensor


def mixed(inside: Crops, outside: Crops, mask: Tensor) -> Crops:
    """One set of crops inside the mask B1DHW and the other outside of it: image, label and weight alike.

    Cross-set CutMix (Yun 2019, eq. 1, with one crop of each set; 3-D copy-paste of Bai 2023, eqs. 2, 3 and 6, 7).
    """
    return Crops(*(torch.where(mask, one, other) for one, other in zip(inside, outside, strict=True)))


def beta_shares(count: int, like: Tensor, concentration: int = 4, generator: torch.Generator | None = None) -> Tensor:
    """Random shares B in 0..1 from Beta(a, a), a an integer, on the device of ``like``.

    The median of 2a - 1 uniform numbers has this distribution (torch's own sampler takes no generator).
    """
    uniform = torch.rand(count, 2 * concentration - 1, device=like.device, generator=generator)
    return uniform.median(1).values


def random_boxes(crops: Tensor, share: float | Tensor, generator: torch.Generator | None = None) -> Tensor:
    """One box in each crop, at a random position, with the crop's proportions.

    Args:
        crops: B1DHW.
        share: of the crop's volume that the box fills, 0..1: one number or B of them. Each side is the cube root
            of the share times the crop's side, rounded. (In two dimensions it is the square root; CutMix for
            images, used unchanged in three, fills (1 - λ)^(3/2), and labels mixed by λ are then wrong. A side of
            2/3, as in BCP, is a share of 8/27.)
        generator: on the crops' device.

    Returns:
        Mask B1DHW, true inside the box.
    """
    count, device = len(crops), crops.device
    share = share if isinstance(share, Tensor) else torch.full((count,), share, device=device)
    mask = torch.ones(count, 1, 1, 1, 1, dtype=torch.bool, device=device)
    for axis, length in enumerate(crops.shape[2:]):
        side = (share ** (1 / 3) * length).round()
        uniform = torch.rand(count, device=device, generator=generator)
        start = (uniform * (length - side + 1)).floor().minimum(length - side)
        index = torch.arange(length, device=device)
        within = (index >= start[:, None]) & (index < (start + side)[:, None])
        shape = [count, 1, 1, 1, 1]
        shape[2 + axis] = length
        mask = mask & within.reshape(shape)
    return mask


def random_cubes(
    crops: Tensor, side: int, lowest: float, highest: float, generator: torch.Generator | None = None
) -> Tensor:
    """Cubes to hide in each crop, from a regular grid, for masked image modelling.

    Args:
        crops: B1DHW.
        side: of the cubes in voxels, limited to half of the crop's shortest side, so that there are several cubes.
            Cubes at the far borders are cut off where the side does not divide the crop.
        lowest, highest: the share of cubes to hide is drawn between them for each crop, and rounded to whole
            cubes.
        generator: on the crops' device.

    Returns:
        Mask B1DHW, true where hidden.
    """
    sizes = crops.shape[2:]
    side = max(1, min(side, min(sizes) // 2))
    grid = [math.ceil(length / side) for length in sizes]
    cubes = math.prod(grid)
    uniform = torch.rand(len(crops), cubes + 1, device=crops.device, generator=generator)
    hidden = ((lowest + (highest - lowest) * uniform[:, :1]) * cubes).round()
    rank = uniform[:, 1:].argsort(1).argsort(1)
    mask = (rank < hidden).reshape(-1, 1, *grid)
    for axis, length in enumerate(sizes, start=2):
        mask = mask.repeat_interleave(side, axis).narrow(axis, 0, length)
    return mask


def hide(image: Tensor, mask: Tensor) -> Tensor:
    """An image B1DHW whose masked voxels (B1DHW) are set to the crop's mean, which is 0 for normalised crops."""
    return torch.where(mask, image.mean(dim=(1, 2, 3, 4), keepdim=True), image)


def alternating(mask: Tensor, first: int) -> Tensor:
    """A mask B1DHW, inverted for every other crop; the first one is inverted when ``first`` is odd."""
    odd = (torch.arange(len(mask), device=mask.device) + first) % 2 == 1
    return mask ^ odd.reshape(-1, 1, 1, 1, 1)
