from __future__ import annotations

import json
import math
import os
import stat

import pytest

from fewlabel import workspace as module
from fewlabel.errors import Refusal
from fewlabel.workspace import Workspace, read_json, replace_file, write_json


def leftovers(folder):
    return [path.name for path in folder.iterdir() if path.name.startswith(".writing-")]


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "new folder" / "a.json"
    write_json(path, {"a": 1})
    write_json(path, {"b": [1, 2]})
    assert read_json(path) == {"b": [1, 2]}
    assert not leftovers(path.parent)


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), Refusal("no", 422)])
def test_a_writer_that_fails_half_way_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write(temporary):
        temporary.write_text("ha")
        raise error

    with pytest.raises(type(error)):
        replace_file(path, write)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_full_disk_is_refused_in_words_wherever_it_shows(tmp_path, monkeypatch, where):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    if where != "write":
        monkeypatch.setattr(module.os, where, full)
    with pytest.raises(Refusal, match="No space left on device") as caught:
        replace_file(path, full if where == "write" else lambda temporary: temporary.write_text("new"))
    assert caught.value.status_code == 507
    assert str(path) in str(caught.value)
    assert "free some disk space" in str(caught.value)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.nii.gz", ".nii.gz"), ("a.b.nii.gz", ".nii.gz"), ("model.pt", ".pt"), ("x", "")]
)
def test_the_temporary_file_lies_beside_the_real_one_and_has_its_suffix(tmp_path, name, suffix):
    seen = []
    replace_file(tmp_path / name, lambda temporary: seen.append(temporary) or temporary.write_text("x"))
    assert seen[0].parent == tmp_path
    assert "".join(seen[0].suffixes) == suffix
    assert seen[0].name.startswith(".writing-")


def test_a_file_has_the_permissions_that_people_expect_and_not_those_of_a_temporary_file(tmp_path):
    write_json(tmp_path / "a.json", 1)
    (tmp_path / "plain").write_text("")
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_numbers_that_are_not_finite_become_null(tmp_path):
    value = {"a": math.nan, "b": [math.inf, (1.5, -math.inf)], 3: {"c": math.nan}, "d": True, "e": None}
    write_json(tmp_path / "a.json", value)
    read = json.loads((tmp_path / "a.json").read_text(), parse_constant=pytest.fail)
    assert read == {"a": None, "b": [None, [1.5, None]], "3": {"c": None}, "d": True, "e": None}


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"\xff\xfe\x00"])
def test_absent_or_damaged_json_gives_the_default(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    assert read_json(tmp_path / "a.json", {"x": 1}) == {"x": 1}
    assert read_json(tmp_path / "absent.json", 5) == 5


@pytest.mark.parametrize("kind", ["a file", "below a file"])
def test_a_workspace_that_cannot_be_written_is_refused_with_the_remedy(tmp_path, kind):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" if kind == "a file" else tmp_path / "file" / "below"
    with pytest.raises(Refusal, match="--conf workspace FOLDER") as caught:
        Workspace(folder)
    assert caught.value.status_code == 507
    assert str(folder) in str(caught.value)


def test_a_workspace_without_permission_is_refused_with_the_remedy(tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(module.tempfile, "TemporaryFile", refuse)
    with pytest.raises(Refusal, match=r"Permission denied.*--conf workspace FOLDER"):
        Workspace(tmp_path)


def test_everything_lies_in_the_workspace_and_two_studies_share_nothing(tmp_path):
    first, second = Workspace(tmp_path / "a"), Workspace(tmp_path / "b")
    paths = {name: path for name, path in vars(first).items() if name != "folder"}
    assert len(set(paths.values())) == len(paths)
    assert all(path.parent == first.folder for path in paths.values())
    assert not set(paths.values()) & set(vars(second).values())
    first.set_classes(["liver"])
    assert second.classes() == []


def test_classes_are_kept_in_their_order(tmp_path):
    Workspace(tmp_path).set_classes(["tumour", "a", "Ärmel"])
    assert Workspace(tmp_path).classes() == ["tumour", "a", "Ärmel"]


@pytest.mark.parametrize("content", ["", "null", '{"a": 1}', "[1, 2]"])
def test_damaged_class_names_are_not_taken_for_unknown_ones(tmp_path, content):
    workspace = Workspace(tmp_path)
    workspace.set_classes(["liver"])
    (tmp_path / "classes.json").write_text(content)
    with pytest.raises(Refusal, match="damaged"):
        workspace.classes()
