"""One id for each file of a folder and of its subfolders, without a slash, and back again.

MONAI Label's routes and the files of labels hold one id, not a path. A file directly in the folder has its own name as
id. Of a path its parts are joined by two hyphens: ``site/case`` is ``site--case``. A sign that would be mistaken
for these, or that no id may hold, has a tilde before it, as has a tilde itself.
"""

from __future__ import annotations

import re
from functools import lru_cache

_JOIN = "--"
_TOKEN = re.compile(r"~(.)|(--)|(.)", re.DOTALL)


@lru_cache(2**16)  # every file is asked for whenever one changes
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
