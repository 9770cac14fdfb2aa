"""Class prototypes of two networks' features, and a contrastive loss of uncertain voxels against them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from fewlabel.losses.entropy_filter import spread_sample
from fewlabel.losses.prototypes import at_most_per_class, class_means, prototype_contrast
from fewlabel.networks.features import find_tap, with_features

_EMBEDDING = 32  # channels in which features are compared


class Evidence(NamedTuple):
    """Labels, pseudo-labels and masks of a step, without gradient.

    Attributes:
        label: of the labelled crops, BDHW int64.
        classes: of the unlabelled crops as predicted by the better network, BDHW int64.
        sure: where both networks are reliable, BDHW bool.
        agreed: where both predict the same class, BDHW bool.
        weight: of each unlabelled voxel, BDHW, 0..1.
    """

    label: Tensor
    classes: Tensor
    sure: Tensor
    agreed: Tensor
    weight: Tensor


class PrototypeContrast(nn.Module):
    """Contrasts each network's features of uncertain voxels with its running prototype of each class.

    A prototype is the moving average of the mean feature over labelled voxels and over unlabelled voxels on which both
    networks are sure and agree. The other unlabelled voxels are the uncertain ones. Features are those at full
    resolution (V-Net's x9) or the finest that a network has (``find_tap``); they are compared after a linear map and
    scaled to length 1. The average is taken before that map, so that it does not lag behind its weights.

    At most ``most`` random voxels of each crop are used, so that the cost does not grow with the crop.

    arXiv 2509.13084 by its abstract; average, negatives and numbers are inferred, see ``prototype_contrast``.

    Args:
        networks: the two, to find their features; not kept.
        number: of classes, background included.
        decay: of the moving average, 0..1 (inferred: 0.99); the first update of a class copies the mean.
        voxels_per_class: limit of the uncertain voxels of a class in a volume (inferred: 512).
        temperature: of the contrast (inferred: 0.1).
        most: voxels of a crop that are used (inferred).
    """

    def __init__(
        self,
        networks: Sequence[nn.Module],
        number: int,
        decay: float = 0.99,
        voxels_per_class: int = 512,
        temperature: float = 0.1,
        most: int = 4096,
    ) -> None:
        super().__init__()
        self.number, self.decay, self.most = number, decay, most
        self.voxels_per_class, self.temperature = voxels_per_class, temperature
        self.taps = [find_tap(network, stride=1) for network in networks]
        self.maps = nn.ModuleList(nn.Linear(tap.channels, _EMBEDDING, bias=False) for tap in self.taps)
        for k, tap in enumerate(self.taps):
            self.register_buffer(f"means_{k}", torch.zeros(number, tap.channels))
            self.register_buffer(f"known_{k}", torch.zeros(number, dtype=torch.bool))

    def look(
        self, networks: Sequence[nn.Module], images: Sequence[Tensor], contrasting: bool
    ) -> tuple[list[Tensor], list[Tensor]]:
        """One pass of each network over its images: the logits, and the features if they are wanted."""
        if not contrasting:
            return [network(image) for network, image in zip(networks, images, strict=True)], []
        passes = [
            with_features(network, image, tap) for network, image, tap in zip(networks, images, self.taps, strict=True)
        ]
        return [logits for logits, _ in passes], [features for _, (features,) in passes]

    def forward(self, features: Sequence[Tensor], evidence: Evidence) -> Tensor:
        """Update the prototypes and compute the contrast: a scalar, the sum over both networks.

        Args:
            features: of each network, B x channels x its grid, of labelled and then of unlabelled crops.
            evidence: see Evidence.
        """
        samples = {each.shape[2:]: self._sample(evidence, each.shape[2:]) for each in features}  # one per grid
        with torch.autocast(features[0].device.type, enabled=False):  # few voxels: full precision costs little
            contrasts = [self._contrast(k, each, *samples[each.shape[2:]]) for k, each in enumerate(features)]
            return torch.stack(contrasts).sum()

    def _sample(self, evidence: Evidence, grid: torch.Size) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Sampled voxels of a grid (S), their classes, which of them build prototypes, and their weights (BS)."""
        sample = spread_sample(grid.numel(), self.most, evidence.label.device)
        label, classes, sure, agreed, weight = (_on_grid(each, grid).index_select(1, sample) for each in evidence)
        reliable = sure & agreed
        drawn = at_most_per_class(classes, ~reliable, self.number, self.voxels_per_class)
        building = torch.cat([torch.ones_like(label, dtype=torch.bool), reliable])
        return sample, torch.cat([label, classes]), building, weight * drawn

    def _contrast(
        self, k: int, features: Tensor, sample: Tensor, classes: Tensor, building: Tensor, weight: Tensor
    ) -> Tensor:
        sampled = features.flatten(2).index_select(2, sample).float()
        self._update(k, sampled, classes, building)
        labelled = len(classes) - len(weight)
        embed = self.maps[k].get_parameter("weight")
        embedded = torch.einsum("ef,bfs->bes", embed, sampled[labelled:])
        centres = getattr(self, f"means_{k}") @ embed.detach().T
        known = getattr(self, f"known_{k}")
        return prototype_contrast(embedded, centres, known, classes[labelled:], weight, self.temperature)

    @torch.no_grad()
    def _update(self, k: int, features: Tensor, classes: Tensor, mask: Tensor) -> None:
        means, known = getattr(self, f"means_{k}"), getattr(self, f"known_{k}")
        fresh, present = class_means(features, classes, mask, self.number)
        share = torch.where(known, 1 - self.decay, 1.0) * present
        means.lerp_(fresh.to(means.dtype), share[:, None])
        known |= present


def _on_grid(values: Tensor, grid: torch.Size) -> Tensor:
    """A map BDHW resampled to a coarser grid (nearest) and flattened: BS, of the same type."""
    if values.shape[1:] != grid:
        nearest = functional.interpolate(values[:, None].float(), size=grid, mode="nearest")[:, 0]
        values = nearest.to(values.dtype)
    return values.flatten(1)
