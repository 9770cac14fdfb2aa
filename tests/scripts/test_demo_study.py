"""The study that the demo plays on: what is copied, what is refused in words."""

import numpy as np
import pytest

import demo_study
from demo_result import DemoTrouble
from fewlabel.volumes.reading import write_volume


def test_given_images_are_copied_and_the_given_folders_stay_as_they_are(files):
    before = {path: path.read_bytes() for path in files.rglob("*.nii.gz")}
    study = demo_study.given_study(files / "out", files / "images", files / "truth", [], None, 0)
    assert sorted(path.name for path in study.images.iterdir()) == ["a.nii.gz", "b.nii.gz"]
    assert study.truth["a"] == files / "truth" / "a.nii.gz"
    assert study.classes == {"class 1": 1, "class 3": 3}
    assert {path: path.read_bytes() for path in before} == before


def test_class_names_come_from_the_command_line():
    assert demo_study.name_classes({1, 2}, ["head", "tail"]) == {"head": 1, "tail": 2}
    with pytest.raises(DemoTrouble, match="value 3; name every class"):
        demo_study.name_classes({1, 3}, ["head", "tail"])


def test_a_limit_draws_the_same_images_for_the_same_seed(files):
    drawn = [
        set(demo_study.given_study(files / f"out{n}", files / "images", files / "truth", [], 1, 5).truth)
        for n in range(2)
    ]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 1


def test_a_missing_truth_file_is_named(files):
    (files / "truth" / "b.nii.gz").unlink()
    with pytest.raises(DemoTrouble, match="no reference label for b; each image needs its own"):
        demo_study.pair_files(files / "images", files / "truth")


def test_a_folder_without_images_is_named(files, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "notes.txt").write_text("nothing here")
    with pytest.raises(DemoTrouble, match="holds no images"):
        demo_study.pair_files(tmp_path / "none", files / "truth")


def test_two_files_of_one_case_are_named(files):
    (files / "images" / "a.nii").write_bytes(b"")
    with pytest.raises(DemoTrouble, match=r"a\.nii and a\.nii\.gz"):
        demo_study.pair_files(files / "images", files / "truth")


def test_a_truth_on_another_grid_is_named(files):
    write_volume(files / "truth" / "b.nii.gz", np.ones((12, 14, 9), np.uint8), np.eye(4))
    with pytest.raises(DemoTrouble, match="is on another grid than"):
        demo_study.check_pairs(demo_study.pair_files(files / "images", files / "truth"))


def test_a_damaged_image_and_empty_truths_are_named(files):
    pairs = demo_study.pair_files(files / "images", files / "truth")
    for name in ("a", "b"):
        write_volume(files / "truth" / f"{name}.nii.gz", np.zeros((12, 14, 10), np.uint8), np.diag([1.5, 2, 3, 1]))
    with pytest.raises(DemoTrouble, match="All reference labels are empty"):
        demo_study.check_pairs(pairs)
    (files / "images" / "a.nii.gz").write_bytes(b"no image")
    with pytest.raises(DemoTrouble, match=r"a\.nii\.gz"):
        demo_study.check_pairs(pairs)


def test_only_what_a_demo_left_is_cleared(tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("precious")
    with pytest.raises(DemoTrouble, match="not from a demo"):
        demo_study.clear_output(foreign)
    assert (foreign / "thesis.txt").exists()

    own = tmp_path / "own"
    demo_study.clear_output(own)
    (own / "images").mkdir()
    (own / "notes.txt").write_text("mine")
    demo_study.clear_output(own)
    assert not (own / "images").exists()
    assert (own / "notes.txt").exists()
