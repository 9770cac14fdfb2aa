"""Features from inside any network, for methods that learn from more than logits.

A ``Tap`` names the layer whose *input* is wanted; it is found once, by looking at what flows through the network::

    tap = find_tap(network, stride=1)  # V-Net's "x9": 16 channels at full resolution, the input of its last layer
    logits, (features,) = with_features(network, image, tap)

A tap holds names and numbers only, so it also serves a copy of the network (its teacher), and nothing is left behind
in the network: state dicts, copies and the published file stay as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv3d, nn.ConvTranspose3d)


class Tap(NamedTuple):
    """Where features come from.

    Attributes:
        layer: name of a submodule; its input is meant.
        channels: of the features.
        stride: of their grid against the image's, in voxels.
    """

    layer: str
    channels: int
    stride: int


@torch.no_grad()
def find_tap(network: nn.Module, stride: int, side: int = 32) -> Tap:
    """The input of the last convolution at a stride: the decoder's most worked-on features there.

    Where the network has no features of that stride, the nearest that it has (of two, the finer). What has no more
    channels than there are classes is not a feature but a prediction: MONAI's ``UNet`` has none at full resolution,
    and its taps for stride 1 are at stride 2. If that leaves nothing, it is the input of the very last convolution.

    Args:
        network: image B1DHW to logits BCDHW; looked at in evaluation mode, with one empty image.
        stride: wanted, in voxels of the image.
        side: of the empty image, in voxels; large enough for the network.

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
        raise ValueError("Features can be taken only from a network with 3-D convolutions.")
    features = [tap for tap in seen if tap.channels > classes] or seen[-1:]
    return min(reversed(features), key=lambda tap: (max(tap.stride, stride) / min(tap.stride, stride), tap.stride))


def with_features(network: nn.Module, image: Tensor, *taps: Tap) -> tuple[Tensor, list[Tensor]]:
    """One forward pass: the logits BCDHW, and for each tap its features B x channels x the strided grid.

    Gradient flows from both; wrap the call in ``torch.no_grad()`` for a teacher.
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
