"""Augmentation for scans of other scanners (``--conf augmentation shift``): intensities only, labels stay as they are.

Everything acts on preprocessed crops. Hounsfield units mean the same on every scanner: where the plan is a CT's, what
would falsify them (bias field, histogram, inversion, style) is left out, and all values stay in the window.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandBiasFieldd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandHistogramShiftd,
    RandScaleIntensityd,
    RandSimulateLowResolutiond,
    ScaleIntensityRanged,
    Transform,
)
from torch import Tensor

from fewlabel.plan import Plan
from fewlabel.settings import SHIFT

_INVERTED = 0.15  # share of crops whose contrast is inverted: T1 and T2 of MR differ like this
_STYLED = 0.3  # share of labelled crops that take over the style of their partner
_COARSE = 0.05  # cycles a voxel; the amplitudes below are a scanner's brightness, contrast and bias field


def shift_intensity(plan: Plan, key: str) -> list[Transform]:
    """What makes one scan look like that of another scanner, at random."""
    blur = (0.4, 1.2)
    anywhere: list[Transform] = [
        RandAdjustContrastd(keys=key, gamma=(0.5, 2.0), prob=0.4),
        RandGaussianSmoothd(keys=key, sigma_x=blur, sigma_y=blur, sigma_z=blur, prob=0.2),
        RandSimulateLowResolutiond(keys=key, zoom_range=(0.4, 1.0), prob=0.25),
    ]
    if _is_ct(plan):  # 0..1 is the window, of whose width the noise is a small part
        window = ScaleIntensityRanged(keys=key, a_min=0.0, a_max=1.0, b_min=0.0, b_max=1.0, clip=True)
        return [window, *anywhere, RandGaussianNoised(keys=key, std=0.05, prob=0.3), window]
    return [
        RandScaleIntensityd(keys=key, factors=(-2.0, -2.0), prob=_INVERTED),  # x - 2 x
        RandHistogramShiftd(keys=key, num_control_points=(5, 10), prob=0.3),
        FromLeast(key, [RandBiasFieldd(keys=key, coeff_range=(-0.06, 0.06), prob=0.3)]),
        *anywhere,
        RandGaussianNoised(keys=key, std=0.15, prob=0.3),
    ]


def _is_ct(plan: Plan) -> bool:
    return plan.normalisation == "ct"


class FromLeast(Compose):
    """Transforms that need values from 0 on: what is below is moved there, and back afterwards.

    A bias field multiplies a scanner's signal; a normalised scan is negative where it is dark.

    Args:
        key: of the image.
        transforms: of the values above its least one.
    """

    def __init__(self, key: str, transforms: list[Transform]) -> None:
        super().__init__(transforms)
        self.key = key

    def __call__(self, data: Mapping[Hashable, Any], *args: Any, **kwargs: Any) -> dict[Hashable, Any]:  # type: ignore[override]
        least = data[self.key].min()
        moved = super().__call__({**data, self.key: data[self.key] - least}, *args, **kwargs)
        return {**moved, self.key: moved[self.key] + least}


class Style:
    """Lends labelled crops the coarse amplitudes of the unlabelled crops that they are mixed with (Fourier style).

    The phases, which hold the shapes, stay. After Yang and Soatto, FDA (CVPR 2020), with a random share of the
    amplitudes as in FedDG (CVPR 2021). Where a setting pairs domains, the style is that of another domain.

    Args:
        plan: a CT's crops stay as they are.
        augmentation: ``standard``: no crop takes over a style.
        seed: of the choice of crops and of the shares.
    """

    def __init__(self, plan: Plan, augmentation: str, seed: int) -> None:
        self._wanted = augmentation == SHIFT and not _is_ct(plan)
        self._random = np.random.RandomState(seed)

    def __call__(self, labelled: dict[str, Tensor], crops: dict[str, Tensor] | None) -> dict[str, Tensor]:
        """The labelled batch, in the style of the unlabelled one where there is one; B1HWD."""
        lender = None if crops is None else crops.get("weak", crops.get("strong"))
        if not self._wanted or lender is None:
            return labelled
        drawn = self._random.uniform(size=(2, len(lender)))
        shares = torch.as_tensor(np.where(drawn[0] < _STYLED, drawn[1], 0.0), dtype=torch.float32)
        return {**labelled, "image": in_style_of(labelled["image"], lender, shares)}


def in_style_of(image: Tensor, lender: Tensor, shares: Tensor) -> Tensor:
    """Images B1HWD whose coarse amplitudes are mixed with others', with these shares (B, in 0..1) of the latter.

    Examples:
        >>> flat, bright = torch.zeros(1, 1, 4, 4, 4), torch.full((1, 1, 4, 4, 4), 2.0)
        >>> float(in_style_of(flat, bright, torch.tensor([0.5])).mean())
        1.0
    """
    axes, part = (2, 3, 4), shares.reshape(-1, 1, 1, 1, 1)
    levels = [each.mean(axes, keepdim=True) for each in (image, lender)]  # apart: their sign is no shape
    ours, theirs = (torch.fft.fftn(each - level, dim=axes) for each, level in zip((image, lender), levels, strict=True))
    frequencies = torch.meshgrid(*[torch.fft.fftfreq(image.shape[axis]) for axis in axes], indexing="ij")
    coarse = torch.stack(frequencies).abs().amax(0) <= _COARSE
    share = part * coarse
    amplitude = (1 - share) * ours.abs() + share * theirs.abs()
    styled = torch.fft.ifftn(torch.polar(amplitude, ours.angle()), dim=axes).real
    return torch.where(part > 0, styled + (1 - part) * levels[0] + part * levels[1], image)
