"""Labels that come, change or go while a training goes on, seen by their files."""

from __future__ import annotations

import time
from pathlib import Path

from monailabel.interfaces.datastore import Datastore

from fewlabel.datastore.kinds import accepted_cases, person_labelled
from fewlabel.files import stamp
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
        self._folders: dict[str, tuple[int, int] | None] = {}  # looked at soon: labels may have come since the start
        self._looked = time.monotonic()

    def _look_at_folders(self) -> dict[str, tuple[int, int] | None]:
        places = {str(Path(self.datastore.stored_label(case)).parent) for case in self.known}
        return {place: stamp(place) for place in sorted(places)}

    def changed(self) -> bool:
        """Whether labels came, were replaced or taken back since ``known`` was; looks at most every five seconds."""
        now = time.monotonic()
        if now - self._looked < _LOOK_EVERY:
            return False
        self._looked = now
        folders = self._look_at_folders()
        if folders == self._folders:
            return False
        self._folders = folders
        self.datastore.refresh()
        return known_labels(self.datastore) != self.known

    def take_in(self) -> tuple[list[str], list[str]]:
        """Know what is there now; cases whose labels are new or changed, and cases whose labels are gone."""
        self._folders = self._look_at_folders()  # before the labels: what comes in between is seen next time
        now = known_labels(self.datastore)
        new = [case for case, each in now.items() if self.known.get(case) != each]
        gone = [case for case in self.known if case not in now]
        self.known = now
        return new, gone
