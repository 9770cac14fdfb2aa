"""A 3-D ResNet-34 (He 2016, arXiv 1512.03385) as the encoder of a V-Net: the second network of MCF (Wang 2023).

Imports torch and its neighbour ``vnet`` alone: the bundle export copies both beside the weights.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

from .vnet import NORMS, Decoder


class BasicBlock(nn.Module):
    """Residual block of two 3^3 convolutions; it starts as the identity, since its last scale is 0.

    He 2016, figure 5 left; the start at zero is Goyal 2017 (arXiv 1706.02677, section 5.1).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, norm: str) -> None:
        super().__init__()
        last = NORMS[norm](out_channels)
        nn.init.zeros_(last.weight)
        self.convolutions = nn.Sequential(
            nn.Conv3d(in_channels, out_channels, 3, stride, padding=1, bias=False),
            NORMS[norm](out_channels),
            nn.ReLU(inplace=True),
            nn.Conv3d(out_channels, out_channels, 3, padding=1, bias=False),
            last,
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            projection = nn.Conv3d(in_channels, out_channels, 1, stride, bias=False)
            self.shortcut = nn.Sequential(projection, NORMS[norm](out_channels))
        self.activation = nn.ReLU()

    def forward(self, features: Tensor) -> Tensor:
        return self.activation(self.convolutions(features) + self.shortcut(features))


class ResNetVNet(nn.Module):
    """ResNet-34 down, V-Net up, 17.93 M parameters: image BcDHW to logits BCDHW; sides are multiples of 16.

    A stem of 7^3 and stride 1 with 16 channels and no pooling, then 3, 4, 6, 3 blocks with 32, 64, 128, 256
    channels, each stage at half the resolution: the channels and strides of ``VNet``, whose decoder it has.

    Args:
        in_channels, out_channels, norm, dropout: see VNet.
    """

    channels: ClassVar[tuple[int, ...]] = (16, 32, 64, 128, 256)
    blocks: ClassVar[tuple[int, ...]] = (3, 4, 6, 3)

    def __init__(
        self, in_channels: int = 1, out_channels: int = 2, norm: str = "instance", dropout: float = 0.5
    ) -> None:
        super().__init__()
        first = self.channels[0]
        stem = nn.Conv3d(in_channels, first, 7, padding=3, bias=False)
        self.stem = nn.Sequential(stem, NORMS[norm](first), nn.ReLU())
        steps = zip(self.blocks, pairwise(self.channels), strict=True)
        self.stages = nn.ModuleList(self._stage(number, into, out, norm) for number, (into, out) in steps)
        self.decoder = Decoder(self.channels, out_channels, norm, dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    @staticmethod
    def _stage(number: int, in_channels: int, out_channels: int, norm: str) -> nn.Sequential:
        rest = [BasicBlock(out_channels, out_channels, 1, norm) for _ in range(number - 1)]
        return nn.Sequential(BasicBlock(in_channels, out_channels, 2, norm), *rest)

    def forward(self, image: Tensor) -> Tensor:
        features = [self.stem(image)]
        for convolve in self.stages:
            features.append(convolve(features[-1]))
        return self.decoder(features)
