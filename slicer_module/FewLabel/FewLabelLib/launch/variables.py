"""Environment variables for a process that must not see Slicer's libraries."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Mapping

# Whatever begins so would make another Python, Qt, VTK or Tk load Slicer's files.
SLICERS = ("PYTHON", "QT_", "QML", "VTK_", "ITK_", "SLICER", "TCL_", "TK_", "DYLD_", "PIP_TARGET", "PIP_PREFIX")
SEPARATOR = os.pathsep


def clean(environ: Mapping[str, str]) -> Dict[str, str]:
    """The variables without Slicer's own.

    Paths inside Slicer's folder (SLICER_HOME, which Slicer's launcher sets) are taken out of every variable; one of
    which nothing is left is removed. LD_LIBRARY_PATH keeps what a person has put into it, but LD_PRELOAD does not.
    Where SLICER_HOME is not known, LD_LIBRARY_PATH is removed as a whole.

    Returns:
        A copy; Python's output in it is UTF-8, written at once.
    """
    home = environ.get("SLICER_HOME", "")
    kept = {}
    for name, value in environ.items():
        upper = name.upper()
        if upper.startswith(SLICERS) or upper == "LD_PRELOAD" or (upper == "LD_LIBRARY_PATH" and not home):
            continue
        outside = _outside(value, home) if home else value
        if outside or not value:
            kept[name] = outside
    return {**kept, "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}


def is_slicers(path: str, environ: Mapping[str, str]) -> bool:
    """Whether a path lies in Slicer's folder, links followed."""
    home = environ.get("SLICER_HOME", "")
    return bool(home) and (_within(path, home) or _within(os.path.realpath(path), os.path.realpath(home)))


def _outside(value: str, home: str) -> str:
    """The parts of a list of paths that are not in Slicer's folder."""
    return SEPARATOR.join(part for part in value.split(SEPARATOR) if not _within(part, home))


def _within(path: str, home: str) -> bool:
    first, second = (os.path.normcase(os.path.normpath(each)) for each in (path, home))
    return Path(second) == Path(first) or Path(second) in Path(first).parents
