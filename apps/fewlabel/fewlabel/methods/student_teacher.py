"""The base of methods with a student and a teacher, its moving average."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from torch import nn

from fewlabel.methods.base import Method
from fewlabel.methods.guesses import Guesses
from fewlabel.methods.ramps import sigmoid_ramp
from fewlabel.methods.teacher import Teacher


class Schedule(NamedTuple):
    """When the terms on unlabelled crops begin: progress until which only labels are used, and length of the ramp.

    A cached guess is a prediction of the whole scan by a teacher trained for a fifth of the training, so it can be used
    at once, without a ramp. A live teacher is used later, and its weight grows slowly.
    """

    start: float
    ramp: float


_SCHEDULES = {"live": Schedule(0.35, 0.2), "cached": Schedule(0.2, 0.0)}


def schedule_of(teacher: str, start: float | None, ramp: float | None) -> Schedule:
    """The given schedule; None: the one found best for this teacher (``live`` or ``cached``)."""
    usual = _SCHEDULES[teacher]
    return Schedule(usual.start if start is None else start, usual.ramp if ramp is None else ramp)


class StudentTeacher(Method):
    """A student that learns, and its moving average, which is published and may teach.

    Args:
        build, classes: see Method.
        decay: of the moving average (see Teacher).
        teacher: ``live`` or ``cached``: the source of guesses of unlabelled crops (see Guesses).
        start, ramp: see Schedule; None: the best for the teacher.
    """

    def __init__(
        self,
        build: Callable[[], nn.Module],
        classes: int,
        decay: float,
        teacher: str,
        start: float | None,
        ramp: float | None,
    ) -> None:
        super().__init__(build, classes)
        self.guesses = Guesses(teacher)
        self.student = build()
        self.teacher = Teacher(self.student, decay)
        self.start, self.ramp = schedule_of(teacher, start, ramp)

    @property
    def needs(self) -> frozenset[str]:
        return self.guesses.views

    def grown(self, progress: float) -> float:
        """Factor of the weights of terms on unlabelled crops at this progress, 0..1."""
        return sigmoid_ramp(progress, self.start, self.ramp)

    def after_step(self, progress: float) -> None:
        self.teacher.update(self.student, progress)

    @property
    def deployed(self) -> nn.Module:
        return self.teacher.network

    @property
    def member_networks(self) -> tuple[nn.Module, ...]:
        return (self.teacher.network, self.student)
