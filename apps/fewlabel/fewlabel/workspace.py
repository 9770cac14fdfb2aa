"""The folder with everything that FewLabel stores about one study; files are replaced atomically."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fewlabel.errors import Refusal

_UMASK = os.umask(0)  # it can only be read by setting it: done once, before there are threads
os.umask(_UMASK)

WRITING = ".writing-"
"""Prefix of a file that is being written; the id of the writing process follows."""


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write ``path`` atomically: readers, also after a crash, see the old file or the new one.

    Args:
        path: the file to create or replace.
        write: called with a temporary file of the same suffix in the same folder, whose content it writes; its
            result is ignored.

    Raises:
        Refusal: (507) the file cannot be written; the old file is still there.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        suffix = "".join(path.suffixes[-2:])
        handle, name = tempfile.mkstemp(prefix=f"{WRITING}{os.getpid()}-", suffix=suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_UMASK)
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise Refusal(
            f"Could not write {path}: {error.strerror or error}. The old file is unchanged; free some disk "
            "space or make the folder writable, then try again.",
            status=507,
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def replace_bytes(path: Path, content: bytes) -> None:
    """``replace_file`` with the given content.

    Raises:
        Refusal: (507) as :func:`replace_file`.
    """
    replace_file(path, lambda temporary: temporary.write_bytes(content))


def remove_file(path: Path) -> None:
    """Remove a file if it exists.

    Raises:
        Refusal: (507) it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise Refusal(f"{path} cannot be removed: {error.strerror}. Make its folder writable.", 507) from error


def finite(value: Any) -> Any:
    """Replace every NaN or infinite number in nested lists and dicts by None: JSON has no such numbers."""
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically; numbers that are not finite become null."""
    try:
        text = json.dumps(
            value, allow_nan=False
        )  # without line breaks: ten times as fast, and some grow with the study
    except ValueError:
        text = json.dumps(finite(value), allow_nan=False)
    replace_file(path, lambda temporary: _write_text(temporary, text))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def read_json(path: Path, default: Any = None) -> Any:
    """Read JSON; ``default`` where the file is absent or damaged (its owner then writes it again)."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return default


class Workspace:
    """The folder of one study's state: plan, pools, models, scores.

    Two studies never share a workspace, so they never share a model.

    Args:
        folder: created when first used; by default ``<studies>/.fewlabel``.

    Raises:
        Refusal: (507) the folder cannot be created or written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder).resolve()
        self.model = self.folder / "model.pt"
        self.checkpoint = self.folder / "checkpoint.pt"
        self.plan = self.folder / "plan.json"
        self.pools = self.folder / "pools.json"
        self.progress = self.folder / "progress.json"
        self.scores = self.folder / "scores.json"
        self.predictions = self.folder / "predictions"
        self.proposed = self.folder / "proposed"
        self.label_all = self.folder / "label_all.json"
        self.features = self.folder / "features.json"
        self.leases = self.folder / "served.json"
        self.history = self.folder / "history.json"
        self.study = self.folder / "study.json"
        self.labels = self.folder / "labels"
        self.undo = self.folder / "undo"
        self.proposals = self.folder / "proposals"
        self.exports = self.folder / "exports"
        self.replaced = self.folder / "replaced"
        self.scans = self.folder / "scans.json"
        self.damaged = self.folder / "damaged"
        self.converted = self.folder / "converted"
        self.training = self.folder / "training.json"
        self.learned = self.folder / "learned.json"
        self.people = self.folder / "people-ask"
        self.by_name = self.folder / "by_name"
        self.renaming = self.folder / "renaming.json"
        self.moved = self.folder / "moved"
        self.folder_choices = self.folder / "folder.json"
        self._classes = self.folder / "classes.json"
        self._check_writable()

    def _check_writable(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise Refusal(
                f"The workspace {self.folder} cannot be written ({error.strerror or error}). "
                "Choose another folder with --conf workspace FOLDER.",
                status=507,
            ) from error

    def classes(self) -> list[str]:
        """Names of the classes in order; ``names[i]`` is stored as value ``i + 1``; empty while unknown.

        Raises:
            Refusal: (500) their file is damaged; new names could mix up the classes.
        """
        if not self._classes.exists():
            return []
        names = read_json(self._classes)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise Refusal(
                f"{self._classes} is damaged, so it is not known which value of a label is which class. Write the "
                'names into it in their order, as ["liver", "tumour"], then try again.',
                status=500,
            )
        return names

    def set_classes(self, names: list[str]) -> None:
        """Set the class names of this study."""
        write_json(self._classes, list(names))
