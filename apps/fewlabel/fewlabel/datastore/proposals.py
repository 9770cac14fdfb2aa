"""Remembers the proposals handed out for each case: submissions are compared with them to find their kind."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from monailabel.interfaces.datastore import Datastore

from fewlabel.datastore.kinds import ACCEPTED, CORRECTED, DRAWN
from fewlabel.datastore.submission import check_submission
from fewlabel.errors import Refusal
from fewlabel.files import Stamp, stamp
from fewlabel.workspace import read_json, write_json

logger = logging.getLogger(__name__)

MOST = 8
"""Proposals remembered for a case: two people may look at it, or a newer model may come."""


def checksum(array: np.ndarray) -> str:
    """SHA-256 of a label map: equal for maps of the same shape with equal voxels.

    Args:
        array: (i, j, k) uint8, on the grid of the image.
    """
    digest = hashlib.sha256(str(array.shape).encode())
    digest.update(np.ascontiguousarray(array, np.uint8).data)
    return digest.hexdigest()


class Proposals:
    """The last proposals handed out for each case; thread-safe, written by the server process only.

    One JSON file for each case, ``<id>.json``: ``case`` and ``proposals``, oldest first, each with the ``version`` of
    the model (null: not known), the ``checksum`` of its voxels (null: it could not be read), the names of its
    ``classes`` (``classes[i]`` is value ``i + 1``), where it came from, and the time.

    Args:
        folder: of these files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._guard = threading.Lock()
        self._unwritten: dict[str, list[dict[str, Any]]] = {}
        self._stored: dict[tuple[str, str], tuple[tuple[Path, Stamp | None], tuple[Any, str | None, list[str]]]] = {}

    def remember(self, case: str, version: int | None, voxels: str | None, classes: Sequence[str], where: str) -> None:
        """Remember a proposal that is handed out.

        Args:
            case: image id.
            version: of the model; None: not known.
            voxels: its :func:`checksum`; None: it cannot be read.
            classes: names of its values, from 1 on.
            where: "infer", or the tag of a stored label.
        """
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        new = {"version": version, "checksum": voxels, "classes": list(classes), "from": where}
        with self._guard:
            known = self._read(case)
            if known and {**known[-1], "time": None} == {**new, "time": None}:
                return
            kept = [each for each in known if (each["checksum"], each["classes"]) != (voxels, new["classes"])]
            kept = [*kept, {**new, "time": now}][-MOST:]
            try:
                write_json(self._file(case), {"case": case, "proposals": kept})
                self._unwritten.pop(case, None)
            except Refusal as error:  # a full disk must not cost the proposal
                logger.error("The proposal for %s is remembered until the server ends. %s", case, error)
                self._unwritten[case] = kept

    def remember_stored(self, store: Datastore, case: str, tag: str, classes: list[str]) -> None:
        """Remember a stored label that is handed out and that nobody submitted: of a model or another program.

        Args:
            store: datastore with the label.
            case: image id.
            tag: of the label.
            classes: of the study.
        """
        path = Path(store.get_label_uri(case, tag))
        now = path, stamp(path)
        known = self._stored.get((case, tag))
        if known is None or known[0] != now:
            known = self._stored[case, tag] = now, _read_stored(store, case, tag, classes)
        self.remember(case, *known[1], tag)

    def kind(self, case: str, array: np.ndarray, classes: Sequence[str]) -> str:
        """The kind of a submitted label: accepted, corrected or drawn.

        Args:
            case: image id.
            array: uint8 on the grid of the image; ``classes[i]`` is value ``i + 1``.
            classes: names of the study's classes.
        """
        with self._guard:
            known = self._read(case)
        if not known:
            return DRAWN
        return ACCEPTED if _is_one_of(known, array, list(classes)) else CORRECTED

    def forget(self, case: str) -> None:
        """Forget the proposals of a case whose image is removed or replaced.

        Raises:
            Refusal: (507) the folder cannot be written.
        """
        with self._guard:
            self._unwritten.pop(case, None)
            self._stored = {key: value for key, value in self._stored.items() if key[0] != case}
            try:
                self._file(case).unlink(missing_ok=True)
            except OSError as error:
                raise Refusal(f"{self._file(case)} cannot be removed: {error.strerror}.", 507) from error

    def _read(self, case: str) -> list[dict[str, Any]]:
        if case in self._unwritten:
            return self._unwritten[case]
        content = read_json(self._file(case), {})
        known = content.get("proposals") if isinstance(content, dict) else None
        if not isinstance(known, list):
            return []
        return known if all(isinstance(each, dict) and each.keys() >= _KEYS for each in known) else []

    def _file(self, case: str) -> Path:
        return self.folder / f"{case}.json"


_KEYS = {"version", "checksum", "classes", "from"}


def _names(info: dict[str, Any], params: dict[str, Any]) -> Any:
    """The names of a stored label's values, in the form that clients send; None where there are none."""
    names = params.get("label_names")
    if isinstance(names, dict) and names:
        return [{"name": name, "idx": value} for name, value in names.items()]
    return info.get("label_info")


def _read_stored(store: Datastore, case: str, tag: str, classes: list[str]) -> tuple[Any, str | None, list[str]]:
    """Version, checksum and classes of a stored label, as they would be if that file was submitted."""
    info = store.get_label_info(case, tag)
    params = info.get("params") if isinstance(info.get("params"), dict) else {}
    version = params.get("model_version")
    try:
        files = store.get_image_uri(case), store.get_label_uri(case, tag)
        submission = check_submission(case, *files, _names(info, params), classes)
    except (Refusal, OSError) as error:
        logger.warning("The label %a of %s could not be submitted as it is. %s", tag, case, error)
        return version, None, classes
    return version, checksum(submission.array), submission.classes


def _is_one_of(known: list[dict[str, Any]], array: np.ndarray, classes: list[str]) -> bool:
    """Whether a submitted map equals one of these proposals in every voxel, by class name."""
    found: dict[tuple[str, ...], str | None] = {}
    for each in known:
        former = each["classes"]
        order = () if classes[: len(former)] == former else tuple(former)
        if order not in found:
            found[order] = checksum(array) if not order else _checksum_in(former, array, classes)
        if each["checksum"] is not None and each["checksum"] == found[order]:
            return True
    return False


def _checksum_in(former: list[str], array: np.ndarray, classes: list[str]) -> str | None:
    """Checksum of a map in the values of a former list of classes; None where that lacks one of its classes."""
    values = {name: value for value, name in enumerate(former, start=1)}
    table = np.zeros(len(classes) + 1, np.uint8)
    for value in {int(value) for value in np.unique(array)} - {0}:
        if classes[value - 1] not in values:
            return None
        table[value] = values[classes[value - 1]]
    return checksum(table[array])
