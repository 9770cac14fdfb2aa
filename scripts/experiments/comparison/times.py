"""The time of a run, in which measuring takes none and changes nothing."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


class CoreTime:
    """Seconds that a core worked for this process, its threads counted, without those that measuring took."""

    def __init__(self) -> None:
        self._start = time.process_time()

    def __call__(self) -> float:
        return time.process_time() - self._start

    def go_on_from(self, seconds: float) -> None:
        """Count on from there."""
        self._start = time.process_time() - seconds

    def step(self) -> None:
        """A step was made; it took what it took."""

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Within, no time passes."""
        before = self()
        try:
            yield
        finally:
            self.go_on_from(before)


class StepTime(CoreTime):
    """A second a step, however long it takes."""

    def __init__(self) -> None:
        self._seconds = 0.0

    def __call__(self) -> float:
        return self._seconds

    def go_on_from(self, seconds: float) -> None:
        self._seconds = seconds

    def step(self) -> None:
        self._seconds += 1


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Whatever is drawn within, what is drawn afterwards is the same."""
    state, of_numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        yield
    random.setstate(state)
    np.random.set_state(of_numpy)
