"""Which days are played."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

WHILE, AFTER = "train while they draw", "wait after each label"


@dataclass(frozen=True)
class Day:
    """One day of one annotator.

    Attributes:
        way: ``WHILE`` or ``AFTER``.
        method: of the table of methods.
        teacher: ``live`` or ``cached``.
        seed: of the cases, in the order in which they are labelled, and of all that the server draws.
        labelled: number of labels of the day.
        draw: minutes that a label takes.
        train: minutes of a training that is waited for.
        until: minute at which the day ends.
        every: minutes between two measurements.
        rules: whether to record at each look what rules of publishing would do (see rules.py), which takes no time.
        part: of the tables; there is one.
    """

    way: str
    method: str
    teacher: str
    seed: int
    labelled: int = 8
    draw: float = 5.0
    train: float = 5.0
    until: float = 80.0
    every: float = 5.0
    rules: bool = False
    part: str = "day"

    @property
    def name(self) -> str:
        """As the tables call it."""
        return f"{self.way}, {self.method}{' cached' if self.teacher == 'cached' else ''}"

    @property
    def settings(self) -> dict[str, Any]:
        """Of the method, for the tables."""
        return {"teacher": self.teacher}

    @property
    def key(self) -> str:
        """Name of its files."""
        return f"{re.sub(r'[^A-Za-z0-9]+', '-', self.name)}-{self.seed}"

    def submitted(self, number: int) -> float:
        """Minute at which the label of this number, from 1, is submitted."""
        return number * self.draw + (0 if self.way == WHILE else (number - 1) * self.train)

    def marks(self) -> list[float]:
        """Minutes at which it is measured, from the second one at which there may be a model."""
        first = 2 * self.every
        count = int((self.until - first) / self.every + 1e-6) + 1
        return [round(first + number * self.every, 6) for number in range(count)]

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the inverse is ``Day(**values)``."""
        return asdict(self)


def days(seeds: Iterable[int], methods: tuple[str, str], teachers: tuple[str, str], **more: Any) -> list[Day]:
    """Both ways of each seed, seed by seed; methods and teachers of the first and of the second way."""
    ways = list(zip((WHILE, AFTER), methods, teachers, strict=True))
    return [Day(*way, seed, **more) for seed, way in itertools.product(seeds, ways)]
