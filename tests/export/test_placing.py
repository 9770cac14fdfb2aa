"""An export is moved to its folder in one step: by one at a time, whole, and with what people laid there."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fewlabel
from fewlabel.errors import Refusal
from fewlabel.export.placing import PARTS, placed

CARD = "card.json"


def export(target, version, parts=("a", "b"), overwrite=True):
    with placed(target, overwrite, CARD) as draft:
        (draft / CARD).write_text(json.dumps({"fewlabel": {"version": version}}), encoding="utf-8")
        (draft / PARTS).write_text(json.dumps({"parts": [CARD, PARTS, *parts]}), encoding="utf-8")
        for part in parts:
            (draft / part).mkdir()
            (draft / part / "version.txt").write_text(str(version), encoding="utf-8")


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.is_file() and path.read_text() for path in folder.rglob("*")}


@pytest.fixture
def target(tmp_path):
    export(tmp_path / "out" / "export", 1)
    return tmp_path / "out" / "export"


def test_an_earlier_export_is_refused_unless_it_may_be_replaced(target):
    before = contents(target.parent)
    with pytest.raises(Refusal, match="holds an earlier export: choose another folder, or replace it") as refusal:
        export(target, 2, overwrite=False)
    assert refusal.value.status_code == 409
    assert contents(target.parent) == before


def test_what_it_wrote_earlier_goes_and_what_people_laid_there_stays(target):
    (target / "results").mkdir()
    (target / "results" / "mine.txt").write_text("mine", encoding="utf-8")
    export(target, 2, parts=("b", "c"))
    assert contents(target) == {
        **{CARD: contents(target)[CARD], PARTS: contents(target)[PARTS]},
        **{"b": False, "b/version.txt": "2", "c": False, "c/version.txt": "2"},
        **{"results": False, "results/mine.txt": "mine"},
    }
    assert os.listdir(target.parent) == ["export"]


@pytest.mark.parametrize("number", [1, 2])
def test_a_folder_that_cannot_be_moved_leaves_the_earlier_export_as_it_was(target, monkeypatch, number):
    before, replace, calls = contents(target.parent), Path.replace, []

    def fail_at_last(path, other):
        calls.append(path)
        if len(calls) == number:
            raise OSError(28, "No space left on device")
        return replace(path, other)

    monkeypatch.setattr(Path, "replace", fail_at_last)
    with pytest.raises(Refusal, match="No space left") as refusal:
        export(target, 2)
    monkeypatch.undo()
    assert refusal.value.status_code == 507
    assert contents(target.parent) == before


class Killed(BaseException):
    """Stands for a process that ends at this point: nothing after it is done."""


@pytest.mark.parametrize("step", range(1, 6))
def test_a_kill_at_any_step_leaves_the_old_or_the_new_one_for_the_next_to_find_with_what_is_of_people(
    target, monkeypatch, step
):
    (target / "mine.txt").write_text("mine", encoding="utf-8")
    left, replace, rmtree = [step], Path.replace, shutil.rmtree

    def or_die(function):
        def call(*arguments, **more):
            if left[0] <= 0:  # it is dead
                return None
            left[0] -= 1
            result = function(*arguments, **more)
            if left[0] == 0:
                raise Killed
            return result

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", or_die(replace))
        patch.setattr(shutil, "rmtree", or_die(rmtree))
        with contextlib.suppress(Killed):
            export(target, 2)
    there = [json.loads(path.read_text())["fewlabel"]["version"] for path in target.parent.rglob(CARD)]
    assert there, "neither is there"
    with pytest.raises(ZeroDivisionError), placed(target, True, CARD):
        raise ZeroDivisionError  # the next export to this folder, which fails
    version = json.loads((target / CARD).read_text())["fewlabel"]["version"]
    assert (target / "a" / "version.txt").read_text() == (target / "b" / "version.txt").read_text() == str(version)
    assert (target / "mine.txt").read_text() == "mine"
    assert os.listdir(target.parent) == ["export"]


HOLD = """
import json, sys
from pathlib import Path
from fewlabel.export.placing import placed
with placed(Path(sys.argv[1]), True, "card.json") as draft:
    (draft / "card.json").write_text(json.dumps({"fewlabel": {"version": "of another"}}))
    print("begun", flush=True)
    sys.stdin.readline()
"""


@contextlib.contextmanager
def another_export(target):
    """A process that exports to the same folder, and ends when it is given a line."""
    environment = {**os.environ, "PYTHONPATH": str(Path(fewlabel.__file__).parents[1])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD, str(target)], env=environment, **pipes) as process:
        assert process.stdout.readline() == "begun\n"
        yield process


def test_two_exports_to_one_folder_are_reported_and_the_first_is_whole(target):
    """Of two processes; one that was killed holds nothing."""
    with another_export(target) as process:
        with pytest.raises(Refusal, match=r"Another export is being written to .*: wait until it has ended") as refusal:
            export(target, 2)
        assert refusal.value.status_code == 409
        process.communicate("end\n", timeout=250)
    assert json.loads((target / CARD).read_text())["fewlabel"]["version"] == "of another"
    with another_export(target) as process:
        process.kill()
    export(target, 3)
    assert json.loads((target / CARD).read_text())["fewlabel"]["version"] == 3
    assert os.listdir(target.parent) == ["export"]
