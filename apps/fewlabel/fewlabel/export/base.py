"""The contract of an export format."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fewlabel.errors import Refusal
from fewlabel.export.card import write_card
from fewlabel.export.comparing import Comparison, compare_runs, identical, read_back
from fewlabel.export.placing import PARTS, placed
from fewlabel.export.source import Source
from fewlabel.published import Published

Kind = Literal["model", "dataset", "cases"]
"""The published model; the study's images and submitted labels; label maps of single cases."""

_INSTALL = "python -m pip install -r requirements-exports.txt, in FewLabel's folder and environment"


def _cannot_write(what: Any, folder: Path) -> None:
    raise NotImplementedError("This export has no write.")


def _cannot_run(folder: Path, images: Path, output: Path) -> None:
    raise NotImplementedError("This export has no run(folder, images, output).")


def _cannot_read(source: Source, folder: Path) -> Iterable[tuple[str, np.ndarray, np.ndarray]]:
    raise NotImplementedError("This export has no read(source, folder).")


@dataclass(frozen=True)
class Export:
    """One format: a folder that is used without FewLabel and without a server.

    Its functions do not handle targets, earlier exports and full disks: that is done here for all formats.
    ``tests/export/test_contract.py`` names what a format lacks, which is why each part has a default.

    Attributes:
        description: one line, shown in lists of formats.
        write: puts all files into a folder that exists and is empty. Of the kind ``model`` it takes (published model,
            folder), of the others (source, folder). The caller reports an OSError, so write with functions that
            raise one; class names are data and may hold any character.
        run: of the kind ``model``. (folder, images, output): runs the export in a process without FewLabel and without
            a GPU, on every image of a folder. It writes one label map for each, ``.nii.gz``, its
            name beginning as the image's, on the image's own grid; beside it, if it can, the probabilities
            (``comparing.PROBABILITIES``). Raises Refusal (500) with the last words of what failed.
        folder: name of the folder in the zip, and of the zip before the version: letters, digits, ``_``.
        card: JSON file of the export whose key ``fewlabel`` holds its class names, and the card of a model; it marks
            an earlier export.
        readme: Markdown file of the export that says how to use it.
        kind: see Kind.
        read: of the other kinds. (source, folder): for every case its id, the array of the study, and the array that
            another library than the one that wrote it reads from the export. Raises Refusal (500) if it has another
            affine.
        needs: packages beyond FewLabel's own requirements that writing or running it needs, as pip names them.
        refuses: (source): why this study cannot be exported in this format and what to do, in a sentence; "" if it can.
            Called before anything is written.
        misnamed: (name of the target folder): why it may not have this name, in a sentence; "" if it may.
        agrees: (comparison): why a comparison fails, "" if it passes. Default: every voxel is the same.
        like: for a format that runs the model differently from ``/infer``. (model, image): label map of our own network
            run in the same way, with which the format is compared too (``Comparison.unlike``).

    Examples:
        >>> def write(model, folder):
        ...     names = [{"name": name} for name in model.plan.classes]
        ...     (folder / "fewlabel.json").write_text(json.dumps({"fewlabel": {**model.card, "classes": names}}))
        ...     (folder / "README.md").write_text("Cannot be run: an example.")
        >>> def run(folder, images, output):
        ...     raise Refusal("This example cannot be run.", 500)
        >>> example = Export("An example", write, run, "fewlabel_example")
        >>> example.card, example.readme, example.kind
        ('fewlabel.json', 'README.md', 'model')
    """

    description: str = ""
    write: Callable[[Any, Path], None] = _cannot_write
    run: Callable[[Path, Path, Path], None] = _cannot_run
    folder: str = ""
    card: str = "fewlabel.json"
    readme: str = "README.md"
    kind: Kind = "model"
    read: Callable[[Source, Path], Iterable[tuple[str, np.ndarray, np.ndarray]]] = _cannot_read
    needs: tuple[str, ...] = ()
    refuses: Callable[[Source], str] = lambda _: ""
    agrees: Callable[[Comparison], str] = identical
    misnamed: Callable[[str], str] = lambda _: ""
    like: Callable[[Published, Path], np.ndarray] | None = None

    def problem(self, source: Source, target: Path) -> str:
        """Why it cannot be exported now to this folder, in a sentence; "" if it can.

        Raises:
            Refusal: (409), (500) as ``Source.model``.
        """
        if self.kind == "model":
            source.model  # noqa: B018  (it says what is missing)
        return self.lacks() or self.misnamed(Path(target).resolve().name) or self.refuses(source)

    def lacks(self) -> str:
        """Which package it needs that is not installed, in a sentence; "" if none."""
        missing = " ".join(each for each in self.needs if importlib.util.find_spec(each) is None)
        return f"It needs {missing}, which is not installed here: {_INSTALL}." if missing else ""

    def export(
        self,
        source: Source,
        target: Path,
        images: Sequence[tuple[str, Path]] | None = (),
        overwrite: bool = False,
    ) -> list[Comparison] | None:
        """Write it, compare it with the study and move it to its folder: complete, or not at all.

        Args:
            source: what it is made of; ``problem`` found none.
            target: folder to create.
            images: cases and files that a model is run on for the comparison; None: nothing is compared, of any kind.
            overwrite: an earlier export of this form there is replaced; what people put beside its files stays.

        Returns:
            what was compared, None where nothing was.

        Raises:
            Refusal: (409) there is something already, or nothing to export; (422) a scan cannot be used;
                (500) the published model is damaged, or the export disagrees with the study; (507) not writable.
        """
        with placed(target, overwrite, self.card) as draft:
            source.tell(0.0, "it is written")
            self.write(source.model if self.kind == "model" else source, draft)
            rows = None if images is None else self.compare(source, draft, images)
            self._describe(source, draft, rows)
        return rows

    def compare(self, source: Source, folder: Path, images: Sequence[tuple[str, Path]]) -> list[Comparison] | None:
        """Compare an export with the study; None where there is no image to run it on.

        Raises:
            Refusal: (422) an image cannot be used; (500) the export does not run, or disagrees.
        """
        if self.kind == "model":
            if not images:
                return None
            rows = compare_runs(source, folder, self.run, images, self.like)
        else:
            rows = read_back(source, folder, self.read)
        faults = [f"{row.case}: {fault}" for row in rows for fault in [self.agrees(row)] if fault]
        if faults:
            listed = "; ".join(faults)
            raise Refusal(f"The export does not agree with the study, so it was not kept. {listed}.", 500)
        return rows

    def _describe(self, source: Source, draft: Path, rows: list[Comparison] | None) -> None:
        """Write into the export its card, how it was compared with the study, and which files are its own."""
        if self.kind == "model":
            write_card(source, draft, rows, self.description)
        said = {
            "verified": None if rows is None else [asdict(row) for row in rows],
            "parts": sorted({PARTS, *(path.name for path in draft.iterdir())}),
        }
        (draft / PARTS).write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def run_alone(command: list[str], folder: Path) -> None:
    """Run a command as on a computer without FewLabel: in the export's folder, without our import path and without GPU.

    Raises:
        Refusal: (500) it failed; its last words are in the message.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["CUDA_VISIBLE_DEVICES"] = (
        ""  # the server's side of the comparison runs on its CPU: a GPU rounds differently
    )
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise Refusal("The export does not run:\n" + "\n".join(done.stderr.splitlines()[-8:]), 500)
