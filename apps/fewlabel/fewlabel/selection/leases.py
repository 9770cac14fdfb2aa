"""Which cases are in somebody's hands, and which were put off: so that two people are never given the same one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from fewlabel.workspace import read_json, write_json

LEASE = 3600.0  # seconds for which a case that was handed out is offered to others last
PUT_OFF = 24 * 3600.0  # seconds for which a skipped case comes after all others


class Leases:
    """When each case was last handed out, and skipped; kept in a file, so that a restart forgets nothing.

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
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path, self.clock = path, clock
        kept = read_json(path, {})
        kept = kept if isinstance(kept, dict) else {}
        self._given: dict[str, float] = _times(kept.get("given"))
        self._skipped: dict[str, float] = _times(kept.get("skipped"))
        reasons = kept.get("reasons")
        self._reasons: dict[str, str] = dict(reasons) if isinstance(reasons, dict) else {}
        self._lock = threading.Lock()

    def recent(self, case: str) -> float:
        """0.0 if the case was not handed out within the last hour, else when (for sorting: oldest first)."""
        return self._recent(self._given, case, LEASE)

    def skipped(self, case: str) -> float:
        """0.0 if the case was not skipped within the last day, else when."""
        return self._recent(self._skipped, case, PUT_OFF)

    def _recent(self, times: dict[str, float], case: str, seconds: float) -> float:
        when = times.get(case)  # mostly none: asked for every case of the study with every request
        return when if when is not None and self.clock() - when < seconds else 0.0

    def give(self, cases: list[str]) -> None:
        """Remember that these cases are handed out now."""
        with self._lock:
            for case in cases:
                self._given[case] = self.clock()
            self._keep()

    def reason(self, case: str) -> str:
        """Why the case is put off, in the words of the person who skipped it; "" if unknown."""
        return self._reasons.get(case, "") if self.skipped(case) else ""

    def skip(self, case: str, reason: str = "") -> None:
        """Put a case off for a day; it is no longer in anybody's hands."""
        with self._lock:
            self._skipped[case] = self.clock()
            self._reasons[case] = reason
            self._given.pop(case, None)
            self._keep()

    def unskip(self, case: str) -> None:
        """Offer a skipped case again; one that was not skipped stays as it is."""
        with self._lock:
            self._skipped.pop(case, None)
            self._keep()

    def _keep(self) -> None:
        self._given = {case: when for case, when in self._given.items() if self.recent(case)}
        self._skipped = {case: when for case, when in self._skipped.items() if self.skipped(case)}
        self._reasons = {case: reason for case, reason in self._reasons.items() if reason and case in self._skipped}
        write_json(self.path, {"given": self._given, "skipped": self._skipped, "reasons": self._reasons})


def _times(value: object) -> dict[str, float]:
    pairs = value.items() if isinstance(value, dict) else ()
    return {str(case): float(when) for case, when in pairs if isinstance(when, int | float)}
