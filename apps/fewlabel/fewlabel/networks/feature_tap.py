"""Features of a network of the table, which itself only gives logits."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_PROBE = (32, 32, 64)  # voxels; more than one is left at a stride of 16, as instance norm needs


class FeatureTap:
    """Finds a submodule whose output serves as features, and reads it on the way of an ordinary pass.

    A dry run over a small image lists the submodules whose output is B F d h w. Taken is, in this order: the
    stride (input side / output side, the same in each direction) nearest to the wanted one; the most channels; the
    last to run. For the table's networks that is the bottleneck, or the decoder at that stride with its skip
    connection. Nothing is added to the network: it can be copied and published, and the tap serves every network
    of the same architecture.

    Args:
        network: image B1DHW to logits; left as it is.
        stride: the wanted one, in voxels of the input per voxel of the features.

    Attributes:
        name: of the submodule.
        channels: F.
        stride: that was found: another one where the network has not the wanted one.

    Raises:
        ValueError: no submodule gives features of the form B F d h w.
    """

    def __init__(self, network: nn.Module, stride: int = 8) -> None:
        found: list[tuple[tuple[int, int, int], str]] = []
        handles = [
            module.register_forward_hook(lambda _, __, output, name=name: found.append((_rank(output, stride), name)))
            for name, module in network.named_modules()
            if name
        ]
        was_training = network.training
        try:
            with torch.no_grad():
                network.eval()(torch.zeros(1, 1, *_PROBE, device=_device(network)))
        finally:
            network.train(was_training)
            for handle in handles:
                handle.remove()
        usable = [(*rank, number, name) for number, (rank, name) in enumerate(found) if rank is not None]
        if not usable:
            raise ValueError(f"{type(network).__name__} has no submodule that gives features of the form BFDHW.")
        _, self.channels, negative, _, self.name = max(usable)
        self.stride = -negative

    def __call__(self, network: nn.Module, image: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and features (B F d h w) of an image B1DHW, both with gradient where gradients are recorded."""
        features: list[Tensor] = []
        module = network.get_submodule(self.name)
        handle = module.register_forward_hook(lambda _, __, output: features.append(output))
        try:
            logits = network(image)
        finally:
            handle.remove()
        return logits, features[-1]


def _rank(output: object, wanted: int) -> tuple[int, int, int] | None:
    """(nearness to the wanted stride, channels, -stride) of an output: larger is better; None: no features."""
    if not isinstance(output, Tensor) or output.ndim != 5:
        return None
    strides = {side / length for side, length in zip(_PROBE, output.shape[2:], strict=True)}
    if len(strides) != 1 or not (stride := strides.pop()).is_integer():
        return None
    return -abs(int(stride) - wanted), output.shape[1], -int(stride)


def _device(network: nn.Module) -> torch.device:
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
