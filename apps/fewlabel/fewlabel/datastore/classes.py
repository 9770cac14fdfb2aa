"""Checks the classes chosen for a study: any while nothing is labelled; after that in any order, but none removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewlabel.datastore.catalogue import label_paths, list_files
from fewlabel.datastore.entries import FINAL
from fewlabel.datastore.meaning import Named
from fewlabel.labels import UnknownClass, named_values
from fewlabel.volumes.segments import named_segments
from fewlabel.workspace import Workspace, read_json


@dataclass(frozen=True)
class StoredLabel:
    """A submitted label on disk, read while no datastore is open.

    Attributes:
        path: of the file.
        named: names of its values as stored with it; [] where they were only assumed.
    """

    path: Path
    named: Named


def stored_labels(studies: Path, workspace: Workspace) -> dict[str, StoredLabel]:
    """The submitted labels of a study, by case."""
    folder, config = label_paths(studies, workspace.folder)
    final = studies / folder / FINAL
    listed = read_json(studies / config, {})
    objects = listed.get("objects", {}) if isinstance(listed, dict) else {}
    found = {}
    for case, extension in list_files(final)[0].items():
        path = final / (case + extension)
        segments = [{"name": each.name, "idx": each.value} for each in named_segments(path)]
        found[case] = StoredLabel(path, segments or _known_names(objects.get(case), workspace.labels / f"{case}.json"))
    return found


def _known_names(entry: Any, sidecar: Path) -> Named:
    """Names of a label's values from MONAI Label's list or the workspace."""
    try:
        info = entry["labels"][FINAL]["info"]
    except (KeyError, TypeError):
        info = read_json(sidecar, {}).get("info", {})
    return [] if info.get("assumed") else info.get("label_info") or []


def agree_on_classes(studies: Path, workspace: Workspace, asked: Sequence[str]) -> None:
    """Use the classes of ``--conf labels``.

    Args:
        studies: folder of the images.
        workspace: of the study.
        asked: names in order; [] leaves everything as it is.

    Raises:
        ValueError: a class that labels have would be lost, or the order changes while a label stores no names.
    """
    known = workspace.classes()
    if not asked or list(asked) == known:
        return
    if list(asked[: len(known)]) != known:
        _check_change(stored_labels(studies, workspace), known, asked)
    workspace.set_classes(list(asked))


def _check_change(labels: dict[str, StoredLabel], known: Sequence[str], asked: Sequence[str]) -> None:
    beginning = f"--conf labels {','.join(asked)}: "
    used = {name for label in labels.values() for name in _names(label.named)}
    all_named = all(label.named for label in labels.values())
    lost = [name for name in known if name not in asked and (name in used or not all_named)]
    if lost:
        raise ValueError(
            f"{beginning}this study's labels were stored with the classes {','.join(known)}, and {', '.join(lost)} "
            "would be lost. Keep every name, in any order, or rename a class: scripts/serve.py --studies FOLDER "
            f'--rename-class "{lost[0]}" "NEW NAME".'
        )
    nameless = [case for case, label in labels.items() if not label.named]
    if nameless:
        raise ValueError(
            f"{beginning}the labels of {_some(nameless)} do not name their values, which were taken in the order "
            f"{','.join(known)}. Keep these first and in this order, or submit those labels again."
        )


def _names(named: Named) -> list[str]:
    try:
        return list(named_values(named).values())
    except UnknownClass:
        return []


def _some(cases: Sequence[str]) -> str:
    return ", ".join(cases[:3]) + (f" and {len(cases) - 3} more" if len(cases) > 3 else "")
