"""What of a training at a constant rate is published: a branch whose rate falls to zero, or the mean of its weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fewlabel.methods.base import Method
from fewlabel.training.trainer import Trainer

WINDOW = 0.1  # share of the steps so far that the mean of the weights looks back on


def falling(share: float, rate: float) -> float:
    """The rate of a branch of which ``share`` is done, in [0, 1]: a straight line to zero."""
    return rate * max(0.0, 1.0 - share)


@contextmanager
def aside(trainer: Trainer) -> Iterator[Method]:
    """Within, the trainer trains a copy of its method and optimiser; afterwards its own are back, untouched."""
    trunk = trainer.method, trainer.optimiser
    trainer.method = copy.deepcopy(trunk[0])
    trainer.optimiser = trainer.optimiser_of(trainer.method)
    trainer.optimiser.load_state_dict(copy.deepcopy(trunk[1].state_dict()))
    try:
        yield trainer.method
    finally:
        trainer.method, trainer.optimiser = trunk


class RunningMean:
    """The mean of a method's state over the last tenth of its steps; whole numbers are those of the last step.

    Args:
        method: is copied, never changed.
    """

    def __init__(self, method: Method) -> None:
        self.method = copy.deepcopy(method)
        self.steps = 0

    @torch.no_grad()
    def update(self, method: Method) -> None:
        """Take in the state after one more step."""
        self.steps += 1
        share = 1 / max(1.0, WINDOW * self.steps)
        for mean, now in zip(self.method.state_dict().values(), method.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now.to(mean.dtype), share)
            else:
                mean.copy_(now)
