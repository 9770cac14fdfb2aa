"""The mean of several networks. Imports torch alone: the bundle export copies this file beside the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class MeanOfNetworks(nn.Module):
    """Gives logits whose softmax is the mean of the networks' softmaxes: the logarithm of that mean.

    Args:
        networks: image to logits BCDHW, all with the same classes in the same order; kept, not copied.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, image: Tensor) -> Tensor:
        logits = []
        for network in self.networks:  # TorchScript has no comprehension over modules
            logits.append(network(image))
        return mean_of_logits(logits)


def mean_of_logits(logits: list[Tensor]) -> Tensor:
    """Logits BCDHW whose softmax is the mean of the softmaxes of these."""
    return torch.stack([each.log_softmax(1) for each in logits]).logsumexp(0) - math.log(len(logits))
