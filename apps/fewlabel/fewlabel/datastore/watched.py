"""Notices files that other programs add to the folder or remove from it while the server runs."""

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
"""Extensions of files of voxels that headers refer to."""

_SETTLE = 0.3
"""Seconds between the first change in the folder and reading it again: many files may arrive together."""


class FolderWatch:
    """Watches the folder and its subfolders in a thread, and has the folder read again after changes.

    Args:
        folder: of the images.
        entries: of the study.
        scan: of the folder.
        refresh: reads the folder again.
    """

    def __init__(self, folder: str, entries: Entries, scan: FolderScan, refresh: Callable[[], None]) -> None:
        self._folder, self._entries, self._scan, self._refresh = folder, entries, scan, refresh
        self._pending: threading.Timer | None = None  # waits for further changes
        self._changed: set[Path] = set()
        on_a_mount = any(os.path.ismount(each) for each in _folder_and_above(folder))
        self._observer = PollingObserver() if on_a_mount else Observer()

    @property
    def waits(self) -> bool:
        """Whether a change was noticed and the folder is about to be read again."""
        return self._pending is not None

    def start(self) -> None:
        """Start watching; if the system refuses, that is logged, and the folder is only read at each reload."""
        try:
            self._observer.schedule(_Handler(self, str(self._entries.file)), path=self._folder, recursive=True)
            self._observer.start()
            logger.info("%s is watched for files that others add or remove", self._folder)
        except OSError as error:
            logger.error("%s cannot be watched, so files that others add are not noticed: %s", self._folder, error)

    def stop(self) -> None:
        """Stop watching."""
        self._observer.stop()
        self._observer.join()

    def on_change(self, event: FileSystemEvent) -> None:
        """Read the folder again, once for changes that come together; our own writing is ignored."""
        ends = (os.fsdecode(each) for each in (getattr(event, "dest_path", ""), event.src_path) if each)
        paths = [each for each in ends if not self._is_hidden(each)]
        if not paths:
            return
        with self._entries.guard:
            name = self._entries.file.name
            if any(os.path.basename(path) == name for path in paths) and self._entries.wrote_last():
                return
            self._changed |= {Path(path) for path in paths}
            if self._pending is None:
                self._pending = threading.Timer(_SETTLE, self._settled)
                self._pending.daemon = True
                self._pending.start()

    def on_content(self, event: FileSystemEvent) -> None:
        """Handle changed content: a list that another program wrote, or a scan that was still being copied."""
        path = os.fsdecode(event.src_path)
        if path.endswith(self._entries.file.name) or self._scan.may_change(path):
            self.on_change(event)

    def take_in(self, paths: Iterable[Path]) -> None:
        """Read the folder again if any of these paths is not listed as it is."""
        if not all(self._is_listed(path) for path in paths):
            self._refresh()

    def _settled(self) -> None:
        with self._entries.guard:
            self._pending, changed, self._changed = None, self._changed, set()
        self.take_in(changed)

    def _is_hidden(self, path: str) -> bool:
        return any(part.startswith(".") for part in Path(os.path.relpath(path, self._folder)).parts)

    def _is_listed(self, path: Path) -> bool:
        """Whether this is a label that exists and is listed, as after each submission: nothing needs to be read."""
        name, extension = split_extension(path.name)
        label = self._entries.label(name, path.parent.name)
        if label is None or label.ext != extension:
            return False
        return path == self._entries.label_file(name, path.parent.name, extension) and path.is_file()


class _Handler(PatternMatchingEventHandler):
    """Passes on events that may concern scans, headers, labels and the list.

    Other programs and our child processes write a file under another name and then move it, so moves count, too.
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
    """A folder and its parents, without the root of the file system."""
    path = Path(os.path.abspath(folder))
    return [path, *path.parents][:-1]
