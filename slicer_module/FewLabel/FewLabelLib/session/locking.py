"""Locks finished segments of the current case."""

from __future__ import annotations

from typing import List

from .case import Current
from .context import Context


class Locking:
    """Locks segments, and looks after each edit whether they are as they were.

    Attributes:
        put_back: names of the locked segments that the last edit had changed.
    """

    def __init__(self, context: Context, current: Current) -> None:
        self._context, self._current = context, current
        self.put_back: List[str] = []
        self._revision = 0

    def lock(self, segment: str, on: bool) -> None:
        """Lock or unlock a segment of the current case, by its id in the scene."""
        case = self._current.case
        if case is not None and case.ready:
            before = self._context.scene.revision(case.handle)
            self._context.scene.lock(case.handle, segment, on)
            self.put_back = []
            if case.loaded == before:  # no voxel has changed: a proposal stays one that was accepted
                case.loaded = self._context.scene.revision(case.handle)
                case.revision = case.loaded - 1  # but that it is finished is kept in a draft

    def tick(self) -> None:
        """Put back what the last edit has changed in locked segments, if there was an edit."""
        case, scene = self._current.case, self._context.scene
        if case is None or not case.ready:
            self.put_back = []
            return
        if scene.revision(case.handle) != self._revision:
            self.put_back = scene.put_back(case.handle)
            self._revision = scene.revision(case.handle)
