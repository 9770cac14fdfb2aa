"""Reads the headers of a study's files once; the result is kept in the workspace until a file changes."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewlabel.datastore.walk import File
from fewlabel.errors import Refusal
from fewlabel.volumes.detached import data_file, write_attached
from fewlabel.volumes.formats import UnreadableVolume
from fewlabel.volumes.inspect import UNREADABLE, Fault, fault_of
from fewlabel.workspace import read_json, replace_file, write_json

logger = logging.getLogger(__name__)

_AT_LEAST = 200
"""Files that are read in one go, however long it takes."""


@dataclass(frozen=True)
class Verdict:
    """Result of reading the header of one file.

    Attributes:
        stamp: of the file when it was read.
        fault: why it cannot be used as a scan; None where it can.
        voxels: of a header with a separate file of voxels: path, modification time in ns and size of that file; None
            where it could not be found.
    """

    stamp: tuple[int, int]
    fault: Fault | None
    voxels: tuple[str, int, int] | None = None


class Headers:
    """Verdicts by path.

    Args:
        root: folder of the images.
        cache: file in which the verdicts are kept.
        copies: folder for volumes that consist of two files, as one ``<id>.nrrd`` each.
        read_only: keep nothing, copy nothing.
    """

    def __init__(self, root: Path, cache: Path, copies: Path, read_only: bool) -> None:
        self.root, self.cache, self.copies, self._read_only = root, cache, copies, read_only
        self._known: dict[str, Verdict] = {}
        self._kept = read_json(cache, {})
        for path, entry in _entries(self._kept):
            with contextlib.suppress(TypeError, ValueError, KeyError):
                self._known[path] = _read(entry)

    def copy_of(self, image_id: str) -> Path:
        """Path of the ``.nrrd`` copy of a volume that consists of two files."""
        return self.copies / f"{image_id}.nrrd"

    def rank(self, path: str) -> int:
        """0 for a file that was usable when last read, 1 for an unknown one, 2 for an unusable one."""
        known = self._known.get(path)
        return 1 if known is None else 2 if known.fault else 0

    def verdict(self, file: File, image_id: str) -> Verdict | None:
        """The verdict on a file as it is now; None if it has changed since it was read, or never was."""
        known = self._known.get(file.path)
        if known is None or known.stamp != file.stamp:
            return None
        if not file.is_header:
            return known
        if known.voxels != self._voxels(file) or (known.fault is None and not self.copy_of(image_id).is_file()):
            return None
        return known

    def look(self, files: Iterable[tuple[File, str]], seconds: float) -> None:
        """Read headers of files (with their ids) until the time is over, but of some hundreds at least."""
        end, changed = time.monotonic() + seconds, {}
        for count, (file, image_id) in enumerate(files):
            if count >= _AT_LEAST and time.monotonic() > end:
                break
            if not (file.is_header and self._read_only):
                changed[file.path] = self._look_at(file, image_id)
        self._known = {**self._known, **changed}

    def keep(self, paths: Iterable[str], ids: Iterable[str]) -> None:
        """Write the verdicts on these files, if they have changed; remove copies of ids that are not given."""
        if self._read_only:
            return
        self._known = {path: self._known[path] for path in paths if path in self._known}
        content = {"version": 1, "files": {path: _written(verdict) for path, verdict in self._known.items()}}
        with contextlib.suppress(Refusal):  # the files are read again at the next start
            if content != self._kept and (self._known or self.cache.exists()):
                write_json(self.cache, content)
                self._kept = content
        there = {f"{image_id}.nrrd" for image_id in ids}
        for copy in self.copies.glob("*.nrrd"):
            if copy.name not in there and not copy.name.startswith("."):
                copy.unlink(missing_ok=True)

    def _look_at(self, file: File, image_id: str) -> Verdict:
        if not file.is_header:
            return Verdict(file.stamp, fault_of(self.root / file.path, file.path))
        voxels = self._voxels(file)
        fault: Fault | None = None
        try:
            replace_file(
                self.copy_of(image_id), lambda target: write_attached(self.root / file.path, self.root, target)
            )
        except UnreadableVolume as error:
            fault = Fault(UNREADABLE, f"{file.path} {error}.")
        except Refusal as error:
            fault = Fault(UNREADABLE, f"{file.path} cannot be copied to one file: {error}")
        except Exception as error:  # parsers raise anything for damaged headers
            fault = Fault(UNREADABLE, f"{file.path} cannot be read as an image ({error or type(error).__name__}).")
        return Verdict(file.stamp, fault, voxels)

    def _voxels(self, file: File) -> tuple[str, int, int] | None:
        try:
            path = data_file(self.root / file.path, self.root)
            stat = path.stat()
        except Exception:  # the verdict says what is wrong
            return None
        return str(path), stat.st_mtime_ns, stat.st_size


def _entries(kept: Any) -> list[tuple[str, Any]]:
    files = kept.get("files") if isinstance(kept, dict) and kept.get("version") == 1 else None
    return list(files.items()) if isinstance(files, dict) else []


def _read(entry: dict[str, Any]) -> Verdict:
    changed_at, size = entry["stamp"]
    fault, voxels = entry.get("fault"), entry.get("voxels")
    return Verdict(
        (int(changed_at), int(size)),
        Fault(str(fault[0]), str(fault[1])) if fault else None,
        (str(voxels[0]), int(voxels[1]), int(voxels[2])) if voxels else None,
    )


def _written(verdict: Verdict) -> dict[str, Any]:
    fault = [verdict.fault.kind, verdict.fault.message] if verdict.fault else None
    content = {"stamp": list(verdict.stamp), "fault": fault, "voxels": verdict.voxels and list(verdict.voxels)}
    return {key: value for key, value in content.items() if value is not None}
