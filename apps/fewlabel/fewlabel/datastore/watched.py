"""Files that other programs put into the folder, or take out of it, are seen while the server runs."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from fewlabel.datastore.images import ScannedImages
from fewlabel.volumes.reading import split_extension

_SETTLE = 0.3
"""Seconds from the first change seen in the folder to reading it again: many files may arrive together."""


class Watched(ScannedImages):
    """The part of a datastore that MONAI Label's watcher of the folder calls, in a thread of its own.

    Attributes:
        _guard: of the list, taken while it is changed.
        _pending: waits until all changes that come together are there.
        _changed: their places.
    """

    _guard: threading.RLock
    _pending: threading.Timer | None
    _changed: set[Path]

    def _on_any_event(self, event: Any) -> None:
        """Read the folder again, once for all changes that come together, except for our own writing."""
        ends = (os.fsdecode(each) for each in (getattr(event, "dest_path", ""), event.src_path) if each)
        places = [each for each in ends if not self._is_hidden(each)]
        if not places:
            return
        with self._guard:
            name = os.path.basename(self._datastore_config_path)
            if any(os.path.basename(place) == name for place in places) and self._is_own_list():
                return
            self._changed |= {Path(place) for place in places}
            if self._pending is None:
                self._pending = threading.Timer(_SETTLE, self._settled)
                self._pending.daemon = True
                self._pending.start()

    def _on_modify_event(self, event: Any) -> None:
        """A list that another program wrote; a scan that could not be used, since it is still being copied."""
        place = os.fsdecode(event.src_path)
        if place.endswith(os.path.basename(self._datastore_config_path)) or self._scan.may_change(place):
            self._on_any_event(event)

    def _is_own_list(self) -> bool:
        try:
            return os.stat(self._datastore_config_path).st_mtime == self._config_ts
        except OSError:
            return False

    def _is_hidden(self, place: str) -> bool:
        return any(part.startswith(".") for part in Path(os.path.relpath(place, self._datastore_path)).parts)

    def _settled(self) -> None:
        with self._guard:
            self._pending, changed, self._changed = None, self._changed, set()
        if not all(self._is_listed(place) for place in changed):
            self.refresh()

    def _is_listed(self, place: Path) -> bool:
        """Whether this is a label that is there and listed, as after each submission: nothing is to be read again."""
        name, extension = split_extension(place.name)
        entry = self._datastore.objects.get(name)
        label = entry.labels.get(place.parent.name) if entry else None
        if label is None or label.ext != extension:
            return False
        return place == self._label_place(name, place.parent.name, extension) and place.is_file()

    def _label_place(self, image_id: str, tag: str, extension: str) -> Path:
        return Path(self._datastore.label_path(tag), image_id + extension)
