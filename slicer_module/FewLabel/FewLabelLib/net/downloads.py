"""The folder of downloaded scans, which is removed when the session ends.

Scans are uncompressed there in the background, so that reading one blocks the UI thread only briefly.
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
LEFT_BEHIND = 7 * 24 * 3600.0  # seconds; a folder that was not changed for so long belongs to no running Slicer
UNPACKED = 4  # uncompressed files: image and map of the current case and of the last one
CHUNK = 1 << 20  # bytes
PICTURES = 200  # small pictures of proposals per server, in a folder of their own
KEPT = 48  # files per server: image, proposal, map and label of eight cases, and two records of ETags


def session_folder(parent: Path) -> Path:
    """Make a folder that only this person can read; removes folders left by a crashed Slicer."""
    parent.mkdir(parents=True, exist_ok=True)
    for old in parent.glob(f"{NAME}*"):
        if time.time() - _last_change(old) > LEFT_BEHIND:
            remove(old)
    return Path(tempfile.mkdtemp(prefix=NAME, dir=parent))


def remove(folder: Path) -> None:
    """Remove a folder and its content, as far as nothing in it is in use."""
    shutil.rmtree(folder, ignore_errors=True)


def keep_newest(folder: Path, kept: int = KEPT) -> None:
    """Remove all but the newest files of a folder, without its subfolders."""
    with suppress(OSError):  # a file is in use
        files = [file for file in folder.iterdir() if file.is_file() and not file.name.startswith(".")]
        for old in sorted(files, key=lambda file: -file.stat().st_mtime)[kept:]:
            old.unlink()


def unpacked(path: Path) -> Path:
    """An uncompressed copy of an image in a folder beside it; the file itself where there is none to make."""
    if not path.name.lower().endswith(".nii.gz"):
        return path
    folder = path.parent / "unpacked"  # niftilib reads a.nii instead of a.nii.gz in the same folder
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
    return time.time()  # it is being changed, or belongs to another user
