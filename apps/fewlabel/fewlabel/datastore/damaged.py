"""Scans with damaged voxel data: reported by any process that reads them, remembered until their file changes."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from fewlabel.datastore.walk import File
from fewlabel.errors import Refusal
from fewlabel.files import Stamp
from fewlabel.workspace import WRITING, read_json, remove_file, write_json

logger = logging.getLogger(__name__)


class Damaged:
    """One small file for each damaged scan, since trainings and scorings find them in processes of their own.

    Args:
        folder: of these files; may be absent.

    Examples:
        >>> from tempfile import mkdtemp
        >>> damaged, file = Damaged(Path(mkdtemp())), File("a.nii", "a", ".nii", (1, 2), (0, 0))
        >>> damaged.put("a", file, "a.nii is cut short.")
        >>> damaged.has_news()
        True
        >>> damaged.read()
        >>> damaged.why("a", file)
        'a.nii is cut short.'
        >>> damaged.why("a", File("a.nii", "a", ".nii", (3, 2), (0, 0)))  # the file has changed
        ''
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[str, int] = {}
        self._known: dict[str, tuple[str, Stamp, str]] = {}
        self.read()

    def put(self, case: str, file: File, message: str) -> None:
        """Store why a scan cannot be read; if that cannot be written, the scan is reported again by its next reader."""
        try:
            write_json(self.folder / f"{case}.json", {"file": file.path, "stamp": file.stamp, "message": message})
        except Refusal as error:
            logger.warning("%s (%s)", message, error)

    def has_news(self) -> bool:
        """Whether any process has reported a scan since :meth:`read`."""
        return self._list() != self._listed

    def read(self) -> None:
        """Read what was reported."""
        self._listed = self._list()
        self._known = {}
        for name in self._listed:
            kept = read_json(self.folder / name, {})
            try:
                changed_at, size = kept["stamp"]
                found = str(kept["file"]), (int(changed_at), int(size)), str(kept["message"])
            except (KeyError, TypeError, ValueError):  # not ours, or cut short
                continue
            self._known[name.removesuffix(".json")] = found

    def why(self, case: str, file: File) -> str:
        """Why the current file of a case cannot be read; "" if no damage is known."""
        path, seen, message = self._known.get(case, ("", (0, 0), ""))
        return message if (path, seen) == (file.path, file.stamp) else ""

    def keep(self, files: Mapping[str, File]) -> None:
        """Remove reports about other files than these, by id."""
        for case in [case for case in self._known if case not in files or not self.why(case, files[case])]:
            try:
                remove_file(self.folder / f"{case}.json")
            except Refusal as error:
                logger.warning("%s", error)
                continue
            del self._known[case]
            self._listed.pop(f"{case}.json", None)

    def _list(self) -> dict[str, int]:
        """Names of the files with their modification times in ns."""
        try:
            with os.scandir(self.folder) as entries:
                return {entry.name: entry.stat().st_mtime_ns for entry in entries if not entry.name.startswith(WRITING)}
        except OSError:  # absent, or changed meanwhile: read again at the next call
            return {}
