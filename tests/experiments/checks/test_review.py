"""Planted mistakes in labels, and what is counted of them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import experiment
from experiments.checks import review as review_module
from experiments.checks.review import CORRECT, judge, moved, planted
from fewlabel.review.check import Opinion
from fewlabel.volumes.reading import Volume, write_volume
from fewlabel.workspace import write_json

CLASSES = ("one", "two")
FLIPPED = np.array([[0, 0, 2.0, 0], [-1, 0, 0, 0], [0, 3.0, 0, 0], [0, 0, 0, 1]])  # its second axis is head-feet


def data_folder():
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("FEWLABEL_DATA") or beside) / "hippocampus"


def label():
    array = np.zeros((24, 26, 22), np.uint8)
    array[4:14, 5:17, 4:12] = 1
    array[13:20, 6:12, 6:16] = 2
    return array


def test_each_mistake_is_planted_once_and_is_not_the_label():
    found = {what: (kind, wrong) for what, kind, wrong in planted(label(), np.eye(4), CLASSES)}
    assert len(found) == 1 + 1 + 3 + 3 + 2
    for what, (kind, wrong) in found.items():
        assert (wrong == label()).all() == (what == CORRECT) == (kind == "")
        assert wrong.shape == label().shape


def test_axes_are_those_of_the_body():
    found = {what: wrong for what, _, wrong in planted(label(), FLIPPED, CLASSES)}
    np.testing.assert_array_equal(found["mirrored head-feet"], np.flip(label(), 1))
    np.testing.assert_array_equal(found["mirrored left-right"], np.flip(label(), 2))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("turned", [False, True])
def test_a_moved_label_is_whole_and_a_quarter_of_its_extent_away(axis, turned):
    array = np.flip(label(), axis) if turned else label()
    after = moved(array, axis)
    np.testing.assert_array_equal(np.bincount(after.ravel()), np.bincount(array.ravel()))
    extent = np.ptp(np.nonzero(array)[axis]) + 1
    assert abs(np.nonzero(after)[axis].min() - np.nonzero(array)[axis].min()) == np.ceil(extent / 4)


def test_a_model_that_agrees_flags_every_mistake_and_no_correct_label():
    opinion = Opinion(label(), CLASSES, (0.95, 0.95))
    found = judge(Volume(label(), np.eye(4), ()), opinion)
    assert found.pop(CORRECT) == [(False, False)]
    assert {each for column in found.values() for each in column} == {(True, True)}


def test_no_test_case_is_read_and_the_table_has_a_line_for_each_mistake(tmp_path, monkeypatch):
    for part in ("images", "labels"):
        (tmp_path / part).mkdir()
    names = [f"case{number}" for number in range(5)]
    for seed, name in enumerate(names):
        image = np.random.default_rng(seed).normal(100, 10, label().shape) + 60 * label()
        write_volume(tmp_path / "images" / f"{name}.nii.gz", image.astype(np.float32), np.eye(4))
        write_volume(tmp_path / "labels" / f"{name}.nii.gz", label(), np.eye(4))
    write_json(tmp_path / "splits.json", {"test": names[:2], "development": names[2:]})
    opened = []
    read = review_module.read_label
    monkeypatch.setattr(review_module, "read_label", lambda path: opened.append(path.name) or read(path))
    text = review_module.review_table(tmp_path, None, 1, 2, "supervised", [0], 9)
    assert len(opened) == 2
    assert not {"case0.nii.gz", "case1.nii.gz"} & set(opened)
    assert "| correct | 0 of 2 (0.0%) |  |" in text
    assert text.count("\n|") == 12


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "no such folder"], "no such folder is not a folder"),
        (["--data", ".", "--seeds", "-1"], "must be above 0"),
        (["--data", ".", "--steps", "0"], "must be above 0"),
    ],
)
def test_what_cannot_work_is_refused_in_words(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        experiment.parse(["review", *arguments])
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.data
def test_a_trained_model_sees_mistakes_in_real_labels_and_flags_at_most_two_percent_of_correct_ones():
    folder = data_folder()
    if not (folder / "splits.json").exists():
        pytest.skip("needs real volumes: set FEWLABEL_DATA to a folder with hippocampus/splits.json")
    text = review_module.review_table(folder, None, 8, 400, "mean_teacher", [0], 60)
    shares = {}
    for line in text.splitlines()[4:]:
        what, flagged, right = (cell.strip() for cell in line.strip("|").split("|"))
        shares[what] = [int(cell.split()[0]) / int(cell.split()[2]) for cell in (flagged, right) if cell]
    assert shares.pop(CORRECT)[0] <= 0.02
    assert len(shares) == 9
    assert min(right for _, right in shares.values()) >= 0.95
