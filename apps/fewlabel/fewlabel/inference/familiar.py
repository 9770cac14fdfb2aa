"""How far a scan is from those that a model learned from, by the features of its own network."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fewlabel.networks.features import find_tap, with_features
from fewlabel.plan import Plan
from fewlabel.quality import UNLIKE

LEAST_SCANS, MOST_SCANS = 8, 32  # that a model learned from: fewer say nothing about the next, more say little
_STRIDE = 2  # of the features: the network's last ones but those that are nearly its prediction
_MOST_CROPS = 8  # of one scan
_MARGIN = 1.25  # how much farther than the farthest known scan another may be
_FLAT = 1e-3  # least deviation of a feature: one that never changes would decide alone


@torch.no_grad()
def scan_features(network: nn.Module, plan: Plan, image: Tensor) -> np.ndarray:
    """Mean and deviation of each feature of a scan, over at most eight crops evenly spread in it.

    Args:
        network: in evaluation mode.
        plan: crop size.
        image: 1HWD, preprocessed, on the network's device.

    Returns:
        float64, two numbers for each channel.
    """
    network = copy.deepcopy(network)  # another thread may use it: hooks would mix up the features of both
    tap = find_tap(network, _STRIDE)
    _, (found,) = with_features(network, _crops(image, plan.patch), tap)
    values = found.float()
    both = torch.cat([values.mean((0, 2, 3, 4)), values.std((0, 2, 3, 4))])
    return both.cpu().numpy().astype(np.float64)


def _crops(image: Tensor, patch: Sequence[int]) -> Tensor:
    """Crops B1HWD of a volume 1HWD; a volume smaller than a crop is padded with zeros on both sides."""
    missing = [max(0, side - size) for size, side in zip(image.shape[1:], patch, strict=True)]
    image = functional.pad(image, [part for each in reversed(missing) for part in (each // 2, each - each // 2)])
    starts = [
        np.linspace(0, size - side, math.ceil(size / side)).round().astype(int)
        for size, side in zip(image.shape[1:], patch, strict=True)
    ]
    corners = list(itertools.product(*starts))
    chosen = np.unique(np.linspace(0, len(corners) - 1, min(_MOST_CROPS, len(corners))).round().astype(int))
    windows = [[slice(at, at + side) for at, side in zip(corners[each], patch, strict=True)] for each in chosen]
    return torch.stack([image[(slice(None), window[0], window[1], window[2])] for window in windows])


@dataclass(frozen=True)
class Familiar:
    """The features of the scans that a model learned from, as far as a distance needs them.

    Attributes:
        mean, deviation: of each feature over the scans.
        limit: distance beyond which a scan is unlike them: that of the farthest of them from all others, and a quarter
            more.
        scans: their number.

    Examples:
        >>> known = Familiar.of(np.random.default_rng(0).normal(size=(20, 4)))
        >>> known.distance(np.zeros(4)) < 1 < known.distance(np.full(4, 9.0))
        True
        >>> Familiar.of(np.zeros((3, 4))) is None  # too few scans
        True
    """

    mean: np.ndarray
    deviation: np.ndarray
    limit: float
    scans: int

    @classmethod
    def of(cls, points: np.ndarray) -> Familiar | None:
        """From the features of scans, one row each; None where there are too few."""
        if len(points) < LEAST_SCANS:
            return None
        each = [_raw(point, *_centre(np.delete(points, row, 0))) for row, point in enumerate(points)]
        return cls(*_centre(points), _MARGIN * max(each), len(points))

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Familiar | None:
        """As it stands in a model's card; None where the card has none that can be used."""
        try:
            said = card["familiar"]
            found = cls(
                np.array(said["mean"], np.float64),
                np.array(said["deviation"], np.float64),
                float(said["limit"]),
                int(said["scans"]),
            )
        except (KeyError, TypeError, ValueError):
            return None
        whole = found.mean.ndim == 1 and found.mean.shape == found.deviation.shape
        return found if whole and (found.deviation > 0).all() and found.limit > 0 else None

    def for_card(self) -> dict[str, Any]:
        """What ``from_card`` reads."""
        numbers = {name: [round(float(value), 5) for value in getattr(self, name)] for name in ("mean", "deviation")}
        return {**numbers, "limit": round(self.limit, 5), "scans": self.scans}

    def distance(self, point: np.ndarray) -> float:
        """Of a scan's features, in units of the limit: above 1 it is unlike the known ones."""
        return _raw(point, self.mean, self.deviation) / self.limit


def _centre(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return points.mean(0), np.maximum(points.std(0), _FLAT)


def _raw(point: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> float:
    return float(np.sqrt((((point - mean) / deviation) ** 2).mean()))


def distance_of(network: nn.Module, plan: Plan, card: Mapping[str, Any], image: Tensor) -> float | None:
    """Distance of a preprocessed scan 1HWD from those that a model learned from, see ``Familiar``.

    None where the model's card says nothing about them, or not of a network like this.
    """
    known = Familiar.from_card(card)
    if known is None:
        return None
    point = scan_features(network, plan, image)
    return known.distance(point) if point.shape == known.mean.shape else None


def is_unlike(network: nn.Module, plan: Plan, card: Mapping[str, Any], image: Tensor) -> bool:
    """Whether a preprocessed scan 1HWD is unlike those that the model with this card learned from, as far as known."""
    distance = distance_of(network, plan, card, image)
    return distance is not None and not distance <= 1


def notes_on(network: nn.Module, plan: Plan, card: Mapping[str, Any], image: Tensor) -> tuple[str, ...]:
    """A sentence for people where a preprocessed scan 1HWD is unlike those that the model learned from."""
    return (UNLIKE,) if is_unlike(network, plan, card, image) else ()
