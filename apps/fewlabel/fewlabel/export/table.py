"""The formats of exports. To add one: one file here, one line below."""

from __future__ import annotations

from pathlib import Path

from fewlabel.errors import Refusal
from fewlabel.export.auto3dseg import AUTO3DSEG
from fewlabel.export.base import Export
from fewlabel.export.bundle import BUNDLE
from fewlabel.export.comparing import compare_runs
from fewlabel.export.dicomseg import DICOMSEG
from fewlabel.export.msd import MSD
from fewlabel.export.nnunet import NNUNET
from fewlabel.export.onnx import ONNX
from fewlabel.export.predictions import PREDICTIONS
from fewlabel.export.source import Source
from fewlabel.export.torchscript import TORCHSCRIPT
from fewlabel.workspace import Workspace

DEFAULT_EXPORT = "bundle"

EXPORTS: dict[str, Export] = {
    DEFAULT_EXPORT: BUNDLE,
    "torchscript": TORCHSCRIPT,
    "onnx": ONNX,
    "auto3dseg": AUTO3DSEG,
    "nnunet": NNUNET,
    "msd": MSD,
    "dicomseg": DICOMSEG,
    "predictions": PREDICTIONS,
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
    """Write the published model of a study in the format of this name, unchecked; an earlier export is replaced.

    Raises:
        Refusal: (422) there is no such format; or as ``Export.export``.
    """
    with Source(workspace) as source:
        export = find_export(name)
        problem = export.problem(source, target)
        if problem:
            raise Refusal(problem, 422)
        export.export(source, target, images=None, overwrite=True)
    return Path(target).resolve()


def differing_voxels(name: str, workspace: Workspace, folder: Path, image: Path) -> tuple[int, int]:
    """Run an export and the server on one image: the number of voxels that differ, and of all voxels.

    Raises:
        Refusal: (422) there is no such format, the image cannot be used; (500) the export does not run.
    """
    with Source(workspace) as source:
        row = compare_runs(source, folder, find_export(name).run, [(image.name, image)])[0]
    return row.differing, row.voxels
