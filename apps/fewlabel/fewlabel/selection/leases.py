"""Remembers which cases were handed out or skipped, so that two people are not given the same one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from fewlabel.workspace import read_json, write_json

LEASE = 3600.0  # seconds; a case that was handed out is offered last until then
PUT_OFF = 24 * 3600.0  # seconds; a skipped case comes after the others until then
_REFUSALS = 2  # a case that was skipped, offered again and skipped again is not offered any more


class Leases:
    """When each case was last handed out and skipped; kept in a file, over restarts.

    Args:
        path: ``served.json`` of the workspace.
        clock: seconds since the epoch.

    Examples:
        >>> from tempfile import mkdtemp
        >>> leases = Leases(Path(mkdtemp()) / "served.json", clock=lambda: 1000.0)
        >>> leases.give(["a"])
        >>> leases.recent("a"), leases.recent("b")
        (1000.0, 0.0)
        >>> leases.skip("a", "blurred")
        >>> leases.recent("a"), leases.reason("a")
        (0.0, 'blurred')

    Attributes:
        choosing: held while a case is chosen and handed out, so that two people never get the same one.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path, self.clock = path, clock
        kept = read_json(path, {})
        kept = kept if isinstance(kept, dict) else {}
        self._given: dict[str, float] = _times(kept.get("given"))
        self._skipped: dict[str, float] = _times(kept.get("skipped"))
        reasons = kept.get("reasons")
        self._reasons: dict[str, str] = dict(reasons) if isinstance(reasons, dict) else {}
        refused = kept.get("refused")
        self._refused: dict[str, int] = {case: int(n) for case, n in _times(refused).items()}
        self._lock = threading.Lock()
        self.choosing = threading.Lock()

    def recent(self, case: str) -> float:
        """When the case was handed out, if within the last hour, else 0.0 (for sorting: oldest first)."""
        return self._recent(self._given, case, LEASE)

    def skipped(self, case: str) -> float:
        """When the case was skipped, if within the last day or if nobody could use it, else 0.0."""
        if self.is_given_up(case):
            return self._skipped.get(case) or self.clock()
        return self._recent(self._skipped, case, PUT_OFF)

    def is_given_up(self, case: str) -> bool:
        """Whether the case was skipped, handed out again and skipped again: it is never offered, until ``unskip``."""
        return self._refused.get(case, 0) >= _REFUSALS

    def _recent(self, times: dict[str, float], case: str, seconds: float) -> float:
        when = times.get(case)  # mostly none: called for every case of the study with every request
        return when if when is not None and self.clock() - when < seconds else 0.0

    def give(self, cases: list[str]) -> None:
        """Remember that these cases are handed out now."""
        with self._lock:
            for case in cases:
                self._given[case] = self.clock()
            self._keep()

    def reason(self, case: str) -> str:
        """The reason that a person gave for skipping the case; "" if there is none."""
        return self._reasons.get(case, "") if self.skipped(case) else ""

    def skip(self, case: str, reason: str = "") -> None:
        """Skip a case for a day; it no longer counts as handed out. A repeated skip of the same offer counts once."""
        with self._lock:
            if case in self._given or not self._recent(self._skipped, case, PUT_OFF):
                self._refused[case] = self._refused.get(case, 0) + 1
            self._skipped[case] = self.clock()
            self._reasons[case] = reason
            self._given.pop(case, None)
            self._keep()

    def unskip(self, case: str) -> None:
        """Offer a skipped case again; no effect on others."""
        with self._lock:
            self._skipped.pop(case, None)
            self._refused.pop(case, None)
            self._keep()

    def _keep(self) -> None:
        self._given = {case: when for case, when in self._given.items() if self.recent(case)}
        self._skipped = {case: when for case, when in self._skipped.items() if self.skipped(case)}
        self._reasons = {case: reason for case, reason in self._reasons.items() if reason and case in self._skipped}
        kept = {"given": self._given, "skipped": self._skipped, "reasons": self._reasons, "refused": self._refused}
        write_json(self.path, kept)


def _times(value: object) -> dict[str, float]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {str(case): float(when) for case, when in pairs if isinstance(when, int | float)}
