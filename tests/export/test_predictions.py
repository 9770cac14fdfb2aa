"""The folder of predictions: which scans it holds, what its table says, and what is refused."""

import csv
import json

import nibabel
import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.export.predictions import PREDICTIONS
from fewlabel.files import stamp
from fewlabel.predictions.store import PredictionStore
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import write_json


@pytest.fixture
def study(labelled_study):
    found = labelled_study()
    found.propose()
    return found


def stored(study, case):
    image = study.store.get_image_uri(case)
    return PredictionStore(study.workspace.proposed, None).proposal(case, stamp(image))


def write(study, target, **options):
    with study.source(**options) as source:
        problem = PREDICTIONS.problem(source, target)
        if problem:
            raise Refusal(problem, 422)
        PREDICTIONS.export(source, target)
    return target


def rows(folder):
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def test_each_unlabelled_scan_with_a_proposal_is_there_with_its_table(study, tmp_path):
    known = {"first": True, "kind": "drawn", "mean": 0.5, "confidence": {"organ": 0.6}}
    entries = [{"case": str(number), **known} for number in range(8)]
    write_json(study.workspace.history, {"notes": [], "entries": entries})
    folder = write(study, tmp_path / "out")
    assert set(rows(folder)) == {"deep", "pool", "wide"} == {path.name[:-7] for path in folder.glob("*.nii.gz")}
    for case, row in rows(folder).items():
        made = stored(study, case)
        file = nibabel.load(folder / row["file"])
        assert np.array_equal(np.asarray(file.dataobj), made.labels)
        assert np.allclose(file.affine, made.head.affine, atol=1e-5)
        assert (row["model_version"], float(row["score"])) == ("3", made.head.score)
        assert (row["expected_dice"], row["low"], row["high"]) == ("0.5", "0.5", "0.5")
    said = json.loads((folder / "fewlabel.json").read_text(encoding="utf-8"))["fewlabel"]
    assert [each["case"] for each in said["cases"]] == ["deep", "pool", "wide"]
    assert "8 labels" in said["calibration"]


def test_values_are_those_of_the_study_by_name(study, tmp_path):
    study.workspace.set_classes(["vessel", "tumour", "organ"])
    folder = write(study, tmp_path / "out")
    table = np.array([0, 3, 2], np.uint8)
    written = np.asarray(nibabel.load(folder / "pool.nii.gz").dataobj)
    assert np.array_equal(written, table[stored(study, "pool").labels])


def test_only_those_that_were_asked_for(study, tmp_path):
    assert set(rows(write(study, tmp_path / "out", cases=("pool",)))) == {"pool"}


def test_without_what_was_asked_for_it_says_what_to_do(study, labelled_study, tmp_path):
    with pytest.raises(Refusal, match="'plain' has a submitted label"):
        write(study, tmp_path / "out", cases=("plain",))
    image = np.ones((12, 10, 8), np.int16)
    write_volume(study.store.get_image_uri("pool"), image, np.eye(4))
    assert set(rows(write(study, tmp_path / "rest"))) == {"deep", "wide"}, "the proposal was for another scan"
    with pytest.raises(Refusal, match="no stored proposal for 'pool': label all first"):
        write(study, tmp_path / "out", cases=("pool",))
    study.workspace.set_classes(["vessel"])
    with pytest.raises(Refusal, match="no stored proposal to export: label all first"):
        write(study, tmp_path / "out")
    assert not (tmp_path / "out").exists()
