"""The current phase of a continuous training, and one line about it. Imports nothing else of the package."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from fewlabel.wording import amount

RESTING, AGAIN = "resting", "starting again"
STARTING, STOPPED, FAILED, WAITING, OFF = "starting", "stopped", "failed", "waiting for a label", "switched off"
_QUIET = 300  # seconds of training without improvement until that is reported
_STILL = {
    STARTING: "starting",
    RESTING: "resting until the next label: nothing improves any more",
    STOPPED: "resting until you press Train",
    WAITING: "waiting for a label: it begins by itself with the first one",
    OFF: "trainings are switched off on this server",
}


class Standing(NamedTuple):
    """What the server knows about a continuous training, besides what its process wrote last.

    Attributes:
        at_work: whether its process is running.
        possible: whether trainings are switched on.
        by_itself: whether it starts automatically when there is something to learn.
        rests: whether somebody stopped it.
        labelled: whether there is a label.
    """

    at_work: bool
    possible: bool = True
    by_itself: bool = True
    rests: bool = False
    labelled: bool = True

    def phase(self, written: str) -> str:
        """The present phase.

        Args:
            written: the phase that its last process wrote, "" for none; a killed process could not correct it.
        """
        if self.at_work:
            return (
                STARTING if written in ("", RESTING, AGAIN, FAILED) else written
            )  # the new process has written nothing yet
        if not self.possible:
            return OFF
        if not self.by_itself or self.rests:
            return FAILED if written == FAILED else STOPPED
        if not self.labelled:
            return WAITING
        return written if written in (RESTING, FAILED) else STARTING


def one_line(values: Mapping[str, Any]) -> str:
    """``learning from 5 labels and 80 scans since 14:02; version 7, Dice 0.86 on 2 scans; still improving``.

    Args:
        values: of the progress file, with the present phase.

    Returns:
        The line; "" for a training on request.
    """
    if values.get("training") != "continuous":
        return ""
    version = f"version {values['version']}, {_dice(values)}" if values.get("version") else ""
    return "; ".join(part for part in (_from_what(values), version, _outlook(values)) if part)


def _from_what(values: Mapping[str, Any]) -> str:
    if not values.get("labelled"):
        return ""
    at_work = values.get("phase") not in (RESTING, STOPPED, FAILED, WAITING, OFF, STARTING)
    since = f" since {values['since']}" if at_work and values.get("since") else ""
    material = f"{amount(values['labelled'], 'label')} and {amount(values.get('unlabelled') or 0, 'scan')}"
    return f"{'learning' if at_work else 'learnt'} from {material}{since}"


def _dice(values: Mapping[str, Any]) -> str:
    cases = len(values.get("validation_cases") or [])
    value = values.get("published_dice")
    if not cases or value is None or not math.isfinite(value):
        return "not validated"
    return f"Dice {value:.2f} on {amount(cases, 'scan')}"


def _outlook(values: Mapping[str, Any]) -> str:
    phase = str(values.get("phase"))
    if phase == FAILED:
        return f"stopped by an error: {values.get('error', '')}".strip(": .")
    if phase in _STILL:
        return _STILL[phase]
    if values.get("pool_rests"):
        return "the unlabelled scans rest, since they did harm"
    if not values.get("step"):
        return _STILL[STARTING]
    if not values.get("validation_cases"):
        return "no label is kept to measure whether it improves"
    since = values.get("seconds_since_better") or 0
    return f"nothing better for {since // 60} min" if since >= _QUIET else "still improving"
