"""Labels that come, change or go while a training goes on, seen by their files."""

from __future__ import annotations

import time
from pathlib import Path

from monailabel.interfaces.datastore import Datastore

from fewlabel.datastore.kinds import accepted_cases, person_labelled
from fewlabel.files import Stamp, stamp
from fewlabel.workspace import Workspace

Known = dict[str, list[int]]
"""Case -> stamp of the file of its submitted label."""

_LOOK_EVERY = 5.0  # seconds


def known_labels(datastore: Datastore) -> Known:
    """The submitted labels as they are now; JSON."""
    found = {}
    for case in sorted(datastore.get_labeled_images()):
        now = stamp(datastore.stored_label(case))
        if now is not None:
            found[case] = list(now)
    return found


def in_order(datastore: Datastore) -> list[str]:
    """Cases whose label can validate, as they were submitted, oldest first; an accepted proposal never does."""
    cases = set(person_labelled(datastore)) - set(datastore.left_out())
    cases -= set(accepted_cases(datastore, cases))
    times = {case: float(datastore.get_label_info(case, "final").get("ts") or 0) for case in cases}
    return sorted(cases, key=lambda case: (times[case], case))


class Arrivals:
    """Looks every few seconds whether labels of a study have changed.

    Args:
        datastore: of a background process; it is read again when the folder of the labels has changed.
        workspace: of the study; the names of its classes count too.

    Attributes:
        known: the labels that the training knows.
    """

    def __init__(self, datastore: Datastore, workspace: Workspace) -> None:
        self.datastore, self.workspace = datastore, workspace
        self.known = known_labels(datastore)
        self._files: dict[Path, Stamp | None] = {}  # looked at soon: labels may have come since the start
        self._looked, self._changed = time.monotonic(), False

    def _look_at_files(self) -> dict[Path, Stamp | None]:
        """Known labels and their folders: a file that is overwritten in its place leaves its folder as it was."""
        labels = [Path(self.datastore.stored_label(case)) for case in self.known]
        return {path: stamp(path) for path in {*labels, *(label.parent for label in labels)}}

    def changed(self) -> bool:
        """Whether labels came, were replaced or taken back since ``known`` was; looks at most every five seconds."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return self._changed
        self._looked = now
        files = self._look_at_files()
        if files != self._files:
            self._files = files
            self.datastore.refresh()
            self._changed = known_labels(self.datastore) != self.known
        return self._changed

    def take_in(self) -> tuple[list[str], list[str]]:
        """Know what is there now; cases whose labels are new or changed, and cases whose labels are gone."""
        self._files = self._look_at_files()  # before the labels: what comes in between is seen next time
        now = known_labels(self.datastore)
        new = [case for case, each in now.items() if self.known.get(case) != each]
        gone = [case for case in self.known if case not in now]
        self.known, self._changed = now, False
        return new, gone
