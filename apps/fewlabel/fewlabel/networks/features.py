"""Intermediate features of any network, for methods that learn from more than logits.

A ``Tap`` names the layer whose *input* is taken; it is found once, by a forward pass with hooks::

    tap = find_tap(network, stride=1)  # V-Net's "x9": 16 channels at full resolution, the input of its last layer
    logits, (features,) = with_features(network, image, tap)

A tap holds names and numbers only, so it also works for a copy of the network (its teacher), and nothing is added to
the network: state dicts, copies and the published file do not change.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv3d, nn.ConvTranspose3d)


class Tap(NamedTuple):
    """The layer that features are taken from.

    Attributes:
        layer: name of a submodule, whose input is taken.
        channels: of the features.
        stride: of their grid, in voxels of the image.
    """

    layer: str
    channels: int
    stride: int


@torch.no_grad()
def find_tap(network: nn.Module, stride: int, side: int = 32) -> Tap:
    """The input of the last convolution at a stride: the decoder's final features there.

    Where the network has no features at that stride, the nearest stride is used (of two, the finer). A tensor with no
    more channels than classes is a prediction and not a feature: MONAI's ``UNet`` has only that at full resolution, so
    its tap for stride 1 is at stride 2. If nothing is left, the input of the very last convolution is used.

    Args:
        network: image B1DHW to logits BCDHW; run in evaluation mode on one image of zeros.
        stride: wanted, in voxels of the image.
        side: of that image, in voxels; large enough for the network.

    Raises:
        ValueError: the network has no 3-D convolution.
    """
    seen: list[Tap] = []

    def note(name: str):
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            seen.append(Tap(name, inputs[0].shape[1], side // inputs[0].shape[2]))

        return hook

    layers = [(name, layer) for name, layer in network.named_modules() if isinstance(layer, _CONVOLUTIONS)]
    hooks = [layer.register_forward_pre_hook(note(name)) for name, layer in layers]
    parameter = next(network.parameters(), torch.zeros(()))
    modes = {module: module.training for module in network.modules()}
    try:
        network.eval()
        classes = network(parameter.new_zeros(1, 1, side, side, side)).shape[1]
    finally:
        for module, mode in modes.items():
            module.training = mode
        for hook in hooks:
            hook.remove()
    if not seen:
        raise ValueError("Features can only be taken from a network with 3-D convolutions.")
    features = [tap for tap in seen if tap.channels > classes] or seen[-1:]
    return min(reversed(features), key=lambda tap: (max(tap.stride, stride) / min(tap.stride, stride), tap.stride))


def with_features(network: nn.Module, image: Tensor, *taps: Tap) -> tuple[Tensor, list[Tensor]]:
    """One forward pass: the logits BCDHW, and for each tap the features (B x channels x the strided grid).

    Both carry gradients; wrap the call in ``torch.no_grad()`` for a teacher.
    """
    found: dict[str, Tensor] = {}

    def keep(name: str):
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found[name] = inputs[0]

        return hook

    names = {tap.layer for tap in taps}
    hooks = [network.get_submodule(name).register_forward_pre_hook(keep(name)) for name in names]
    try:
        logits = network(image)
    finally:
        for hook in hooks:
            hook.remove()
    return logits, [found[tap.layer] for tap in taps]
