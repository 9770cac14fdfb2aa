"""What a client knows of the server: which labels were acknowledged, and which may or may not have been stored."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

Names = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Sent:
    """A label as it was sent: the map and the name of each value, from 1 on."""

    array: np.ndarray
    names: Names

    def is_stored_as(self, array: np.ndarray, values: dict[str, int]) -> bool:
        """Whether a stored map says the same by name."""
        if array.shape != self.array.shape or not set(self.names) <= set(values):
            return False
        mine = {name: self.array == value for value, name in enumerate(self.names, 1)}
        return all(np.array_equal(array == values[name], mask) for name, mask in mine.items()) and (
            np.count_nonzero(array) == np.count_nonzero(self.array)
        )


@dataclass
class Case:
    """What may be stored for one case.

    Attributes:
        may_be: the labels of which one is stored; None stands for no label. One entry: it was acknowledged.
        before: what an undo brings back, where the last thing that happened was an acknowledged submission.
        can_undo: whether that is so.
    """

    may_be: list[Sent | None] = field(default_factory=lambda: [None])
    before: Sent | None = None
    can_undo: bool = False

    def submitted(self, sent: Sent) -> None:
        """A submission was acknowledged."""
        self.before = self.may_be[0] if len(self.may_be) == 1 else None
        self.can_undo = len(self.may_be) == 1
        self.may_be = [sent]

    def undone(self) -> None:
        """An undo was acknowledged."""
        self.may_be, self.can_undo = [self.before], False

    def in_flight(self, outcome: Sent | None) -> None:
        """A request was on its way when the server was killed: it was carried out or not."""
        self.may_be.append(outcome)
        self.can_undo = False

    def found(self, stored: Sent | None) -> None:
        """What was found after a kill: from now on it must stay."""
        self.may_be = [stored]
