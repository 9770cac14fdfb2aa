"""Reports a continuous training: rounds instead of epochs, and one line in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from fewlabel.training.progress import Progress

RESTING, AGAIN = "resting", "starting again"
_NOTES = 12
_QUIET = 300  # seconds of training without improvement until that is reported
ROUND = 100  # "epochs" of a round, for viewers that divide by their number


class OngoingProgress(Progress):
    """Progress of a training without a planned end: ``epoch`` goes from 1 to 100 between two looks at a candidate.

    Args:
        path: the file.
        fields: constants to report as well.
    """

    def __init__(self, path: Path, **fields: Any) -> None:
        super().__init__(path, 0.0, **fields)
        self._values.update(total_epochs=ROUND, epoch=1, seconds_left=None, training="continuous")
        self._values["since"] = datetime.now().strftime("%H:%M")

    def update(self, progress: float | None = None, **fields: Any) -> None:
        """Take new values and write the file now.

        Args:
            progress: share of the round that is done, in [0, 1].
            fields: any keys of the file.
        """
        if progress is not None:
            self._values["progress"] = self._values["epoch"] = 0
        super().update(progress, **{**fields, "seconds_left": None})

    def note(self, text: str) -> None:
        """Add a sentence about the training; it may run for days, so only the last ones are kept."""
        self._values["notes"] = [*self._values["notes"], text][-_NOTES:]

    def _epoch(self, now: float) -> int:
        return min(ROUND, max(1, int(self._values["progress"] * ROUND)))


def one_line(values: Mapping[str, Any]) -> str:
    """``learning from 5 labels and 80 scans since 14:02; version 7, Dice 0.86 on 2 scans; still improving``.

    Args:
        values: of the progress file, with the present phase.

    Returns:
        The line; "" for a training on request.
    """
    if values.get("training") != "continuous":
        return ""
    labels, scans = values.get("labelled") or 0, values.get("unlabelled") or 0
    parts = [f"{_doing(values)} {_count(labels, 'label')} and {_count(scans, 'scan')}{_since(values)}"]
    if values.get("version"):
        parts.append(f"version {values['version']}, {_dice(values)}")
    parts.append(_outlook(values))
    return "; ".join(part for part in parts if part)


def _doing(values: Mapping[str, Any]) -> str:
    return "learnt from" if values.get("phase") in (RESTING, "stopped", "failed") else "learning from"


def _since(values: Mapping[str, Any]) -> str:
    return f" since {values['since']}" if values.get("since") and _doing(values) == "learning from" else ""


def _dice(values: Mapping[str, Any]) -> str:
    cases = len(values.get("validation_cases") or [])
    value = values.get("published_dice")
    if not cases or value is None or not math.isfinite(value):
        return "not validated"
    return f"Dice {value:.2f} on {_count(cases, 'scan')}"


def _outlook(values: Mapping[str, Any]) -> str:
    phase = values.get("phase")
    if phase == RESTING:
        return "resting until the next label: nothing improves any more"
    if phase == "stopped":
        return "resting until you say Train"
    if phase == "failed":
        return f"stopped by an error: {values.get('error', '')}".strip(": ")
    if values.get("pool_rests"):
        return "the unlabelled scans rest, since they did harm"
    since = values.get("seconds_since_better") or 0
    if values.get("validation_cases") and since >= _QUIET:
        return f"nothing better for {since // 60} min"
    return "still improving" if values.get("step") else "starting"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
