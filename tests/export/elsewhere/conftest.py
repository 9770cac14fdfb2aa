"""Environments of their own for the programs that take our exports: above this one, so that nothing in it changes."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

PATIENCE = 900.0
"""Seconds for an installation."""


class Environment:
    """A virtual environment that sees the packages of this one, below its own.

    Attributes:
        python: its interpreter.
        packages: folder of its own packages.
    """

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=PATIENCE)
        self.python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        ask = [str(self.python), "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
        self.packages = Path(subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip())
        (self.packages / "below.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")

    def install(self, *requirements: str) -> None:
        """Install packages without those that they ask for; the test is skipped where they cannot be had."""
        pip = [str(self.python), "-m", "pip", "install", "-q", "--no-deps", *requirements]
        done = subprocess.run(pip, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            pytest.skip(f"{requirements[0]} cannot be installed here: {' '.join(done.stderr.splitlines()[-1:])}")


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Environment:
    """A new one, with no packages of its own yet."""
    return Environment(tmp_path_factory.mktemp("environment") / "venv")
