"""Commands of ``scripts/serve.py`` on the workspace of a study: they print, and give the exit code."""

from __future__ import annotations

import sys
from pathlib import Path

from fewlabel.datastore.lock import StudyInUse, lock_study
from fewlabel.datastore.store import StudyDatastore
from fewlabel.errors import Refusal
from fewlabel.renaming import finish_renaming, start_renaming
from fewlabel.replaced import put_aside, restore
from fewlabel.volumes.reading import UnreadableVolume
from fewlabel.workspace import Workspace, read_json


def restore_model(folder: Path, version: int) -> int:
    """``serve.py --restore-model``: publish the model of a version again, or list the models (version 0).

    Args:
        folder: workspace of the study.
        version: of a model that was put aside.

    Returns:
        Exit code: 1 with an error message if that cannot be done.
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


def _stopped(studies: Path, folder: Path) -> Workspace | None:
    """The workspace of a study without a running server, locked for this process; else None, after an error message."""
    if not folder.is_dir():
        print(f"{folder} does not exist: there is no FewLabel study.", file=sys.stderr)
        return None
    owner = read_json(folder / "study.json", {}).get("studies")
    if owner and Path(owner) != studies and Path(owner).is_dir():
        print(f"{folder} holds the state of another study, {owner}: nothing was changed.", file=sys.stderr)
        return None
    try:
        workspace = Workspace(folder)
        lock_study(workspace.folder, studies / ".fewlabel")
        return workspace
    except (Refusal, StudyInUse) as error:
        print(error, file=sys.stderr)
        return None


def rename_class(studies: Path, folder: Path, old: str, new: str) -> int:
    """``serve.py --rename-class``: rename a class in labels, lists and models, and print each change.

    Args:
        studies: folder of the images; its server must be stopped.
        folder: workspace of the study.
        old, new: the names.

    Returns:
        Exit code: 1 with an error message if that cannot be done.
    """
    workspace = _stopped(studies, folder)
    if workspace is None:
        return 1
    try:
        for line in finish_renaming(studies, workspace):
            print(f"  finished from before: {line}")
        start_renaming(studies, workspace, old, new)
        said = finish_renaming(studies, workspace)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    print(f"{old!r} is now called {new!r}. Changed:")
    print("\n".join(f"  {line}" for line in said))
    print("Write the new name into --conf labels where you start the server. Exports made before keep the old name.")
    return 0


def move_labels(studies: Path, folder: Path, list_only: bool) -> int:
    """``serve.py --move-labels``: correct the labels that lie on an old grid, and print each with its distance.

    Args:
        studies: folder of the images; its server must be stopped.
        folder: workspace of the study.
        list_only: change nothing.

    Returns:
        Exit code: 1 with an error message if a label could not be corrected, or the study is in use.
    """
    workspace = _stopped(studies, folder)
    if workspace is None:
        return 1
    store = StudyDatastore(str(studies), workspace, auto_reload=False, read_only=list_only)
    found = [each for each in map(store.misplaced, store.get_labeled_images()) if each]
    failed = 0
    for each in found:
        print(f"{each.case}: up to {each.distance:.1f} mm beside its scan; {each.cure}.")
        if list_only:
            continue
        try:
            print(f"  Done. The old file is kept: {store.move_label(each.case)}")
        except (Refusal, UnreadableVolume, OSError) as error:
            print(f"  Not done, the label is unchanged: {error}", file=sys.stderr)
            failed = 1
    if not found:
        print("No label lies on an old grid.")
    elif list_only:
        print(f'{len(found)} in all. Nothing was changed: --move-labels without "list" puts them right.')
    return failed
