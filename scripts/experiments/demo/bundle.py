"""Export the model of a study as a MONAI bundle, run it without our code, and compare it with the server."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from experiments.harness.errors import ExperimentError
from experiments.harness.result import Comparison
from environment import ROOT
from fewlabel.export.bundle_run import bundle_command
from fewlabel.volumes.reading import read_label, same_grid


def export(studies: Path, bundle: Path) -> None:
    """Export with the command that a user would use; the demo itself compares the result.

    Raises:
        ExperimentError: it failed; with the end of its output.
    """
    script = ROOT / "scripts" / "export.py"
    command = [sys.executable, str(script), "--studies", str(studies), "--output", str(bundle), "--no-check"]
    run(command, "The export")


def run_bundle(bundle: Path, images: list[Path], folder: Path) -> Path:
    """Run the bundle like any MONAI bundle, on copies of `images`; returns the folder of its label maps.

    The process starts in the bundle's folder and finds nothing of FewLabel on its path.
    """
    inputs, outputs = folder / "bundle_input", folder / "bundle_output"
    inputs.mkdir()
    for image in images:
        shutil.copyfile(image, inputs / image.name)
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    run(bundle_command(bundle, inputs, outputs), "The exported bundle", cwd=bundle, env=alone)
    return outputs


def compare(case: str, of_server: Path, outputs: Path) -> Comparison:
    """Count the voxels in which the bundle's label map differs from the server's.

    Raises:
        ExperimentError: the bundle wrote no label map for the case.
    """
    found = bundle_output(case, outputs)
    server, bundle = read_label(of_server), read_label(found)
    same = same_grid(server, bundle)
    different = int((server.array != bundle.array).sum()) if same else server.array.size
    return Comparison(case, str(of_server), str(found), server.array.size, different, same)


def bundle_output(case: str, outputs: Path) -> Path:
    """The label map that the bundle wrote for a case."""
    found = sorted(path for path in outputs.rglob("*.nii*") if path.name.startswith((f"{case}.", f"{case}_")))
    if not found:
        raise ExperimentError(f"The exported bundle wrote no label map for {case} to {outputs}.")
    return found[0]


def run(command: list[str], what: str, **options: Any) -> None:
    """Run a command quietly; its last lines are shown only if it fails.

    Raises:
        ExperimentError: its exit code is not 0.
    """
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "errors": "replace"}
    finished = subprocess.run(command, **output, **options)
    if finished.returncode != 0:
        last = "\n".join(finished.stdout.strip().splitlines()[-15:])
        raise ExperimentError(f"{what} failed (exit code {finished.returncode}). Its last lines:\n{last}")
