"""Files that other programs put into the folder, or take out of it, are seen while the server runs."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from watchdog.events import FileSystemEvent, PatternMatchingEventHandler
from watchdog.observers import Observer
from watchdog.observers.polling import PollingObserver

from fewlabel.datastore.entries import Entries
from fewlabel.datastore.scan import FolderScan
from fewlabel.volumes.detached import HEADERS
from fewlabel.volumes.reading import EXTENSIONS, split_extension

logger = logging.getLogger(__name__)

_VOXELS = (".raw", ".zraw", ".gz", ".bin", ".img", ".dat")
"""Files of voxels that headers name."""

_SETTLE = 0.3
"""Seconds from the first change seen in the folder to reading it again: many files may arrive together."""


class FolderWatch:
    """Sees changes of the folder and its subfolders, in a thread of its own, and has the folder read again.

    Args:
        folder: of the images.
        entries: of the study.
        scan: of the folder.
        refresh: reads the folder again.
    """

    def __init__(self, folder: str, entries: Entries, scan: FolderScan, refresh: Callable[[], None]) -> None:
        self._folder, self._entries, self._scan, self._refresh = folder, entries, scan, refresh
        self._pending: threading.Timer | None = None  # waits until all changes that come together are there
        self._changed: set[Path] = set()
        on_a_mount = any(os.path.ismount(each) for each in _folder_and_above(folder))
        self._observer = PollingObserver() if on_a_mount else Observer()

    @property
    def waits(self) -> bool:
        """Whether a change was seen, and the folder is about to be read again."""
        return self._pending is not None

    def start(self) -> None:
        """Watch from now on; where the system refuses, that is logged, and the folder is read at each reload only."""
        try:
            self._observer.schedule(_Handler(self, str(self._entries.file)), path=self._folder, recursive=True)
            self._observer.start()
            logger.info("%s is watched for files that others put there or take away", self._folder)
        except OSError as error:
            logger.error("%s cannot be watched, so files that are put there are not seen: %s", self._folder, error)

    def stop(self) -> None:
        """Watch no longer."""
        self._observer.stop()
        self._observer.join()

    def on_change(self, event: FileSystemEvent) -> None:
        """Read the folder again, once for all changes that come together, except for our own writing."""
        ends = (os.fsdecode(each) for each in (getattr(event, "dest_path", ""), event.src_path) if each)
        places = [each for each in ends if not self._is_hidden(each)]
        if not places:
            return
        with self._entries.guard:
            name = self._entries.file.name
            if any(os.path.basename(place) == name for place in places) and self._entries.wrote_last():
                return
            self._changed |= {Path(place) for place in places}
            if self._pending is None:
                self._pending = threading.Timer(_SETTLE, self._settled)
                self._pending.daemon = True
                self._pending.start()

    def on_content(self, event: FileSystemEvent) -> None:
        """A list that another program wrote; a scan that could not be used, since it is still being copied."""
        place = os.fsdecode(event.src_path)
        if place.endswith(self._entries.file.name) or self._scan.may_change(place):
            self.on_change(event)

    def take_in(self, places: Iterable[Path]) -> None:
        """Read the folder again if any of these changes says that something is not listed as it is."""
        if not all(self._is_listed(place) for place in places):
            self._refresh()

    def _settled(self) -> None:
        with self._entries.guard:
            self._pending, changed, self._changed = None, self._changed, set()
        self.take_in(changed)

    def _is_hidden(self, place: str) -> bool:
        return any(part.startswith(".") for part in Path(os.path.relpath(place, self._folder)).parts)

    def _is_listed(self, place: Path) -> bool:
        """Whether this is a label that is there and listed, as after each submission: nothing is to be read again."""
        name, extension = split_extension(place.name)
        label = self._entries.label(name, place.parent.name)
        if label is None or label.ext != extension:
            return False
        return place == self._entries.label_file(name, place.parent.name, extension) and place.is_file()


class _Handler(PatternMatchingEventHandler):
    """Passes on what may concern scans, headers, labels and the list.

    Other programs, and our child processes, move finished files into place, so moves count, too.
    """

    def __init__(self, watch: FolderWatch, listed: str) -> None:
        kinds = (*EXTENSIONS, *HEADERS, *_VOXELS)
        super().__init__(patterns=[*(f"*{each}" for kind in kinds for each in (kind, kind.upper())), listed])
        self._watch = watch

    def on_created(self, event: FileSystemEvent) -> None:
        self._watch.on_change(event)

    on_deleted = on_moved = on_closed = on_created  # type: ignore[assignment]  # narrower events

    def on_modified(self, event: FileSystemEvent) -> None:
        self._watch.on_content(event)


def _folder_and_above(folder: str) -> list[Path]:
    """A folder and those above it, without the root of the file system."""
    place = Path(os.path.abspath(folder))
    return [place, *place.parents][:-1]
