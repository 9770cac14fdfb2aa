"""Notices labels that are added, changed or removed during a training, by their files."""

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
    """Stamps of all submitted labels as they are now; can be written as JSON."""
    found = {}
    for case in sorted(datastore.get_labeled_images()):
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

    Attributes:
        known: the labels that the training knows.
    """

    def __init__(self, datastore: Datastore, workspace: Workspace) -> None:
        self.datastore, self.workspace = datastore, workspace
        self.known = known_labels(datastore)
        self._folders: dict[str, tuple[int, int] | None] = {}  # empty: labels may have come since the start
        self._looked = time.monotonic()

    def _look_at_folders(self) -> dict[str, tuple[int, int] | None]:
        folders = {str(Path(self.datastore.stored_label(case)).parent) for case in self.known}
        return {folder: stamp(folder) for folder in sorted(folders)}

    def changed(self) -> bool:
        """Whether labels were added, replaced or removed since ``known``; checks at most every five seconds."""
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
        """Update ``known``; gives the cases whose labels are new or changed, and those whose labels were removed."""
        self._folders = self._look_at_folders()  # before the labels: a later change is seen next time
        now = known_labels(self.datastore)
        new = [case for case, each in now.items() if self.known.get(case) != each]
        gone = [case for case in self.known if case not in now]
        self.known = now
        return new, gone
