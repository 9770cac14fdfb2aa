"""The history of submitted labels and their comparison with the model, in ``history.json`` of the workspace."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

from fewlabel.files import ReadAgain
from fewlabel.review.stopping import expected_gain
from fewlabel.workspace import read_json, write_json

logger = logging.getLogger(__name__)

MOST = 2000
"""Entries that are kept: people label hundreds of cases, and each submission writes the whole file."""


class History:
    """One entry per submission, oldest first; thread-safe, written by the server process only.

    An entry holds ``case``, ``time`` (UTC), ``first`` (no label of this case was submitted before), ``model_version``
    and ``labels`` (how many labels that version was trained on), ``validation`` (its mean Dice), ``dice`` per class,
    ``mean`` and ``changed`` voxels, ``confidence`` (the model's mean probability of each class where it predicted it),
    ``flags``, ``strategy`` that chose the case, and ``kind`` of the label. Unknown values are null.

    Args:
        path: of the file; a damaged one is replaced by a new one with a note.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._guard = threading.Lock()

    def entries(self) -> list[dict[str, Any]]:
        """All entries, oldest first."""
        return self._read()["entries"]

    def notes(self) -> list[str]:
        """Sentences about the file itself, for example that it was damaged."""
        return self._read()["notes"]

    def add(self, case: str, replaced: bool, **values: Any) -> dict[str, Any]:
        """Add a submission.

        Args:
            case: image id.
            replaced: the case had a label already.
            values: of the entry.

        Returns:
            The entry.

        Raises:
            Refusal: (507) the file cannot be written; the old one is still there.
        """
        with self._guard:
            content = self._read()
            entries = content["entries"]
            first = not replaced and all(entry["case"] != case for entry in entries)
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            entry = {"case": case, "time": now, "first": first, **values}
            entries.append(entry)
            _shorten(entries)
            write_json(self.path, content)
        return entry

    def complete(self, entry: dict[str, Any], **values: Any) -> None:
        """Add values to an entry that were computed later.

        Raises:
            Refusal: (507) the file cannot be written.
        """
        with self._guard:
            content = self._read()
            same = [each for each in content["entries"] if _key(each) == _key(entry)]
            if same:
                same[-1].update(values)
                write_json(self.path, content)

    def _read(self) -> dict[str, Any]:
        if not self.path.exists():
            return {"notes": [], "entries": []}
        content = read_json(self.path)
        if _usable(content):
            return content
        day = time.strftime("%Y-%m-%d", time.gmtime())
        note = f"The history of submissions was damaged and was started anew on {day}."
        logger.warning("%s: %s", self.path, note)
        return {"notes": [note], "entries": []}


def _usable(content: Any) -> bool:
    if not isinstance(content, dict) or not isinstance(content.get("notes"), list):
        return False
    entries = content.get("entries")
    return isinstance(entries, list) and all(isinstance(each, dict) and "case" in each for each in entries)


def _key(entry: dict[str, Any]) -> tuple[Any, Any]:
    return entry["case"], entry.get("time")


def _shorten(entries: list[dict[str, Any]]) -> None:
    """Drop the oldest re-submissions first, then the oldest entries: the curve is made of first submissions."""
    while len(entries) > MOST:
        again = (index for index, entry in enumerate(entries[:-1]) if not entry.get("first"))
        del entries[next(again, 0)]


class Outlook:
    """The expected gain from five more labels, computed again only if the history has changed.

    Args:
        path: of the history.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: ReadAgain[dict[str, Any]] = ReadAgain(_outlook, dict)

    def __call__(self) -> dict[str, Any]:
        """:func:`fewlabel.review.stopping.expected_gain` without its points; {} where nothing was submitted."""
        return self._read(self.path)


def _outlook(path: Path) -> dict[str, Any]:
    found = expected_gain(History(path).entries())
    return {key: value for key, value in found.items() if key != "points"}
