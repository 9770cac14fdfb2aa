"""Writes an export atomically: in a folder beside the target, then moved there; one export to a target at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fewlabel.errors import Refusal
from fewlabel.workspace import read_json

PARTS = "verification.json"
"""File of an export whose key ``parts`` names its own files at the top; anything else there was put there by people."""


def check_free(target: Path, overwrite: bool, card: str) -> None:
    """Check that an export may be written there: nothing is lost but an earlier export, if that is asked for.

    Args:
        target: the folder.
        overwrite: an earlier export may be replaced.
        card: JSON file whose key ``fewlabel`` marks an earlier export of the same format.

    Raises:
        Refusal: (409) it may not.
    """
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    try:
        found = read_json(target / card)
    except OSError:  # a file of that name, a folder where its card would be
        found = None
    if not (isinstance(found, dict) and "fewlabel" in found):
        raise Refusal(f"{target} is not empty and not an earlier export of ours: choose another folder.", 409)
    if not overwrite:
        raise Refusal(f"{target} holds an earlier export: choose another folder, or replace it with --overwrite.", 409)


@contextmanager
def placed(target: Path, overwrite: bool, card: str) -> Iterator[Path]:
    """An empty folder to write an export into; at the end it becomes the target, unless there was an error.

    What a killed export left beside the target is repaired first. The files of an earlier export are removed; what
    people put beside them stays.

    Args:
        target, overwrite, card: as :func:`check_free`.

    Raises:
        Refusal: (409) as :func:`check_free`, or another export is being written there; (507) it cannot be written.
    """
    target = Path(target).resolve()
    aside = target.with_name(f".exporting-{target.name}")
    replaced, draft = aside / "replaced", aside / "draft"
    check_free(target, overwrite, card)  # before anything is created
    try:
        with _alone(aside, target):
            _put_right(replaced, target)
            check_free(target, overwrite, card)
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            yield draft
            _put(draft, target, replaced)
    except OSError as error:
        raise Refusal(f"Could not export to {target}: {error.strerror or error}.", 507) from error


@contextmanager
def _alone(aside: Path, target: Path) -> Iterator[None]:
    """Lock the folder beside the target; it is removed at the end."""
    aside.mkdir(parents=True, exist_ok=True)
    file = aside / "lock"
    lock = FileLock(file)
    try:
        lock.acquire(blocking=False)
        if not file.exists():  # its holder has just ended and removed it
            lock.release()
            aside.mkdir(exist_ok=True)
            lock.acquire(blocking=False)
    except Timeout:
        raise Refusal(f"Another export is being written to {target}: wait until it has ended.", 409) from None
    try:
        yield
    finally:
        if not (aside / "replaced").exists():  # what was replaced could not be moved back: keep it
            shutil.rmtree(aside, ignore_errors=True)
        lock.release()


def _put(draft: Path, target: Path, replaced: Path) -> None:
    """Move the draft to the target; if that fails, move back what was there before.

    Args:
        draft: folder of what was written.
        target: folder, created if need be.
        replaced: a folder that is not there yet, on the same disk: for what the draft replaces.
    """
    if target.exists():
        target.replace(replaced)
    try:
        draft.replace(target)
    except OSError:
        if replaced.exists():
            replaced.replace(target)
        raise
    _put_right(replaced, target)


def _put_right(replaced: Path, target: Path) -> None:
    """Bring back what was replaced: all of it if the target is missing, else only what the export had not written."""
    if not replaced.exists():
        return
    if not target.exists():
        replaced.replace(target)
        return
    written = read_json(replaced / PARTS, {})
    ours = set(written.get("parts") or ()) if isinstance(written, dict) else set()
    for part in replaced.iterdir():
        if part.name not in ours and not (target / part.name).exists():
            part.replace(target / part.name)
    shutil.rmtree(replaced)
