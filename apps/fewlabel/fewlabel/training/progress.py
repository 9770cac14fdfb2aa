"""Reports a running training to the people who wait for it, in a file that every reader sees whole."""

from __future__ import annotations

import copy
import math
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from fewlabel.workspace import read_json, write_json

_TICK = 5.0  # seconds: viewers show whole "epochs", so an epoch must pass every few seconds
_WRITE_EVERY = 2.0


class Progress:
    """Progress of one training, written to ``progress.json`` at most every two seconds.

    The keys ``epoch``, ``total_epochs`` and ``best_metric`` are those that MONAI Label's viewers show; all numbers
    are finite. The epoch never goes back, and moves on while the last validation and the scoring run.

    It only reports: it is given copies, and no training decides anything by reading them back.

    Args:
        path: the file.
        budget: seconds that the training may take; an "epoch" is a tick of at most five seconds of it.
        after: seconds that the scoring after it may take, in the same ticks.
        fields: constants to report as well, e.g. method, network, numbers of volumes.
    """

    def __init__(self, path: Path, budget: float, after: float = 0.0, **fields: Any) -> None:
        self.path = path
        self.started = time.time()
        self._written = 0.0
        self._trained: float | None = None  # when the last step was done
        self._ticks = max(100, round(budget / _TICK))
        self._values: dict[str, Any] = {
            "phase": "starting",
            "epoch": 0,
            "total_epochs": self._ticks + round(after / _TICK),
            "best_metric": 0.0,
            "start_ts": int(self.started),
            "step": 0,
            "progress": 0.0,
            "seconds_left": budget,
            "losses": {},
            "fit": None,
            "validation": {},
            "validation_cases": [],
            "published": False,
            "problems": [],
            "notes": [],
            **fields,
        }

    def update(self, progress: float | None = None, **fields: Any) -> None:
        """Take new values and write the file now.

        Args:
            progress: share of the training that is done, in [0, 1].
            fields: any keys of the file.
        """
        self.put(**fields)
        now = time.time()
        if progress is not None:
            self._values["progress"] = max(self._values["progress"], round(progress, 4))
        self._values["epoch"] = max(self._values["epoch"], self._epoch(now))
        self._values["current_time"] = datetime.now().strftime("%Y-%m-%d %H:%M:%S")
        self._values["elapsed"] = round(self.elapsed(), 1)
        write_json(self.path, self._values)
        self._written = now

    def put(self, **fields: Any) -> None:
        """Take new values; they are written with the next update."""
        self._values.update(fields)

    def snapshot(self) -> dict[str, Any]:
        """A copy of everything that was reported so far: the result of a training, as its readers see it."""
        return copy.deepcopy(self._values)

    def _epoch(self, now: float) -> int:
        total, progress = self._values["total_epochs"], self._values["progress"]
        if self._values["phase"] == "done":
            return total
        if progress < 1:
            return int(progress * self._ticks)
        if self._trained is None:
            self._trained = now
        return min(total - 1, self._ticks + int((now - self._trained) / _TICK))

    def fit(self, dice: float) -> None:
        """Mean Dice on the labelled crops just seen, smoothed: it shows that training works, not how good the model is.

        Viewers show a single Dice (``best_metric``); it is this one only where nothing can be validated.
        """
        if math.isfinite(dice):
            before = self._values["fit"]
            self._values["fit"] = round(dice if before is None else 0.7 * before + 0.3 * dice, 4)
            if not self._values["validation_cases"]:
                self._values["best_metric"] = self._values["fit"]

    def elapsed(self) -> float:
        """Seconds since the training began."""
        return time.time() - self.started

    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.time() - self._written >= _WRITE_EVERY

    def problem(self, case: str, reason: str) -> None:
        """Add a volume that was left out, and why."""
        self._values["problems"].append({"id": case, "reason": reason})

    def note(self, text: str) -> None:
        """Add a sentence about the training as a whole."""
        self._values["notes"].append(text)


def read_progress(path: Path) -> dict[str, Any]:
    """The last written progress; {} if no training ever ran."""
    return read_json(path, {})
