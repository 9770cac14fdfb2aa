"""Gives a kind to labels that have none: stored before there were kinds, or put into the folder by hand."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from monailabel.datastore.local import DataModel, ImageLabelModel

from fewlabel.datastore.kinds import FROM_HISTORY, KIND, KIND_KEYS, KINDS, assumed
from fewlabel.errors import Refusal
from fewlabel.workspace import read_json, write_json

logger = logging.getLogger(__name__)

Objects = dict[str, ImageLabelModel]


def with_kinds(
    objects: Objects, history: Path, sidecar: Callable[[str, str], Path], write: bool
) -> tuple[Objects, bool]:
    """Give every label of MONAI Label's list a kind: in the list and, if it came from the history, in its sidecar.

    The other sidecars are not written: they would get the same kind at the next start, which must not take long.

    Args:
        objects: the list; not changed.
        history: file of the history of corrections.
        sidecar: (id, tag) -> path of the sidecar.
        write: whether sidecars may be written.

    Returns:
        The list with kinds, and whether any label had none.
    """
    lacking = [
        (case, tag)
        for case, entry in objects.items()
        for tag, label in entry.labels.items()
        if label.info.get(KIND) not in KINDS
    ]
    if not lacking:
        return objects, False
    said = entries_by_case(history)
    result = dict(objects)
    for case, tag in lacking:
        entry = result[case]
        info = _with_kind(entry.labels[tag].info, tag, said[case], sidecar(case, tag), write)
        labels = {**entry.labels, tag: DataModel(info=info, ext=entry.labels[tag].ext)}
        result[case] = ImageLabelModel(image=entry.image, labels=labels)
    return result, True


def entries_by_case(history: Path) -> Mapping[str, list[dict[str, Any]]]:
    """The history's entries by case, oldest first; empty where the file is absent or damaged."""
    content = read_json(history, {})
    entries = content.get("entries") if isinstance(content, dict) else None
    said: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict):
            said[str(entry.get("case"))].append(entry)
    return said


def _with_kind(
    info: Mapping[str, Any], tag: str, said: list[dict[str, Any]], sidecar: Path, write: bool
) -> dict[str, Any]:
    kept = read_json(sidecar)
    beside = kept.get("info") if isinstance(kept, dict) else None
    if isinstance(beside, dict) and beside.get(KIND) in KINDS:  # the list is older than the sidecar
        return {**info, **{key: beside[key] for key in KIND_KEYS if key in beside}}
    found = assumed(info, tag, said)
    if write and FROM_HISTORY in found and isinstance(beside, dict):
        try:
            write_json(sidecar, {**kept, "info": {**beside, **found}})
        except Refusal as error:
            logger.error("The kind of a label is in the list only. %s", error)
    return {**info, **found}
