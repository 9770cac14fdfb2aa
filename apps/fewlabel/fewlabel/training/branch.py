"""Weights to publish from a training at a constant rate: a branch whose rate falls to zero, or a running mean."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fewlabel.methods.base import Method
from fewlabel.training.trainer import Trainer

WINDOW = 0.1  # share of the steps so far that the mean covers


def falling(share: float, rate: float) -> float:
    """Learning rate of a branch after ``share`` of it, in [0, 1]: falls linearly to zero."""
    return rate * max(0.0, 1.0 - share)


@contextmanager
def aside(trainer: Trainer) -> Iterator[Method]:
    """Let the trainer work on copies of its method and optimiser; afterwards it has its own again, unchanged."""
    trunk = trainer.method, trainer.optimiser
    trainer.method = copy.deepcopy(trunk[0])
    trainer.optimiser = trainer.optimiser_of(trainer.method)
    trainer.optimiser.load_state_dict(copy.deepcopy(trunk[1].state_dict()))
    try:
        yield trainer.method
    finally:
        trainer.method, trainer.optimiser = trunk


class RunningMean:
    """Running mean of a method's state over the last tenth of its steps; integers are copied from the last step.

    Args:
        method: copied, never changed.
    """

    def __init__(self, method: Method) -> None:
        self.method = copy.deepcopy(method)
        self.steps = 0

    @torch.no_grad()
    def update(self, method: Method) -> None:
        """Add the state after one more step."""
        self.steps += 1
        share = 1 / max(1.0, WINDOW * self.steps)
        for mean, now in zip(self.method.state_dict().values(), method.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now.to(mean.dtype), share)
            else:
                mean.copy_(now)
