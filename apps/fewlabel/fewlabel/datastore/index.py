"""Updates the table of a study's images and labels from the files, which are the truth."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from fewlabel.datastore.by_name import LabelsByName
from fewlabel.datastore.catalogue import list_files, reconcile
from fewlabel.datastore.entries import FINAL, Entries
from fewlabel.datastore.kinds_of_before import with_kinds
from fewlabel.datastore.scan import FolderScan
from fewlabel.workspace import Workspace

logger = logging.getLogger(__name__)


class FolderIndex:
    """Reads the folders of images and labels. For the ids see :mod:`fewlabel.datastore.ids`.

    Args:
        entries: of the study; updated from the folder.
        scan: of the folder of the images.
        by_name: describes labels that were found.
        workspace: of the study.
    """

    def __init__(self, entries: Entries, scan: FolderScan, by_name: LabelsByName, workspace: Workspace) -> None:
        self._entries, self._scan, self._by_name, self._workspace = entries, scan, by_name, workspace
        self._logged: set[str] = set()
        self._looking = False

    def refresh(self) -> None:
        """Read the folder; headers that take long are read in the background."""
        known = self._match_folder(whole=True)
        if not known:
            self._scan.look()
            known = self._match_folder()
        self._scan.log()  # before the thread starts: it would wait until the thread has read a batch
        if not known and not self._entries.read_only and not self._looking:
            self._looking = True
            threading.Thread(target=self._look_on, name="headers", daemon=True).start()

    def _look_on(self) -> None:
        try:
            while not self._match_folder():
                self._scan.look()
        finally:
            self._looking = False
            self._scan.log()

    def _match_folder(self, whole: bool = False) -> bool:
        """Update the table from the files; gives whether all headers are known.

        Args:
            whole: do not change the table where some headers are unknown.
        """
        entries = self._entries
        with entries.guard:
            if not os.path.isdir(entries.table.image_path()):
                logger.error("%s is not there now; its images stay in the list", entries.table.base_path)
                return True
            entries.load()
            folders = sorted(Path(entries.table.label_path(None)).glob("[!.]*/"))
            labels = {folder.name: self._files(folder) for folder in folders}
            cases = self._scan.sort(entries.objects, labels.get(FINAL, {}))
            if whole and cases.pending:
                return False
            objects, changed = reconcile(entries.objects, cases.extensions(), labels, self._by_name.describe)
            objects, filled = with_kinds(objects, self._workspace.history, entries.sidecar, not entries.read_only)
            entries.replace(objects)
            if entries.read_only:
                return not cases.pending
            if changed or filled or entries.unsaved or not entries.file.exists():
                entries.save()
            self._by_name.name_labels()
            return not cases.pending

    def _files(self, folder: Path) -> dict[str, str]:
        found, left_out = list_files(folder)
        for name in left_out:
            if name not in self._logged:
                logger.warning("%a is left out: rename it, its id is in use or cannot be used", str(folder / name))
                self._logged.add(name)
        return found
