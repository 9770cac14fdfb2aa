"""V-Net (Milletari 2016, arXiv 1606.04797) in the form that papers on semi-supervised 3-D segmentation use.

Imports torch alone: the bundle export copies this file beside the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn

NORMS: dict[str, Callable[[int], nn.InstanceNorm3d | nn.BatchNorm3d]] = {
    "instance": lambda channels: nn.InstanceNorm3d(channels, affine=True),
    "batch": nn.BatchNorm3d,
}


def unit(convolution: nn.Conv3d | nn.ConvTranspose3d, norm: str) -> nn.Sequential:
    """A convolution (also strided or transposed), its normalisation and a rectifier."""
    return nn.Sequential(convolution, NORMS[norm](convolution.out_channels), nn.ReLU(inplace=True))


def stage(convolutions: int, in_channels: int, out_channels: int, norm: str) -> nn.Sequential:
    """Convolutions of 3^3 at one resolution, the first of them from ``in_channels``."""
    channels = [in_channels] + [out_channels] * convolutions
    return nn.Sequential(*(unit(nn.Conv3d(into, out, 3, padding=1), norm) for into, out in pairwise(channels)))


class Decoder(nn.Module):
    """V-Net's decoder: transposed convolutions, each followed by adding the encoder's features and a stage.

    Args:
        channels: of the encoder at strides 1, 2, 4, 8, 16.
        out_channels: classes.
        norm: a name of ``NORMS``.
        dropout: of whole channels after the coarsest and after the finest stage.
    """

    convolutions: ClassVar[tuple[int, ...]] = (3, 3, 2, 1)

    def __init__(self, channels: Sequence[int], out_channels: int, norm: str, dropout: float) -> None:
        super().__init__()
        downwards = list(channels)[::-1]
        steps = pairwise(downwards)
        self.ups = nn.ModuleList(unit(nn.ConvTranspose3d(into, out, 2, stride=2), norm) for into, out in steps)
        sizes = zip(self.convolutions, downwards[1:], strict=True)
        self.stages = nn.ModuleList(stage(number, out, out, norm) for number, out in sizes)
        self.dropout = nn.Dropout3d(dropout)
        self.head = nn.Conv3d(channels[0], out_channels, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Logits from the encoder's features, finest first."""
        decoded = self.dropout(features[-1])
        for finer, (up, convolve) in enumerate(zip(self.ups, self.stages)):  # noqa: B905 - TorchScript has no strict
            decoded = convolve(up(decoded) + features[-2 - finer])
        return self.head(self.dropout(decoded))


class VNet(nn.Module):
    """V-Net with 16 filters, 9.45 M parameters: image BcDHW to logits BCDHW; sides are multiples of 16.

    Stages of 1, 2, 3, 3, 3 convolutions with 16, 32, 64, 128, 256 channels, 2^3 convolutions of stride 2 down and
    transposed ones up, skips that are added, dropout of 0.5 after the coarsest and after the finest stage: as in
    UA-MT (Yu 2019) and those after it. Unlike Milletari's, stages are not residual.

    Args:
        in_channels: of the image.
        out_channels: classes.
        norm: ``instance`` for one or two crops per batch, or ``batch`` as published.
        dropout: share of channels, 0..1.
    """

    channels: ClassVar[tuple[int, ...]] = (16, 32, 64, 128, 256)
    convolutions: ClassVar[tuple[int, ...]] = (1, 2, 3, 3, 3)

    def __init__(
        self, in_channels: int = 1, out_channels: int = 2, norm: str = "instance", dropout: float = 0.5
    ) -> None:
        super().__init__()
        entries = [in_channels, *self.channels[1:]]
        sizes = zip(self.convolutions, entries, self.channels, strict=True)
        self.stages = nn.ModuleList(stage(number, into, out, norm) for number, into, out in sizes)
        steps = pairwise(self.channels)
        self.downs = nn.ModuleList(unit(nn.Conv3d(into, out, 2, stride=2), norm) for into, out in steps)
        self.decoder = Decoder(self.channels, out_channels, norm, dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.ConvTranspose3d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, image: Tensor) -> Tensor:
        features, finer = [], image
        for convolve, down in zip(self.stages, self.downs):  # noqa: B905 - the last stage has no way down
            features.append(convolve(finer))
            finer = down(features[-1])
        features.append(self.stages[-1](finer))
        return self.decoder(features)
