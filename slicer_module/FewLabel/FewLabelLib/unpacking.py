"""Downloads without their compression, made in the background: reading one then holds the UI's thread shortly."""

from __future__ import annotations

import gzip
import os
import shutil
from contextlib import suppress
from pathlib import Path

from .downloads import keep_newest

KEPT = 4  # files: image and map of the case on the screen, and of the one before
CHUNK = 1 << 20  # bytes


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
    keep_newest(folder, KEPT)
    return target
