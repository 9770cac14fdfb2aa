"""Commands on the workspace of a study, of ``scripts/serve.py``: what they print and their exit code."""

from __future__ import annotations

import sys
from pathlib import Path

from fewlabel.errors import Refusal
from fewlabel.replaced import put_aside, restore
from fewlabel.workspace import Workspace


def restore_model(folder: Path, version: int) -> int:
    """``serve.py --restore-model``: publish the model of a version again, or list those that there are (version 0).

    Args:
        folder: workspace of the study.
        version: of a model that was put aside.

    Returns:
        Exit code: 1 if that cannot be done, which is told in one sentence.
    """
    if not folder.is_dir():
        print(f"{folder} does not exist: there is no FewLabel study.", file=sys.stderr)
        return 1
    try:
        workspace = Workspace(folder)
        if version:
            print(f"The model of version {version} is published again, as version {restore(workspace, version)}.")
            return 0
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    asides = put_aside(workspace)
    print(f"Models put aside in {workspace.replaced}, the newest first:" if asides else "No model was put aside.")
    for aside in asides:
        print(f"  {f'version {aside.version}' if aside.version else 'damaged'}, put aside {aside.when} (UTC)")
    return 0
