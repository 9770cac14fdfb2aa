"""What a training is given: its budget in steps and seconds, the learning rate over it, its device and checkpoint."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NO_LIMIT = 10**9  # steps that no training reaches


@dataclass
class Budget:
    """Limit of a training: steps or seconds, whichever is reached first.

    Attributes:
        steps: optimiser steps.
        seconds: of training, validation included.
        spent: seconds that an earlier, interrupted run of the same training took.
        of_core: count CPU seconds of this process, with all its threads, instead of wall-clock seconds: a busy machine
            then does not shorten the training.
    """

    steps: int
    seconds: float
    spent: float = 0.0
    of_core: bool = False

    def __post_init__(self) -> None:
        self._started = self._now()

    def _now(self) -> float:
        return time.process_time() if self.of_core else time.monotonic()

    def elapsed(self) -> float:
        """Seconds spent, including those before an interruption."""
        return self.spent + self._now() - self._started

    def progress(self, step: int) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        return min(1.0, max(step / self.steps, self.elapsed() / self.seconds))


@dataclass(frozen=True)
class TrainerConfig:
    """What a trainer needs besides a method, data and time.

    Attributes:
        device: to compute on.
        learning_rate: the highest one, of AdamW.
        checkpoint: file that an interrupted training continues from.
        identity: what a checkpoint must have in common to be continued (plan, method, labelled cases, ...).
    """

    device: str
    learning_rate: float
    checkpoint: Path
    identity: dict[str, Any]


def learning_rate(progress: float, highest: float) -> float:
    """One cycle (Smith & Topin 2018): a linear rise over the first tenth, then half a cosine down to a hundredth."""
    if progress < 0.1:
        return highest * (0.1 + 0.9 * progress / 0.1)
    return highest * (0.01 + 0.99 * (1 + math.cos(math.pi * (progress - 0.1) / 0.9)) / 2)
