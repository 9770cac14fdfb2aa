"""The contract between one form of export and everything else."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fewlabel.errors import Refusal
from fewlabel.inference.predict import segment
from fewlabel.published import Published, load_published
from fewlabel.volumes.reading import UnreadableVolume, read_label
from fewlabel.workspace import Workspace, read_json


def _cannot_write(model: Published, folder: Path) -> None:
    raise NotImplementedError("This export has no write(model, folder).")


def _cannot_run(folder: Path, images: Path, output: Path) -> None:
    raise NotImplementedError("This export has no run(folder, images, output).")


@dataclass(frozen=True)
class Export:
    """One form in which others run the published model: a folder that needs neither FewLabel nor a server.

    The two functions know nothing of targets, earlier exports and full disks: that is done here, alike for all forms.
    What a form lacks is named by ``tests/export/test_contract.py``; so that it can be, each part has a default.

    Attributes:
        description: one line for people who choose.
        write: (published model, folder): puts all files into a folder that exists and is empty. An OSError is told
            by the caller, so write with functions that raise one; class names are data, whatever is in them.
        run: (folder, images, output): runs the export by itself, in a process that knows nothing of FewLabel and has
            no GPU, on every image of a folder. It writes one label map for each, ``.nii.gz``, on the image's own grid.
            Raises Refusal (500) with the last words of what failed.
        folder: name of the folder in the zip, and of the zip before the version: letters, digits, ``_``.
        card: JSON file of the export whose key ``fewlabel`` holds the model's card and its class names; an earlier
            export is known by it.
        readme: file of the export that says in words how to run it.

    Examples:
        >>> def write(model, folder):
        ...     names = [{"name": name} for name in model.plan.classes]
        ...     (folder / "fewlabel.json").write_text(json.dumps({"fewlabel": {**model.card, "classes": names}}))
        ...     (folder / "README.md").write_text("Cannot be run: an example.")
        >>> def run(folder, images, output):
        ...     raise Refusal("This example cannot be run.", 500)
        >>> import json
        >>> example = Export("An example", write, run, "fewlabel_example")
        >>> example.card, example.readme
        ('fewlabel.json', 'README.md')
    """

    description: str = ""
    write: Callable[[Published, Path], None] = _cannot_write
    run: Callable[[Path, Path, Path], None] = _cannot_run
    folder: str = ""
    card: str = "fewlabel.json"
    readme: str = "README.md"

    def export(self, workspace: Workspace, target: Path) -> Path:
        """Write the published model of a study, whole or not at all.

        Args:
            workspace: of the study.
            target: folder to create; of an earlier export there its parts are replaced, any other folder is left
                alone.

        Returns:
            the folder.

        Raises:
            Refusal: (409) nothing is published yet, or ``target`` is something else than an export of this form;
                (500) the published model is damaged; (507) not writable.
        """
        if not workspace.model.exists():
            raise Refusal("There is no model to export yet: submit labels, train, and export then.", 409)
        target = Path(target).resolve()
        if not self._is_free(target):
            raise Refusal(f"{target} is not empty and not an earlier export of ours: choose another folder.", 409)
        model = load_published(workspace.model)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=".exporting-") as folder:
                draft = Path(folder, "draft")
                draft.mkdir()
                self.write(model, draft)
                _put(draft, target, Path(folder, "replaced"))
        except OSError as error:
            raise Refusal(f"Could not export to {target}: {error.strerror or error}.", 507) from error
        return target

    def check(self, workspace: Workspace, folder: Path, image: Path) -> tuple[int, int]:
        """Run an export by itself: voxels in which it and the server disagree on one image, and voxels in all.

        Raises:
            Refusal: (422) the image cannot be used; (500) the export does not run.
        """
        published = load_published(workspace.model)
        try:
            ours, _ = segment(published.network, published.plan, image)
        except UnreadableVolume as error:
            raise Refusal(str(error), 422) from error
        with tempfile.TemporaryDirectory(prefix="fewlabel-check-") as scratch:
            inputs, outputs = Path(scratch, "images"), Path(scratch, "labels")
            inputs.mkdir()
            shutil.copyfile(image, inputs / image.name)
            self.run(folder, inputs, outputs)
            written = sorted(outputs.rglob("*.nii.gz"))
            if not written:
                raise Refusal(f"The export ran, but it wrote no label map for {image.name}.", 500)
            theirs = read_label(written[0]).array
        if ours.shape != theirs.shape:
            return theirs.size, theirs.size
        return int(np.count_nonzero(ours.numpy() != theirs)), theirs.size

    def _is_free(self, target: Path) -> bool:
        """Whether an export may go there: nothing is lost but an earlier export."""
        if not target.exists():
            return True
        if not target.is_dir():
            return False
        if not any(target.iterdir()):
            return True
        try:
            card = read_json(target / self.card)
        except OSError:  # a folder of that name, a file where its folder would be
            return False
        return isinstance(card, dict) and "fewlabel" in card


def run_alone(command: list[str], folder: Path) -> None:
    """Run a command as somebody without FewLabel would: in the export's folder, with no path of ours and no GPU.

    Raises:
        Refusal: (500) it failed; its last words are in the message.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["CUDA_VISIBLE_DEVICES"] = ""  # the server compares on its CPU: a GPU rounds otherwise
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise Refusal("The export does not run:\n" + "\n".join(done.stderr.splitlines()[-8:]), 500)


def _put(draft: Path, target: Path, replaced: Path) -> None:
    """Move all parts of the draft to the target; if one cannot be moved, everything is as it was before.

    Args:
        draft: folder of what was written.
        target: folder, created if need be; parts that the draft has not stay.
        replaced: a folder that is not there yet, on the same disk: for what the draft replaces.
    """
    if not target.exists():
        draft.replace(target)
        return
    replaced.mkdir()
    begun: list[str] = []
    try:
        for part in sorted(draft.iterdir()):
            begun.append(part.name)
            if (target / part.name).exists():
                (target / part.name).replace(replaced / part.name)
            part.replace(target / part.name)
    except OSError:
        for name in begun:
            if (replaced / name).exists():
                _remove(target / name)
                (replaced / name).replace(target / name)
            elif not (draft / name).exists():
                _remove(target / name)
        raise


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
