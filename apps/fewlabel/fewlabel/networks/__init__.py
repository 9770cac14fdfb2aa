"""The networks that can be chosen by name, all from MONAI: image B1DHW to logits BCDHW of the same grid.

All but ``vnet`` normalise each crop by itself (instance or group norm). With one or two crops per batch,
batch norm's statistics are noise, differ between labelled crops, strong views and whole scans, and a moving
average of weights needs its own; instance norm has nothing of this and behaves the same in training and in
use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monai.networks import nets
from torch import nn


@dataclass(frozen=True)
class Network:
    """One line of the table; called with the number of classes (background included) it builds the network.

    Attributes:
        kind: class name in ``monai.networks.nets``.
        arguments: all but the number of classes.
        divisor: every side of a crop must be a multiple of it, and at least one side larger than it:
            normalisation needs more than one voxel at the coarsest level.
        description: one line for people who choose.
    """

    kind: str
    arguments: dict[str, Any]
    divisor: int
    description: str

    def __call__(self, classes: int) -> nn.Module:
        return getattr(nets, self.kind)(**self.arguments, out_channels=classes)

    def config(self, classes: int) -> dict[str, Any]:
        """The same network as a MONAI bundle says it."""
        return {"_target_": self.kind, **self.arguments, "out_channels": classes}


_ONE_CHANNEL = {"spatial_dims": 3, "in_channels": 1}


def _unet(channels: list[int], residual_units: int) -> dict[str, Any]:
    strides = [2] * (len(channels) - 1)
    return {**_ONE_CHANNEL, "channels": channels, "strides": strides, "num_res_units": residual_units}


_DYNUNET = {
    **_ONE_CHANNEL,
    "kernel_size": [3, 3, 3, 3],
    "strides": [1, 2, 2, 2],
    "upsample_kernel_size": [2, 2, 2],
    "filters": [16, 32, 64, 128],
}
_BASIC_UNET = {**_ONE_CHANNEL, "features": [16, 16, 32, 64, 128, 16]}

NETWORKS: dict[str, Network] = {
    "unet_small": Network("UNet", _unet([8, 16, 32, 64], 1), 8, "UNet 8-64, 0.15 M parameters: the fastest."),
    "unet": Network("UNet", _unet([16, 32, 64, 128], 2), 8, "Residual UNet 16-128, 1.2 M: for a CPU."),
    "unet_large": Network("UNet", _unet([32, 64, 128, 256, 320], 2), 16, "Residual UNet 32-320, 12.9 M: for a GPU."),
    "segresnet": Network(
        "SegResNet",
        {**_ONE_CHANNEL, "init_filters": 8},
        8,
        "SegResNet 8 filters, 1.2 M: 3 times slower than unet.",
    ),
    "dynunet": Network("DynUNet", _DYNUNET, 8, "DynUNet 16-128, 1.4 M: 4 times slower than unet on a CPU."),
    "basic_unet": Network("BasicUNet", _BASIC_UNET, 16, "BasicUNet 16-128, 1.4 M: 5 times slower than unet."),
    "vnet": Network("VNet", _ONE_CHANNEL, 16, "MONAI VNet with batch norm, 45.6 M: for a large GPU."),
}


def divisor(name: str) -> int:
    """What every side of a crop must be divisible by for the network of this name (see Network)."""
    return NETWORKS[name].divisor
