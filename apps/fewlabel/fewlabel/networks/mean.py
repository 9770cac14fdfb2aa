"""Several networks that predict together. Imports torch alone: the bundle export copies it beside the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn


class MeanOfNetworks(nn.Module):
    """Logits whose softmax is the mean of the networks' softmaxes: the logarithm of that mean.

    Args:
        networks: image to logits BCDHW, all with the same classes in the same order; kept, not copied.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, image: Tensor) -> Tensor:
        sure = torch.stack([network(image).log_softmax(1) for network in self.networks])
        return sure.logsumexp(0) - math.log(len(self.networks))
