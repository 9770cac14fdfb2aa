"""The forms in which the published model can be exported. To add one: one file here, one line below."""

from __future__ import annotations

from pathlib import Path

from fewlabel.errors import Refusal
from fewlabel.export.base import Export
from fewlabel.export.bundle import BUNDLE
from fewlabel.workspace import Workspace

DEFAULT_EXPORT = "bundle"

EXPORTS: dict[str, Export] = {
    DEFAULT_EXPORT: BUNDLE,
}


def find_export(name: str) -> Export:
    """The export of this name.

    Raises:
        Refusal: (422) there is none; the message names those that there are.
    """
    if name not in EXPORTS:
        raise Refusal(f"There is no export format '{name}' here. There is: {', '.join(EXPORTS)}.", 422)
    return EXPORTS[name]


def export_model(name: str, workspace: Workspace, target: Path) -> Path:
    """Write the published model of a study in the form of this name (see ``Export.export``).

    Raises:
        Refusal: (422) there is no such form; or as ``Export.export``.
    """
    return find_export(name).export(workspace, target)


def differing_voxels(name: str, workspace: Workspace, folder: Path, image: Path) -> tuple[int, int]:
    """Voxels in which an export of this form and the server disagree on one image (see ``Export.check``).

    Raises:
        Refusal: (422) there is no such form; or as ``Export.check``.
    """
    return find_export(name).check(workspace, folder, image)
