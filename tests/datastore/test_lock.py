"""One server for one study, and nothing is left of it after a crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import fewlabel
from fewlabel import study as study_module
from fewlabel.datastore.lock import StudyInUse, lock_study, unlock_studies
from fewlabel.study import Study
from fewlabel.workspace import Workspace

HOLD = "import sys, pathlib; from fewlabel.datastore.lock import lock_study; "
HOLD += "lock_study(pathlib.Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"


@pytest.fixture
def other():
    """Starts other processes that hold a folder."""
    started = []

    def hold(folder: Path) -> subprocess.Popen:
        path = {**os.environ, "PYTHONPATH": str(Path(fewlabel.__file__).parents[1])}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        started.append(subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], env=path, **pipes))
        assert started[-1].stdout.readline() == b"held\n"
        return started[-1]

    yield hold
    unlock_studies()
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_server_is_refused_with_the_process_that_holds_the_study(tmp_path, other):
    holder = other(tmp_path / ".fewlabel")
    with pytest.raises(StudyInUse, match=f"process {holder.pid} .*stop it first"):
        Study(str(tmp_path), {})


def test_another_workspace_does_not_make_it_another_study(tmp_path, other):
    other(tmp_path / "studies" / ".fewlabel")
    with pytest.raises(StudyInUse):
        Study(str(tmp_path / "studies"), {"workspace": str(tmp_path / "elsewhere")})


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes in another way")
def test_a_crash_leaves_no_lock_behind(tmp_path, other):
    holder = other(tmp_path)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    lock_study(tmp_path)


def test_the_same_process_may_open_its_study_again(tmp_path):
    lock_study(tmp_path)
    lock_study(tmp_path)
    unlock_studies()


def test_a_background_process_of_the_server_is_let_in(tmp_path, other, monkeypatch):
    other(tmp_path / ".fewlabel")
    monkeypatch.setattr(study_module, "is_background_process", lambda: True)
    assert Study(str(tmp_path), {}).workspace.folder == Workspace(tmp_path / ".fewlabel").folder


def test_a_damaged_note_about_the_holder_does_not_hide_that_it_is_held(tmp_path, other):
    other(tmp_path)
    (tmp_path / "server.json").write_text("[]")
    with pytest.raises(StudyInUse, match="another process"):
        lock_study(tmp_path)
