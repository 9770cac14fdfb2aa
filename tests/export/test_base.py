"""What is common to all exports, with forms that are made for the test."""

import json

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.export.base import Export
from fewlabel.export.source import Source
from fewlabel.volumes.reading import write_volume


def write(model, folder):
    (folder / "fewlabel.json").write_text(json.dumps({"fewlabel": model.card}), encoding="utf-8")
    (folder / "version.txt").write_text(str(model.card["version"]), encoding="utf-8")


def run_on_another_grid(folder, images, output):
    output.mkdir()
    for image in images.iterdir():
        write_volume(output / image.name, np.zeros((2, 3, 4), "uint8"), np.eye(4))


def form(write=write, run=run_on_another_grid, **more):
    return Export("Made for a test", write, run, "fewlabel_test", **more)


@pytest.fixture
def source(publish):
    with Source(publish()) as source:
        yield source


def test_a_form_that_fails_in_mid_writing_leaves_nothing(source, tmp_path):
    def write_half(model, folder):
        write(model, folder)
        raise KeyError("surprise")

    with pytest.raises(KeyError):
        form(write_half).export(source, tmp_path / "out" / "export")
    assert not list((tmp_path / "out").iterdir())


def test_a_label_map_on_another_grid_differs_in_all_its_voxels_and_is_not_kept(source, volume, tmp_path):
    image = volume(tmp_path / "scan.nii.gz")
    with pytest.raises(Refusal, match=r"does not agree with the study, so it was not kept\. scan: 24 of 24 voxels"):
        form().export(source, tmp_path / "out" / "export", [("scan", image)])
    assert not list((tmp_path / "out").iterdir())


def test_an_export_that_writes_no_label_map_is_reported(source, volume, tmp_path):
    image = volume(tmp_path / "scan.nii.gz")
    empty = form(run=lambda folder, images, output: output.mkdir())
    with pytest.raises(Refusal, match=r"wrote no label map for scan\.nii\.gz"):
        empty.export(source, tmp_path / "export", [("scan", image)])


def test_what_may_pass_is_the_form_s_own_rule(source, volume, tmp_path):
    images = [("scan", volume(tmp_path / "scan.nii.gz"))]
    lenient = form(agrees=lambda row: "" if row.share <= 1 else "more than all")
    rows = lenient.export(source, tmp_path / "export", images)
    assert [(row.case, row.differing, row.voxels) for row in rows] == [("scan", 24, 24)]
    said = json.loads((tmp_path / "export" / "verification.json").read_text(encoding="utf-8"))
    assert [(row["case"], row["differing"]) for row in said["verified"]] == [("scan", 24)]


def test_an_export_that_was_not_compared_says_so(source, tmp_path):
    for number, images in enumerate((None, ())):  # as asked; no image to run it on
        assert form().export(source, tmp_path / f"{number}", images) is None
        said = json.loads((tmp_path / f"{number}" / "verification.json").read_text(encoding="utf-8"))
        assert said["verified"] is None


def test_a_missing_package_a_bad_name_and_a_study_that_does_not_fit_are_reported(source, tmp_path):
    lacking = form(needs=("json", "fewlabel_nothing"))
    reason = "It needs fewlabel_nothing, which is not installed here: python -m pip install -r requirements-exports.txt"
    assert lacking.problem(source, tmp_path) == lacking.lacks()
    assert lacking.lacks().startswith(reason)
    assert form(refuses=lambda source: "Not this study.").problem(source, tmp_path) == "Not this study."
    assert form(misnamed=lambda name: f"Not {name}.").problem(source, tmp_path / "out" / ".." / "it") == "Not it."
    assert form(needs=("json",)).problem(source, tmp_path) == ""


def rows_of(source, folder):
    yield "a", np.arange(6), np.arange(6)
    yield "b", np.arange(6), np.array([0, 1, 2, 3, 4, 7])
    yield "c", np.arange(6), np.arange(4)


def test_a_data_set_is_compared_with_what_another_library_reads(source, tmp_path):
    data = {"kind": "dataset", "read": rows_of}

    def write_study(source, folder):
        (folder / "fewlabel.json").write_text(json.dumps({"fewlabel": {"cases": len(source.cases)}}))

    with pytest.raises(Refusal, match=r"not kept\. b: 1 of 6 voxels differ; c: 4 of 6 voxels differ\."):
        form(write_study, **data).export(source, tmp_path / "export", ())
    rows = form(write_study, agrees=lambda row: "", **data).export(source, tmp_path / "export", ())
    assert [(row.case, row.differing, row.voxels) for row in rows] == [("a", 0, 6), ("b", 1, 6), ("c", 4, 6)]
    assert form(write_study, **data).export(source, tmp_path / "another", None) is None
