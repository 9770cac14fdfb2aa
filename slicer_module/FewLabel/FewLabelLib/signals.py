"""A signal like Qt's, without Qt."""

from __future__ import annotations

from typing import Any, Callable, List


class Signal:
    """Calls what was connected to it, in order, on the thread that emits."""

    def __init__(self) -> None:
        self._slots: List[Callable[..., Any]] = []

    def connect(self, slot: Callable[..., Any]) -> None:
        self._slots.append(slot)

    def disconnect(self, slot: Callable[..., Any]) -> None:
        self._slots.remove(slot)

    def emit(self, *values: Any) -> None:
        for slot in list(self._slots):  # a slot may disconnect itself
            slot(*values)
