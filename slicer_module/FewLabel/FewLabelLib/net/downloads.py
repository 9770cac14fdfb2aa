"""Where scans that were fetched from a server lie: in a folder of this session, which goes when the session ends.

They are unpacked there in the background: reading one then holds the thread of the UI only shortly.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

NAME = "FewLabel-"
LEFT_BEHIND = 7 * 24 * 3600.0  # seconds without a change after which a folder belongs to no living Slicer
UNPACKED = 4  # files without compression: image and map of the case on the screen, and of the one before
CHUNK = 1 << 20  # bytes
KEPT = 48  # files of a server: image, proposal, map and label of eight cases, and two notes of what the server sent


def session_folder(parent: Path) -> Path:
    """A new folder that only this person can read; those that a Slicer which crashed left behind are removed."""
    parent.mkdir(parents=True, exist_ok=True)
    for old in parent.glob(f"{NAME}*"):
        if time.time() - _last_change(old) > LEFT_BEHIND:
            remove(old)
    return Path(tempfile.mkdtemp(prefix=NAME, dir=parent))


def remove(folder: Path) -> None:
    """Take a folder away with all that is in it, as far as nobody else reads it."""
    shutil.rmtree(folder, ignore_errors=True)


def keep_newest(folder: Path, kept: int = KEPT) -> None:
    """Take away all but the newest files of a folder, not those of the folders in it."""
    with suppress(OSError):  # somebody else is reading one
        files = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]
        for old in sorted(files, key=lambda file: -file.stat().st_mtime)[kept:]:
            old.unlink()


def unpacked(path: Path) -> Path:
    """The same image without gzip, in a folder beside it; the file itself where that cannot be had or is no use."""
    if not path.name.lower().endswith(".nii.gz"):
        return path
    folder = path.parent / "unpacked"  # NIfTI's library reads a.nii in place of an a.nii.gz that lies beside it
    target = folder / path.name[: -len(".gz")]
    temporary = folder / f".part-{os.getpid()}-{target.name}"
    try:
        folder.mkdir(exist_ok=True)
        with gzip.open(path) as packed, temporary.open("wb") as file:
            shutil.copyfileobj(packed, file, CHUNK)
        os.replace(temporary, target)
    except (OSError, EOFError):  # no room left, for example
        with suppress(OSError):
            temporary.unlink()
        return path
    keep_newest(folder, UNPACKED)
    return target


def _last_change(folder: Path) -> float:
    with suppress(OSError):
        return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    return time.time()  # it is being changed just now, or is somebody else's
