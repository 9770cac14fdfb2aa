"""The networks that can be chosen by name, all from MONAI: image B1DHW to logits BCDHW of the same grid.

All but ``vnet`` normalise each crop by itself (instance or group norm). With one or two crops per batch,
batch norm's statistics are noise, differ between labelled crops, strong views and whole scans, and a moving
average of weights needs its own; instance norm has nothing of this and behaves the same in training and in
use.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monai.networks.nets import BasicUNet, DynUNet, SegResNet, UNet, VNet
from torch import nn


@dataclass(frozen=True)
class Network:
    """One line of the table; called with the number of classes (background included) it builds the network.

    Attributes:
        build: number of classes to network.
        divisor: every side of a crop must be a multiple of it, and at least one side larger than it:
        normalisation
            needs more than one voxel at the coarsest level.
        description: one line for people who choose.
    """

    build: Callable[[int], nn.Module]
    divisor: int
    description: str

    def __call__(self, classes: int) -> nn.Module:
        return self.build(classes)


def _unet(channels: tuple[int, ...], residual_units: int) -> Callable[[int], nn.Module]:
    strides = (2,) * (len(channels) - 1)
    return lambda classes: UNet(3, 1, classes, channels, strides, num_res_units=residual_units)


def _segresnet(classes: int) -> nn.Module:
    return SegResNet(spatial_dims=3, init_filters=8, in_channels=1, out_channels=classes)


def _dynunet(classes: int) -> nn.Module:
    return DynUNet(3, 1, classes, (3, 3, 3, 3), (1, 2, 2, 2), (2, 2, 2), filters=(16, 32, 64, 128))


def _basic_unet(classes: int) -> nn.Module:
    return BasicUNet(3, 1, classes, features=(16, 16, 32, 64, 128, 16))


def _vnet(classes: int) -> nn.Module:
    return VNet(3, 1, classes)


NETWORKS: dict[str, Network] = {
    "unet_small": Network(_unet((8, 16, 32, 64), 1), 8, "UNet 8-64, 0.15 M parameters: the fastest."),
    "unet": Network(_unet((16, 32, 64, 128), 2), 8, "Residual UNet 16-128, 1.2 M: the choice for a CPU."),
    "unet_large": Network(_unet((32, 64, 128, 256, 320), 2), 16, "Residual UNet 32-320, 12.9 M: for a GPU."),
    "segresnet": Network(_segresnet, 8, "SegResNet 8 filters, 1.2 M: 3 times slower than unet on a CPU."),
    "dynunet": Network(_dynunet, 8, "DynUNet 16-128, 1.4 M: 4 times slower than unet on a CPU."),
    "basic_unet": Network(_basic_unet, 16, "BasicUNet 16-128, 1.4 M: 5 times slower than unet on a CPU."),
    "vnet": Network(_vnet, 16, "MONAI VNet with batch norm, 45.6 M: for a large GPU."),
}


def divisor(name: str) -> int:
    """What every side of a crop must be divisible by for the network of this name (see Network)."""
    return NETWORKS[name].divisor
