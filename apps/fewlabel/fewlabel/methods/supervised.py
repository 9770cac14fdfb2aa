"""Labels only: the baseline that every semi-supervised method has to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from torch import Tensor, nn

from fewlabel.losses.supervised import dice_cross_entropy
from fewlabel.methods.base import Method, Step


class Supervised(Method):
    """One network, trained by Dice and cross entropy on the labelled crops; unlabelled crops are ignored.

    Deliberately without a moving average of the weights, whose gain should be credited to the methods that have one.

    Examples:
        >>> import torch
        >>> from fewlabel.methods.base import total
        >>> from fewlabel.networks import find
        >>> _ = torch.manual_seed(0)
        >>> method = Supervised(lambda: find("unet_small")(2), classes=2)
        >>> crops = torch.randn(2, 1, 16, 16, 16)
        >>> labelled = {"image": crops, "label": (crops > 1).long()}
        >>> step = method.step(labelled, None, progress=1.0)
        >>> sorted(step.losses)
        ['supervised']
        >>> total(step, method.weights(1.0)).backward()
        >>> method.after_step(1.0)
        >>> method.deployed(crops).shape
        torch.Size([2, 2, 16, 16, 16])
    """

    description: ClassVar[str] = "Labels only: the baseline, and the fastest."
    trains: ClassVar[dict[str, tuple[str, ...]]] = {"supervised": ("network",)}

    def __init__(self, build: Callable[[], nn.Module], classes: int) -> None:
        super().__init__(build, classes)
        self.network = build()

    def step(self, labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None, progress: float) -> Step:
        logits = self.network(labelled["image"])
        return Step(logits, {"supervised": dice_cross_entropy(logits, labelled["label"])})

    def weights(self, progress: float) -> dict[str, float]:
        return {"supervised": 1.0}

    @property
    def deployed(self) -> nn.Module:
        return self.network

    @property
    def member_networks(self) -> tuple[nn.Module, ...]:
        return (self.network,)
