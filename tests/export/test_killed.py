"""The command, killed in the middle: each format's folder is whole or not there, and the next run goes through."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import export

FORMATS = ("nnunet", "torchscript", "msd")
KILLED_AT = ("nnunet: ", "torchscript: it is written", "torchscript: ", "msd: ", "is read back")
"""Words of its progress."""
COMMAND = f"""
import sys
sys.path[:0] = {[path for path in sys.path if path]!r}
from itertools import count
import export
from experiments.exporting import Progress
Progress.__init__.__defaults__ = (lambda seconds=count(0, 2): next(seconds),)  # every line is printed
export.ensure_environment = lambda: None
sys.exit(export.main(sys.argv[1:]))
"""


@pytest.fixture
def command(tmp_path):
    """Its words, for an export of three formats to OUT."""
    options = ["--studies", str(tmp_path / "study"), "--output", str(tmp_path / "out"), "--formats", *FORMATS]
    return [sys.executable, "-c", COMMAND, *options]


def contents(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize("words", KILLED_AT)
def test_a_kill_in_the_middle_leaves_whole_exports_alone_and_the_next_run_goes_through(
    labelled_study, command, tmp_path, monkeypatch, words
):
    labelled_study()
    before = contents(tmp_path / "study")
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        seen = [line for line in iter(process.stderr.readline, "") if words in line and process.kill() is None]
    assert seen, "it was never there"
    assert process.returncode != 0
    assert contents(tmp_path / "study") == before
    there = [name for name in os.listdir(tmp_path / "out") if not name.startswith(".")]
    assert set(there) < set(FORMATS)
    for name in there:
        said = json.loads((tmp_path / "out" / name / "verification.json").read_text(encoding="utf-8"))
        assert {path.name for path in (tmp_path / "out" / name).iterdir()} == set(said["parts"])
    monkeypatch.setattr(export, "ensure_environment", lambda: None)
    assert export.main([*command[3:], "--overwrite", "--no-check"]) == 0
    assert sorted(os.listdir(tmp_path / "out")) == sorted(FORMATS)
