"""Runs an exported bundle with stock MONAI."""

from __future__ import annotations

import sys
from pathlib import Path

from fewlabel.export.base import run_alone


def bundle_command(bundle: Path, images: Path, output: Path) -> list[str]:
    """MONAI's own command line for an inference bundle."""
    configs = bundle / "configs"
    command = [sys.executable, "-m", "monai.bundle", "run", "--bundle_root", str(bundle)]
    command += ["--config_file", str(configs / "inference.json")]
    command += ["--meta_file", str(configs / "metadata.json")]
    return [*command, "--dataset_dir", str(images), "--output_dir", str(output)]


def run_bundle(bundle: Path, images: Path, output: Path) -> None:
    """``python -m monai.bundle run`` on a folder of images, in a process without FewLabel.

    Raises:
        Refusal: (500) it failed; its last words are in the message.
    """
    run_alone(bundle_command(bundle, images, output), bundle)
