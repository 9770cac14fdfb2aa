"""Runs an exported bundle as a stranger would and compares its label map with ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from fewlabel.errors import Refusal
from fewlabel.inference.predict import segment
from fewlabel.published import load_published
from fewlabel.volumes.reading import UnreadableVolume, read_label
from fewlabel.workspace import Workspace


def bundle_command(bundle: Path, images: Path, output: Path) -> list[str]:
    """MONAI's own command line for an inference bundle."""
    configs = bundle / "configs"
    command = [sys.executable, "-m", "monai.bundle", "run", "--bundle_root", str(bundle)]
    command += ["--config_file", str(configs / "inference.json")]
    command += ["--meta_file", str(configs / "metadata.json")]
    return [*command, "--dataset_dir", str(images), "--output_dir", str(output)]


def run_bundle(bundle: Path, images: Path, output: Path) -> None:
    """``python -m monai.bundle run`` on a folder of images, in a process that knows nothing of FewLabel.

    Raises:
        Refusal: (500) it failed; its last words are in the message.
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["CUDA_VISIBLE_DEVICES"] = ""  # as differing_voxels: a GPU rounds otherwise
    done = subprocess.run(
        bundle_command(bundle, images, output),
        cwd=bundle,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        raise Refusal("The exported bundle does not run:\n" + "\n".join(done.stderr.splitlines()[-8:]), 500)


def differing_voxels(workspace: Workspace, bundle: Path, image: Path) -> tuple[int, int]:
    """Voxels in which the bundle and the published model disagree on one image, and voxels in all.

    Raises:
        Refusal: (422) the image cannot be used; (500) the bundle does not run.
    """
    published = load_published(workspace.model)
    try:
        ours, _ = segment(published.network, published.plan, image)
    except UnreadableVolume as error:
        raise Refusal(str(error), 422) from error
    with tempfile.TemporaryDirectory(prefix="fewlabel-check-") as folder:
        inputs, outputs = Path(folder, "images"), Path(folder, "labels")
        inputs.mkdir()
        shutil.copyfile(image, inputs / image.name)
        run_bundle(bundle, inputs, outputs)
        theirs = read_label(next(outputs.rglob("*.nii.gz"))).array
    if ours.shape != theirs.shape:
        return theirs.size, theirs.size
    return int(np.count_nonzero(ours.numpy() != theirs)), theirs.size
