"""The smaller parts of DTLP: pseudo-labels, and layers that are only used in training."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewlabel.losses.propagation import propagate, token_grid
from fewlabel.mixing import Crops, alternating, beta_shares, mixed, random_boxes

_WHOLE_TERMS = ("reconstruction", "distillation", "propagation")  # on strong crops without hidden cubes


class Pseudo(NamedTuple):
    """The teachers' predictions of the unlabelled crops, without gradient.

    Attributes:
        probabilities: BCDHW, of the ensemble.
        classes: BDHW int64.
        mask: BDHW bool, where they are confident.
        features: BFdhw, of the mean teacher on the weak view; None where they are not needed.
    """

    probabilities: Tensor
    classes: Tensor
    mask: Tensor
    features: Tensor | None

    def part(self, crops: slice) -> Pseudo:
        """The same of some of the crops."""
        features = None if self.features is None else self.features[crops]
        return Pseudo(self.probabilities[crops], self.classes[crops], self.mask[crops], features)


class Propagation(nn.Module):
    """Projections of features (F channels) whose product measures similarity; only used in training."""

    def __init__(self, channels: int, width: int, tokens: int) -> None:
        super().__init__()
        self.query, self.key = nn.Conv3d(channels, width, 1), nn.Conv3d(channels, width, 1)
        self.tokens = tokens

    def forward(self, features: Tensor, probabilities: Tensor) -> Tensor:
        """Probabilities BCDHW, pooled to the grid of the features BFdhw or a coarser one, and propagated there."""
        depth, height, width = token_grid(tuple(features.shape[2:]), self.tokens)
        pooled = functional.adaptive_avg_pool3d(features, (depth, height, width))
        values = functional.adaptive_avg_pool3d(probabilities.detach(), (depth, height, width))
        return propagate(self.query(pooled), self.key(pooled), values)


def feature_generator(channels: int, width: int = 64) -> nn.Sequential:
    """A network that reconstructs partly hidden features BFdhw (masked generative distillation, Yang 2022, eq. 4).

    The paper keeps F channels between its two convolutions; at most ``width`` are kept here, for cost.
    """
    inner = min(channels, width)
    return nn.Sequential(nn.Conv3d(channels, inner, 3, padding=1), nn.ReLU(), nn.Conv3d(inner, channels, 3, padding=1))


def share_out(on: set[str], turn: int) -> tuple[slice, slice]:
    """Which strong crops stay whole and which get hidden cubes: alternating, or all where only one is needed."""
    everything, nothing = slice(None), slice(0)
    if on.isdisjoint(_WHOLE_TERMS):
        return nothing, everything if "masking" in on else nothing
    if "masking" not in on:
        return everything, nothing
    return slice(turn % 2, None, 2), slice(1 - turn % 2, None, 2)


def exchange(
    image: Tensor,
    label: Tensor,
    strong: Tensor,
    pseudo: Pseudo,
    pseudo_weight: float,
    box_share: float | None,
    both: bool,
    turn: int,
) -> Crops:
    """One mixture of each pair, or both; pseudo-labels count where they are confident, with a lower weight."""
    pairs = min(len(image), len(strong))
    weight = pseudo_weight * pseudo.mask[:pairs, None].to(image.dtype)
    true = Crops(image[:pairs], label[:pairs], torch.ones_like(image[:pairs]))
    guessed = Crops(strong[:pairs], pseudo.classes[:pairs, None], weight)
    box = random_boxes(true.image, beta_shares(pairs, image) if box_share is None else box_share)
    if not both:
        return mixed(guessed, true, alternating(box, turn))
    ways = mixed(guessed, true, box), mixed(true, guessed, box)
    return Crops(*(torch.cat(values) for values in zip(*ways, strict=True)))
