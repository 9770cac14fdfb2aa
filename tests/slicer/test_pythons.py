"""Which Python is taken: never Slicer's, never one that does not run; else the sentence says what to install."""

import os
import sys

import pytest

from FewLabelLib.errors import NotStarted
from FewLabelLib.launch import pythons, texts
from FewLabelLib.launch.variables import clean


@pytest.fixture
def find(tmp_path, monkeypatch):
    """Callable (what each candidate says, variables of Slicer): the command that is taken."""

    def find(answers, slicer=None):
        monkeypatch.setattr(pythons, "candidates", lambda root, variables: [[name] for name in answers])
        return pythons.find(tmp_path, {}, slicer or {}, lambda command, variables: answers[command[0]])

    return find


def test_the_first_that_can_be_used_is_taken(find):
    answers = {"broken": "", "noise": "Python was not found", "old": "3.9|True|True|/old", "new": "3.13|True|True|/new"}
    answers |= {"narrow": "3.12|False|True|/n", "bare": "3.11|True|False|/b", "good": "3.10|True|True|/g\n"}
    assert find({**answers, "also": "3.12|True|True|/a"}) == ["good"]


def test_slicers_own_is_never_taken(find, tmp_path):
    home = tmp_path / "Slicer"
    (home / "bin").mkdir(parents=True)
    link = tmp_path / "python3.12"
    link.symlink_to(home / "bin" / "python")
    slicer = {"SLICER_HOME": str(home)}
    own = {"a": f"3.12|True|True|{home}/bin/python-real", "b": f"3.12|True|True|{link}"}
    with pytest.raises(NotStarted):
        find(own, slicer)
    assert find({**own, "c": "3.12|True|True|/usr/bin/python3"}, slicer) == ["c"]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({}, ["No Python 3.10, 3.11 or 3.12 was found", "https://www.python.org/downloads/", "does not fetch one"]),
        (
            {"noise": "Python was not found", "a": "3.9|True|True|/a", "b": "3.13|True|True|/b"},
            ["Only 3.9, 3.13 found.", "Install Python 3.12"],
        ),
        ({"a": "3.11|True|False|/a"}, ["Install the package python3.11-venv"]),
    ],
)
def test_where_there_is_none_the_sentence_says_what_to_install(find, answers, words):
    with pytest.raises(NotStarted) as trouble:
        find(answers)
    assert [word for word in words if word not in str(trouble.value)] == []


def test_a_python_is_asked_by_running_it(tmp_path):
    version, wide, makes, file = pythons.ask([sys.executable], clean(os.environ)).strip().split("|")
    assert (version, wide, makes) == ("{}.{}".format(*sys.version_info), "True", "True")
    assert os.path.samefile(file, sys.executable)
    assert pythons.ask([str(tmp_path / "none")], {}) == ""
    assert pythons.ask([sys.executable, "-c", "raise SystemExit(3)"], clean(os.environ)) == ""


@pytest.mark.skipif(os.name == "nt", reason="names of other systems")
def test_its_own_environment_is_the_first_candidate_then_the_path_then_well_known_places(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home ä"))
    files = [tmp_path / ".venv" / "bin" / "python", tmp_path / "programs" / "python3.11"]
    files += [tmp_path / "home ä" / ".local" / "bin" / "python3.12"]
    files += [tmp_path / "home ä" / "miniforge3" / "bin" / "python"]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
    found = [command[0] for command in pythons.candidates(tmp_path, {"PATH": str(tmp_path / "programs")})]
    ours = [name for name in found if name.startswith(str(tmp_path))]
    assert ours == [str(file) for file in files]
    assert len(found) == len(set(found))


def test_where_slicers_folder_is_not_known_library_paths_are_removed_as_a_whole():
    cleaned = clean({"LD_LIBRARY_PATH": "/a", "DYLD_LIBRARY_PATH": "/b", "qt_debug": "1", "HOME": "/ö", "EMPTY": ""})
    kept = {name: value for name, value in cleaned.items() if not name.startswith("PYTHON")}
    assert kept == {"HOME": "/ö", "EMPTY": ""}
    assert cleaned["PYTHONUTF8"] == "1"


def test_every_sentence_is_one_that_a_person_can_act_on():
    assert all(text.endswith((".", " ...")) for name, text in vars(texts).items() if name.isupper())
