"""Converts paths of files in a folder and its subfolders to ids without a slash, and back.

MONAI Label's routes and label files take an id, not a path. The id of a file directly in the folder is its name. The
parts of a path are joined by two hyphens: ``site/case`` becomes ``site--case``. Characters that would be ambiguous, or
that an id may not have, are escaped by a tilde, as is the tilde itself.
"""

from __future__ import annotations

import re
from functools import lru_cache

_JOIN = "--"
_TOKEN = re.compile(r"~(.)|(--)|(.)", re.DOTALL)


@lru_cache(2**16)  # called for every file whenever one changes
def id_of(path: str) -> str:
    """The id of a file.

    Args:
        path: without its extension, relative to the folder, parts separated by "/".
    """
    parts = path.split("/")
    return path if len(parts) == 1 else _JOIN.join(_escaped(part) for part in parts)


def path_of(image_id: str) -> str:
    """The path that has this id, if it lies in a subfolder; see :func:`id_of`."""
    return "".join(escaped or ("/" if join else sign) for escaped, join, sign in _TOKEN.findall(image_id))


def _escaped(part: str) -> str:
    part = part.replace("~", "~~")
    part = re.sub(r"(?<=-)-|^-|-$", "~-", part)
    return re.sub(r"(?<=\.)\.", "~.", part)
