"""Notices labels that are added, changed or removed during a training, by their files."""

from __future__ import annotations

import time
from pathlib import Path

from monailabel.interfaces.datastore import Datastore

from fewlabel.datastore.kinds import accepted_cases, person_labelled
from fewlabel.files import Stamp, stamp
from fewlabel.workspace import Workspace

Known = dict[str, list[int]]
"""Case -> stamp of the file of its submitted label."""

MOST_TIME = 0.05  # share of the time that looking at labels may take, however many there are
_LOOK_EVERY = 5.0  # seconds, at least


def known_labels(datastore: Datastore, accepted: bool = True) -> Known:
    """Stamps of all submitted labels as they are now, or without accepted ones; can be written as JSON."""
    found, cases = {}, set(datastore.get_labeled_images())
    for case in sorted(cases if accepted else cases - set(accepted_cases(datastore, cases))):
        now = stamp(datastore.stored_label(case))
        if now is not None:
            found[case] = list(now)
    return found


def in_order(datastore: Datastore) -> list[str]:
    """Cases whose label may be used for validation, oldest submission first; accepted proposals are left out."""
    cases = set(person_labelled(datastore)) - set(datastore.left_out())
    cases -= set(accepted_cases(datastore, cases))
    times = {case: float(datastore.get_label_info(case, "final").get("ts") or 0) for case in cases}
    return sorted(cases, key=lambda case: (times[case], case))


class Arrivals:
    """Checks every few seconds whether the labels of a study have changed.

    Args:
        datastore: of a background process; it is refreshed when the folder of the labels has changed.
        workspace: of the study; the names of its classes count too.
        accepted: whether accepted labels count: they do where they are trained on.

    Attributes:
        known: the labels that the training knows.
    """

    def __init__(self, datastore: Datastore, workspace: Workspace, accepted: bool = True) -> None:
        self.datastore, self.workspace, self.accepted = datastore, workspace, accepted
        self.known = self._now()
        self._files: dict[Path, Stamp | None] = {}  # empty: labels may have come since the start
        self._next, self._changed = time.monotonic() + _LOOK_EVERY, False

    def _now(self) -> Known:
        return known_labels(self.datastore, self.accepted)

    def _look_at_files(self) -> dict[Path, Stamp | None]:
        """Stamps of the known labels and of their folders: overwriting a file in place does not change its folder."""
        labels = [Path(self.datastore.stored_label(case)) for case in self.known]
        return {path: stamp(path) for path in {*labels, *(label.parent for label in labels)}}

    def changed(self) -> bool:
        """Whether labels were added, replaced or removed since ``known``; checks at most every five seconds."""
        began = time.monotonic()
        if began < self._next:
            return self._changed
        files = self._look_at_files()
        if files != self._files:
            self._files = files
            self.datastore.refresh()
            self._changed = self._now() != self.known
        now = time.monotonic()
        self._next = now + max(_LOOK_EVERY, (now - began) / MOST_TIME)
        return self._changed

    def take_in(self) -> tuple[list[str], list[str]]:
        """Update ``known``; gives the cases whose labels are new or changed, and those whose labels were removed."""
        self._files = self._look_at_files()  # before the labels: a later change is seen next time
        now = self._now()
        new = [case for case, each in now.items() if self.known.get(case) != each]
        gone = [case for case in self.known if case not in now]
        self.known, self._changed = now, False
        return new, gone
