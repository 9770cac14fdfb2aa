"""Published models that a request replaced or deleted: the last few are kept, and a command restores them."""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fewlabel.errors import Refusal
from fewlabel.published import load_whole, read_card, save_published
from fewlabel.workspace import Workspace, read_json, replace_file

KEPT = 5
_NAME = re.compile(r"(\d{8}-\d{6})-(\d+)-v(\d+)\.pt")


@dataclass(frozen=True, order=True)
class Aside:
    """A model that was put aside.

    Attributes:
        when: UTC, ``YYYYmmdd-HHMMSS``.
        number: distinguishes models of the same second.
        version: of the model; 0 where its file was damaged.
        path: of the file.
    """

    when: str
    number: int
    version: int
    path: Path


def put_aside(workspace: Workspace) -> list[Aside]:
    """The models of a study that were put aside, newest first."""
    found = [(_NAME.fullmatch(path.name), path) for path in workspace.replaced.glob("*.pt")]
    asides = [Aside(name[1], int(name[2]), int(name[3]), path) for name, path in found if name]
    return sorted(asides, reverse=True)


def copy_aside(workspace: Workspace) -> None:
    """Keep a copy of the published model, if there is one; of more than ``KEPT`` copies, the oldest are deleted.

    Raises:
        Refusal: (507) the copy cannot be written.
    """
    if workspace.model.exists():
        replace_file(_next_name(workspace), lambda temporary: shutil.copyfile(workspace.model, temporary))
        _keep_few(workspace)


def move_aside(workspace: Workspace) -> None:
    """Move the published model aside, atomically.

    Raises:
        Refusal: (404) there is none; (507) it cannot be moved.
    """
    try:
        target = _next_name(workspace)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(workspace.model, target)
    except FileNotFoundError as error:
        raise Refusal("There is no published model.", 404) from error
    except OSError as error:
        raise Refusal(f"Could not move {workspace.model} aside: {error.strerror or error}.", 507) from error
    _keep_few(workspace)


def restore(workspace: Workspace, version: int) -> int:
    """Publish a model again that was put aside, as a new version; the present one is put aside instead.

    Returns:
        the new version: versions are never reused, so that scores and predictions of another model are never taken
        for its own.

    Raises:
        Refusal: (404) there is none of this version; (409) its classes are not the study's; (500) its file is
            damaged; (507) it cannot be written.
    """
    found = next((aside for aside in put_aside(workspace) if aside.version == version), None)
    if found is None:
        there = ", ".join(str(aside.version) for aside in put_aside(workspace)) or "none"
        raise Refusal(f"No model of version {version} was put aside in {workspace.replaced}. There: {there}.", 404)
    model, others = load_whole(found.path)
    known = list(model.plan.classes)
    if not set(known) <= set(workspace.classes()):
        raise Refusal(
            f"The model of version {version} knows the classes {', '.join(known)}, the study has "
            f"{', '.join(workspace.classes())}: train again instead.",
            409,
        )
    new = next_version(workspace)
    copy_aside(workspace)
    save_published(workspace.model, model.network, model.plan, {**model.card, "version": new}, others)
    return new


def next_version(workspace: Workspace) -> int:
    """One more than every version of this study: published, put aside, or known from the scores."""
    scores = read_json(workspace.scores, {})
    known = [aside.version for aside in put_aside(workspace)] + [_version(workspace.model)]
    return 1 + max([*known, _whole(scores.get("version")) if isinstance(scores, dict) else 0])


def how_to_restore(workspace: Workspace) -> str:
    """A sentence about how to restore the last one; "" where there is none."""
    asides = [aside for aside in put_aside(workspace) if aside.version]
    if not asides:
        return ""
    return (
        f"The model of version {asides[0].version} was put aside: scripts/serve.py --studies FOLDER --restore-model "
        f"{asides[0].version} puts it back."
    )


def _next_name(workspace: Workspace) -> Path:
    when = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    newest = next(iter(put_aside(workspace)), None)
    number = 0
    if newest is not None and newest.when >= when:  # in the same second, or the clock was set back
        when, number = newest.when, newest.number + 1
    return workspace.replaced / f"{when}-{number:03d}-v{_version(workspace.model)}.pt"


def _keep_few(workspace: Workspace) -> None:
    for aside in put_aside(workspace)[KEPT:]:
        aside.path.unlink(missing_ok=True)


def _version(path: Path) -> int:
    try:
        return _whole(read_card(path).get("version"))
    except Refusal:  # damaged
        return 0


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
