"""The study that the demo plays on: what is copied, what is refused in words."""

import numpy as np
import pytest

from experiments.demo import study as study_module
from experiments.harness.errors import ExperimentError
from fewlabel.volumes.reading import write_volume


def test_given_images_are_copied_and_the_given_folders_stay_as_they_are(files):
    before = {path: path.read_bytes() for path in files.rglob("*.nii.gz")}
    study = study_module.given_study(files / "out", files / "images", files / "truth", [], None, 0)
    assert sorted(path.name for path in study.images.iterdir()) == ["a.nii.gz", "b.nii.gz"]
    assert study.truth["a"] == files / "truth" / "a.nii.gz"
    assert study.classes == {"class 1": 1, "class 3": 3}
    assert {path: path.read_bytes() for path in before} == before


def test_class_names_come_from_the_command_line():
    assert study_module.name_classes({1, 2}, ["head", "tail"]) == {"head": 1, "tail": 2}
    with pytest.raises(ExperimentError, match="value 3; name every class"):
        study_module.name_classes({1, 3}, ["head", "tail"])


def test_a_limit_draws_the_same_images_for_the_same_seed(files):
    drawn = [
        set(study_module.given_study(files / f"out{n}", files / "images", files / "truth", [], 1, 5).truth)
        for n in range(2)
    ]
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 1


def test_a_missing_truth_file_is_named(files):
    (files / "truth" / "b.nii.gz").unlink()
    with pytest.raises(ExperimentError, match="no reference label for b; each image needs its own"):
        study_module.pair_files(files / "images", files / "truth")


def test_a_folder_without_images_is_named(files, tmp_path):
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "notes.txt").write_text("nothing here")
    with pytest.raises(ExperimentError, match="holds no images"):
        study_module.pair_files(tmp_path / "none", files / "truth")


def test_two_files_of_one_case_are_named(files):
    (files / "images" / "a.nii").write_bytes(b"")
    with pytest.raises(ExperimentError, match=r"a\.nii and a\.nii\.gz"):
        study_module.pair_files(files / "images", files / "truth")


def test_a_truth_on_another_grid_is_named(files):
    write_volume(files / "truth" / "b.nii.gz", np.ones((12, 14, 9), np.uint8), np.eye(4))
    with pytest.raises(ExperimentError, match="is on another grid than"):
        study_module.check_pairs(study_module.pair_files(files / "images", files / "truth"))


def test_a_damaged_image_and_empty_truths_are_named(files):
    pairs = study_module.pair_files(files / "images", files / "truth")
    for name in ("a", "b"):
        write_volume(files / "truth" / f"{name}.nii.gz", np.zeros((12, 14, 10), np.uint8), np.diag([1.5, 2, 3, 1]))
    with pytest.raises(ExperimentError, match="All reference labels are empty"):
        study_module.check_pairs(pairs)
    (files / "images" / "a.nii.gz").write_bytes(b"no image")
    with pytest.raises(ExperimentError, match=r"a\.nii\.gz"):
        study_module.check_pairs(pairs)


def test_only_what_a_demo_left_is_cleared(tmp_path):
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("precious")
    with pytest.raises(ExperimentError, match="not from a demo"):
        study_module.clear_output(foreign)
    assert (foreign / "thesis.txt").exists()

    own = tmp_path / "own"
    study_module.clear_output(own)
    (own / "images").mkdir()
    (own / "notes.txt").write_text("mine")
    study_module.clear_output(own)
    assert not (own / "images").exists()
    assert (own / "notes.txt").exists()
