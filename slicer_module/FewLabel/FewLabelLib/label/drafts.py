"""Edits that no server has confirmed yet, kept on disk, so that a crash or a lost connection costs nothing.

A draft contains the segments as in the scene, including unknown, hidden and overlapping ones; it is not a label map.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

import numpy as np

from ..errors import Damaged
from .label_file import Geometry
from .labels import Segment


@dataclass(frozen=True)
class Draft:
    """One case's edits.

    Attributes:
        server, study, case: that they belong to.
        time: of the draft, in seconds since the epoch.
        segments: copies; [] in a list of drafts, until the draft is read.
        shape: (k, j, i).
        ijk_to_ras: (4, 4).
    """

    server: str
    study: str
    case: str
    time: float
    shape: Tuple[int, int, int]
    ijk_to_ras: np.ndarray
    segments: List[Segment] = field(default_factory=list)

    @property
    def file(self) -> str:
        """File name: one for each case of each study of each server."""
        return _file_name(self.server, self.study, self.case)


def _file_name(server: str, study: str, case: str) -> str:
    text = json.dumps([server, study, case])
    return hashlib.sha256(text.encode()).hexdigest()[:24] + ".npz"


def take_draft(server: str, study: str, case: str, segments: List[Segment], geometry: Geometry, when: float) -> Draft:
    """Make a draft of segments that the caller will not change any more."""
    return Draft(server, study, case, when, geometry.shape, np.array(geometry.ijk_to_ras, float), segments)


class Drafts:
    """The folder of the drafts."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)

    def write(self, draft: Draft) -> None:
        """Write a draft atomically, replacing an older one of its case.

        Raises:
            OSError: it cannot be written; the older one is kept.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays: Dict[str, np.ndarray] = {}
        about: List[Dict[str, Any]] = []
        for number, segment in enumerate(draft.segments):
            mask, corner = _box(segment.mask)
            arrays[f"mask{number}"] = np.packbits(mask)
            known = {"name": segment.name, "origin": segment.origin, "visible": bool(segment.visible)}
            known["locked"] = bool(segment.locked)
            about.append({**known, "color": list(segment.color), "corner": corner, "shape": list(mask.shape)})
        meta = {
            "server": draft.server,
            "study": draft.study,
            "case": draft.case,
            "time": draft.time,
            "shape": [int(length) for length in draft.shape],
            "ijk_to_ras": draft.ijk_to_ras.tolist(),
            "segments": about,
        }
        temporary = self.folder / f".part-{os.getpid()}-{draft.file}"
        try:
            with temporary.open("wb") as file:
                np.savez_compressed(file, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.folder / draft.file)
        finally:
            temporary.unlink(missing_ok=True)

    def list(self, server: str, study: str) -> List[Draft]:
        """Drafts of a server, or of a study on any server; newest first, without their segments."""
        found = []
        for path in self.folder.glob("*.npz"):
            try:
                with np.load(path, allow_pickle=False) as content:
                    draft = _draft(_meta(content), [])
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                continue  # unreadable: not offered, and not removed
            if draft.server == server or (study and draft.study == study):
                found.append(draft)
        return sorted(found, key=lambda draft: -draft.time)

    def find(self, server: str, study: str, case: str) -> Optional[Draft]:
        """The newest draft of a case, without its segments."""
        return next((draft for draft in self.list(server, study) if draft.case == case), None)

    def read(self, draft: Draft) -> Draft:
        """The draft with its segments.

        Raises:
            Damaged: it cannot be read.
        """
        path = self.folder / draft.file
        try:
            with np.load(path, allow_pickle=False) as content:
                meta = _meta(content)
                segments = [_segment(meta, number, content) for number in range(len(meta["segments"]))]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise Damaged(f"The draft of case '{draft.case}' ({path}) cannot be read. It was set aside.") from error
        return _draft(meta, segments)

    def set_aside(self, draft: Draft) -> None:
        """Rename an unusable draft, so that it is not offered again but not deleted either."""
        path = self.folder / draft.file
        if path.exists():
            os.replace(path, path.with_suffix(".unused"))

    def remove(self, draft: Draft) -> None:
        """Delete a draft."""
        (self.folder / draft.file).unlink(missing_ok=True)

    def forget(self, server: str, study: str, case: str) -> None:
        """Delete the draft of a case, if there is one."""
        (self.folder / _file_name(server, study, case)).unlink(missing_ok=True)


def _meta(content: Any) -> Dict[str, Any]:
    return json.loads(content["meta"].tobytes())


def _draft(meta: Dict[str, Any], segments: List[Segment]) -> Draft:
    affine = np.array(meta["ijk_to_ras"], float)
    return Draft(
        meta["server"], meta["study"], meta["case"], float(meta["time"]), tuple(meta["shape"]), affine, segments
    )


def _segment(meta: Dict[str, Any], number: int, content: Any) -> Segment:
    about = meta["segments"][number]
    shape = tuple(about["shape"])
    bits = np.unpackbits(content[f"mask{number}"], count=int(np.prod(shape)))
    mask = np.zeros(tuple(meta["shape"]), bool)
    box = tuple(slice(start, start + length) for start, length in np.array([about["corner"], shape]).T)
    mask[box] = bits.reshape(shape)
    locked = bool(about.get("locked"))  # drafts of earlier versions know no locks
    return Segment(about["name"], mask, None, about["visible"], about["origin"], tuple(about["color"]), locked)


def _box(mask: np.ndarray) -> Tuple[np.ndarray, List[int]]:
    """The bounding box of a mask: the part inside, and its start."""
    if not mask.any():
        return mask[:0, :0, :0], [0, 0, 0]
    bounds = []
    for axis in range(3):
        layers = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        bounds.append((int(layers[0]), int(layers[-1]) + 1))
    return mask[tuple(slice(*bound) for bound in bounds)], [bound[0] for bound in bounds]


def age(draft: Draft, now: float) -> str:
    """The age of a draft, in words."""
    minutes = max(0, round((now - draft.time) / 60))
    if minutes < 120:
        return f"{minutes} minute{'' if minutes == 1 else 's'} ago"
    return time.strftime("%d %b %Y, %H:%M", time.localtime(draft.time))
