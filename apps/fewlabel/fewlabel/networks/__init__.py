"""The networks that can be chosen by name: image B1DHW to logits BCDHW of the same grid. To add one: a line below.

They are MONAI's, and two of our own (``vnet``, ``resnet_vnet``) that MONAI lacks. All normalise each crop by itself
(instance or group norm). With one or two crops per batch, batch norm's statistics are noisy and differ between labelled
crops, strong views and whole scans, and a moving average of weights needs its own. Instance norm has none of these
problems and behaves the same in training and inference.

Names joined by ``+`` stand for the mean of these networks' probabilities, so that a method with two can publish both.
"""

from __future__ import annotations

import ast
import inspect
import math
import sys
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from monai.networks import nets
from torch import nn

from fewlabel.networks.mean import MeanOfNetworks
from fewlabel.networks.resnet_vnet import ResNetVNet
from fewlabel.networks.vnet import VNet


@lru_cache
def _files(module: str) -> frozenset[str]:
    """Files of a module of this folder and of the modules that it imports from here (``from .vnet import``)."""
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    beside = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1]
    own = f"{module.rpartition('.')[2]}.py"
    return frozenset({own}.union(*(_files(f"{__name__}.{name}") for name in beside if name)))


def _target(kind: type[nn.Module]) -> str:
    """The ``_target_`` of a class in a MONAI bundle: MONAI's by name, ours in the copied file in ``scripts``."""
    return f"scripts.{kind.__module__.rpartition('.')[2]}.{kind.__name__}" if _is_own(kind) else kind.__name__


def _is_own(kind: type[nn.Module]) -> bool:
    return kind.__module__.startswith("fewlabel.")


@dataclass(frozen=True)
class Network:
    """One line of the table; called with the number of classes (background included) it builds the network.

    Each part has a default, so that ``tests/networks/test_contract.py`` can say which one a line lacks.

    Attributes:
        kind: the class, of ``monai.networks.nets`` or of a file of this folder, which a bundle copies: it imports
            torch and its neighbours (``from .vnet import ...``) alone. It takes ``out_channels``.
        arguments: all keyword arguments except the number of classes.
        divisor: every side of a crop must be a multiple of it, and at least one side larger: normalisation needs more
            than one voxel at the coarsest level.
        description: one line for people who choose.
    """

    kind: type[nn.Module] = nn.Module
    arguments: dict[str, Any] = field(default_factory=dict)
    divisor: int = 0
    description: str = ""

    def __call__(self, classes: int) -> nn.Module:
        return self.kind(**self.arguments, out_channels=classes)

    def config(self, classes: int) -> dict[str, Any]:
        """The network as an entry of a MONAI bundle's config."""
        return {"_target_": _target(self.kind), **self.arguments, "out_channels": classes}

    @property
    def sources(self) -> tuple[str, ...]:
        """Files of this folder that a bundle needs in its ``scripts``: the classes that MONAI lacks."""
        return tuple(sorted(_files(self.kind.__module__))) if _is_own(self.kind) else ()


@dataclass(frozen=True)
class Mean:
    """The mean of several networks of the table, with the interface of Network, but no description."""

    networks: tuple[Network, ...]

    def __call__(self, classes: int) -> nn.Module:
        return MeanOfNetworks(network(classes) for network in self.networks)

    def config(self, classes: int) -> dict[str, Any]:
        return {"_target_": _target(MeanOfNetworks), "networks": [each.config(classes) for each in self.networks]}

    @property
    def divisor(self) -> int:
        return math.lcm(*(network.divisor for network in self.networks))

    @property
    def sources(self) -> tuple[str, ...]:
        own = _files(MeanOfNetworks.__module__).union(*(network.sources for network in self.networks))
        return tuple(sorted(own))


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
    "unet_small": Network(nets.UNet, _unet([8, 16, 32, 64], 1), 8, "UNet 8-64, 0.15 M parameters: the fastest."),
    "unet": Network(nets.UNet, _unet([16, 32, 64, 128], 2), 8, "Residual UNet 16-128, 1.2 M: for a CPU."),
    "unet_large": Network(nets.UNet, _unet([32, 64, 128, 256, 320], 2), 16, "Residual UNet 32-320, 12.9 M: for a GPU."),
    "segresnet": Network(
        nets.SegResNet,
        {**_ONE_CHANNEL, "init_filters": 8},
        8,
        "SegResNet 8 filters, 1.2 M: 3 times slower than unet.",
    ),
    "dynunet": Network(nets.DynUNet, _DYNUNET, 8, "DynUNet 16-128, 1.4 M: 4 times slower than unet on a CPU."),
    "basic_unet": Network(nets.BasicUNet, _BASIC_UNET, 16, "BasicUNet 16-128, 1.4 M: 5 times slower than unet."),
    "vnet": Network(VNet, {}, 16, "V-Net 16-256, 9.4 M: the network of the papers, for a GPU."),
    "resnet_vnet": Network(
        ResNetVNet, {}, 16, "ResNet-34 down, V-Net up, 17.9 M: the papers' second network, for a GPU."
    ),
}


# The second network of a method with two, where it is not another of the same kind.
_PARTNERS = {"vnet": "resnet_vnet"}


def find(name: str) -> Network | Mean:
    """The network of a name; for several names joined by ``+``, their mean.

    Raises:
        KeyError: a name is not in the table.
    """
    networks = tuple(NETWORKS[part] for part in name.split("+"))
    return networks[0] if len(networks) == 1 else Mean(networks)


def partner(name: str) -> str:
    """The second network for a method with two: V-Net has the ResNet V-Net, the others another of their own kind."""
    return _PARTNERS.get(name, name)


def divisor(name: str) -> int:
    """What every side of a crop must be divisible by for the network of this name (see Network)."""
    return find(name).divisor
