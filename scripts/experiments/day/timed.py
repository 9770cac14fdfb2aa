"""The product's training that goes on, by a clock in which measuring takes no time."""

from __future__ import annotations

from typing import Any

from experiments.comparison.times import CoreTime
from fewlabel.methods.base import Method
from fewlabel.training.continuous import ContinuousRun
from fewlabel.training.ongoing import OngoingTrainer


class TimedRun(ContinuousRun):
    """ContinuousRun by another clock than that of the wall.

    Args:
        now: the clock.
        arguments: of ContinuousRun.
    """

    def __init__(self, now: CoreTime, *arguments: Any) -> None:
        self.now = now
        super().__init__(*arguments)

    def _now(self) -> float:
        return self.now()

    def _leave_a_core(self) -> None:
        """The experiment says how many there are."""

    def _make_trainer(self, method: Method) -> OngoingTrainer:
        trainer = super()._make_trainer(method)
        step = trainer._train_step

        def timed(engine: Any, batch: Any) -> dict[str, Any]:
            self.now.step()
            return step(engine, batch)

        trainer._train_step = timed  # type: ignore[method-assign]
        return trainer
