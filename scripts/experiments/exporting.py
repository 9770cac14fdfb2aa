"""The export of ``scripts/export.py``, after the environment was set up."""

from __future__ import annotations

import sys
from argparse import Namespace

from fewlabel.errors import Refusal
from fewlabel.export.table import DEFAULT_EXPORT, EXPORTS, differing_voxels, export_model
from fewlabel.workspace import Workspace


def export(options: Namespace) -> int:
    """Export, and compare if requested.

    Args:
        options: as ``scripts/export.py`` parses them.

    Returns:
        0; 1 if it cannot be done, with one sentence, or if the export and FewLabel disagree.
    """
    if options.formats:
        print("\n".join(f"{name:12} {each.description}" for name, each in EXPORTS.items()))
        return 0
    folder, format = options.workspace or options.studies / ".fewlabel", options.format or DEFAULT_EXPORT
    if not folder.is_dir():
        print(f"{folder} does not exist: there is no FewLabel study in {options.studies}.", file=sys.stderr)
        return 1
    try:
        workspace = Workspace(folder)
        target = export_model(format, workspace, options.output)
        print(f"The model is exported to {target}; {target / EXPORTS[format].readme} says how to run it.")
        if options.check is None:
            return 0
        different, voxels = differing_voxels(format, workspace, target, options.check)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    print(f"Checked on {options.check.name}: {different} of {voxels} voxels differ between {format} and FewLabel.")
    return 1 if different else 0
