"""Labels of a study written by an earlier version, which lie on the sform of scans that are shown on their qform."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from fewlabel.commands import move_labels
from fewlabel.datastore.lock import unlock_studies
from fewlabel.datastore.store import StudyDatastore
from fewlabel.errors import Refusal
from fewlabel.volumes.reading import read_label, read_volume, same_grid
from fewlabel.volumes.segments import named_segments
from fewlabel.workspace import Workspace

FIXTURE = Path(__file__).parents[1] / "fixtures" / "two_forms" / "study.zip"
OFF = {"a": 1.9, "b": 1.9, "c": 8.7}
"""Case -> by how many mm its label lies beside its scan, at least."""


@pytest.fixture
def studies(tmp_path):
    shutil.unpack_archive(FIXTURE, tmp_path / "studies")
    yield tmp_path / "studies"
    unlock_studies()


@pytest.fixture
def reopen(studies):
    def open_it():
        return StudyDatastore(str(studies), Workspace(studies / ".fewlabel"), auto_reload=False, read_only=False)

    return open_it


def drawn(case):
    """What was drawn, as the fixture's script says."""
    label = np.zeros((18, 16, 12), np.uint8)
    first = 4 + "abcdef".index(case) % 3
    label[first : first + 7, 5:12, 3:9] = 1
    return label


def dice(first, second):
    return 2 * np.logical_and(first, second).sum() / (first.sum() + second.sum())


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_labels_on_an_old_grid_are_found_with_their_distance_and_not_moved(reopen, studies):
    before = everything(studies / "labels")
    store = reopen()
    found = {case: store.misplaced(case) for case in store.get_labeled_images()}
    assert {case for case, beside in found.items() if beside} == set(OFF)
    for case, least in OFF.items():
        assert found[case].distance == pytest.approx(least, rel=0.5)
        assert f"up to {found[case].distance:.1f} mm beside its scan" in store.left_out()[case]
        with pytest.raises(Refusal, match="--move-labels"):
            store.label_for_training(case)
    assert [found[case].resampled for case in "abc"] == [True, False, True]
    assert everything(studies / "labels") == before


def test_labels_that_lie_right_are_used(reopen):
    store = reopen()
    assert store.left_out().keys() == set(OFF)
    for case in "de":
        assert np.array_equal(read_label(store.label_for_training(case)).array, drawn(case))


def test_each_is_put_right_as_it_came_and_the_old_file_is_kept(reopen, studies):
    store = reopen()
    for case in OFF:
        old = (studies / "labels" / "final" / f"{case}.nii.gz").read_bytes()
        assert store.move_label(case).read_bytes() == old
        label = read_label(store.label_for_training(case))
        assert same_grid(label, read_volume(store.get_image_uri(case)))
        assert dice(label.array, drawn(case)) > 0.9
    assert np.array_equal(read_label(store.label_for_training("b")).array, drawn("b"))
    again = reopen()
    assert again.left_out() == {}
    assert again.get_label_info("a", "final")["label_info"] == [{"name": "organ", "idx": 1}]
    assert [each.name for each in named_segments(again.label_for_training("a"))] == ["organ"]
    assert "put right" in again.notes("a")[-1]
    with pytest.raises(Refusal, match="no label that lies on an old grid"):
        again.move_label("a")


def test_the_list_changes_nothing_and_the_command_says_what_it_does(studies, capsys):
    before = everything(studies)
    assert move_labels(studies, studies / ".fewlabel", list_only=True) == 0
    listed = capsys.readouterr().out
    assert [line.split(":")[0] for line in listed.splitlines()[:3]] == ["a", "b", "c"]
    assert "Nothing was changed" in listed
    locks = {Path(".fewlabel") / name for name in ("server.lock", "server.json")}
    assert {path: content for path, content in everything(studies).items() if path not in locks} == before
    assert move_labels(studies, studies / ".fewlabel", list_only=False) == 0
    moved = capsys.readouterr().out
    assert moved.count("Done. The old file is kept") == 3
    assert move_labels(studies, studies / ".fewlabel", list_only=False) == 0
    assert "No label lies on an old grid" in capsys.readouterr().out


def test_one_that_cannot_be_put_right_is_reported_and_the_others_are_put_right(studies, capsys):
    broken = studies / "labels" / "final" / "a.nii.gz"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-20])
    assert move_labels(studies, studies / ".fewlabel", list_only=False) == 1
    said = capsys.readouterr()
    assert "the label is unchanged" in said.err
    assert said.out.count("Done.") == 2
    assert broken.read_bytes() == whole[:-20]


def test_where_there_is_no_study_nothing_is_made(tmp_path, capsys):
    assert move_labels(tmp_path, tmp_path / ".fewlabel", list_only=False) == 1
    assert "no FewLabel study" in capsys.readouterr().err
    assert not (tmp_path / ".fewlabel").exists()
