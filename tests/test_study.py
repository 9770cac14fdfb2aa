from __future__ import annotations

import shutil
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from fewlabel.datastore.proposals import checksum
from fewlabel.errors import Refusal
from fewlabel.study import DEFAULT_STRATEGY, NAME, Study
from fewlabel.training.people import is_asked
from fewlabel.volumes.reading import read_label, write_volume
from fewlabel.workspace import Workspace

pytestmark = pytest.mark.usefixtures("sessions")


# --- classes and workspaces


def test_classes_of_the_settings_are_kept_for_the_next_start(studies):
    Study(str(studies), {"labels": "liver,tumour"})
    assert Study(str(studies), {}).workspace.classes() == ["liver", "tumour"]


def test_new_classes_go_to_the_end(studies):
    Study(str(studies), {"labels": "liver"})
    assert Study(str(studies), {"labels": "liver,tumour"}).workspace.classes() == ["liver", "tumour"]


ANY_CHANGE = ["tumour,liver", "tumour", "liver", "spleen,liver,tumour", "liver,spleen,tumour"]
LABEL = np.ones((8, 8, 8), np.uint8)


@pytest.mark.parametrize("asked", ANY_CHANGE)
def test_without_labels_a_study_chooses_its_classes_anew(studies, asked):
    Study(str(studies), {"labels": "liver,tumour"})
    assert Study(str(studies), {"labels": asked}).workspace.classes() == asked.split(",")


@pytest.mark.parametrize("asked", ["tumour,liver", "spleen,liver,tumour", "liver,spleen,tumour"])
def test_labels_with_names_let_the_order_change_and_classes_come_in_between(studies, asked, lay_label):
    Study(str(studies), {"labels": "liver,tumour"})
    lay_label("liver", "tumour")
    study = Study(str(studies), {"labels": asked})
    assert study.workspace.classes() == asked.split(",")
    stored = read_label(study.datastore().get_label_uri("a", "final")).array
    assert np.unique(stored).tolist() == [asked.split(",").index("liver") + 1]


@pytest.mark.parametrize("asked", ["tumour", "liver", "Liver,tumour", "liver,tumor"])
def test_no_class_that_labels_have_is_lost(studies, asked, lay_label):
    Study(str(studies), {"labels": "liver,tumour"})
    lay_label("liver", "tumour")
    with pytest.raises(ValueError, match=r"would be lost.*--rename-class") as caught:
        Study(str(studies), {"labels": asked})
    assert "liver,tumour" in str(caught.value)
    assert Workspace(studies / ".fewlabel").classes() == ["liver", "tumour"]


@pytest.mark.parametrize("asked", ["tumour,liver", "spleen,liver,tumour", "liver,spleen,tumour"])
@pytest.mark.parametrize("found", [False, True], ids=["not yet found", "found before"])
def test_labels_without_names_hold_the_order(studies, asked, found, lay_label):
    lay_label()
    study = Study(str(studies), {"labels": "liver,tumour"})
    if found:
        study.datastore()
    with pytest.raises(ValueError, match=r"labels of a do not name their values.*Keep these first and in this order"):
        Study(str(studies), {"labels": asked})
    assert Workspace(studies / ".fewlabel").classes() == ["liver", "tumour"]


def test_a_study_of_an_earlier_version_may_change_the_order(tmp_path):
    shutil.unpack_archive(Path(__file__).parent / "fixtures" / "study_v1" / "study.zip", tmp_path / "studies")
    study = Study(str(tmp_path / "studies"), {"labels": "lesion,vessel,liver"})
    store = study.datastore()
    assert store.left_out() == {}
    for case in store.get_labeled_images():
        before = read_label(tmp_path / "studies" / "labels" / "final" / f"{case}.nii.gz").array
        after = read_label(store.get_label_uri(case, "final")).array
        assert np.array_equal(after, np.array([0, 3, 1])[before]), case


def test_the_state_lies_beside_the_images_by_default(studies, tmp_path):
    assert Study(str(studies), {}).workspace.folder == studies.resolve() / ".fewlabel"
    elsewhere = Study(str(studies), {"workspace": str(tmp_path / "state")})
    assert elsewhere.workspace.folder == tmp_path / "state"


def test_two_studies_cannot_share_a_workspace(studies, tmp_path):
    shutil.copytree(studies, tmp_path / "others")
    conf = {"workspace": str(tmp_path / "state")}
    Study(str(studies), conf)
    Study(str(studies), conf)
    with pytest.raises(ValueError, match=f"it holds the state of the study {studies}"):
        Study(str(tmp_path / "others"), conf)


def test_the_folder_of_the_images_is_no_workspace(studies):
    with pytest.raises(ValueError, match="this is the folder of the images"):
        Study(str(studies), {"workspace": f"{studies}/../studies/"})


def test_a_study_that_was_moved_keeps_its_workspace(studies, tmp_path):
    conf = {"workspace": str(tmp_path / "state")}
    Study(str(studies), {**conf, "labels": "liver"})
    moved = studies.rename(tmp_path / "moved")
    assert Study(str(moved), conf).workspace.classes() == ["liver"]
    assert Study(str(moved), conf).workspace.classes() == ["liver"]


def test_a_copied_study_has_its_own_state(studies, tmp_path):
    Study(str(studies), {"labels": "liver"})
    shutil.copytree(studies, tmp_path / "copy")
    assert Study(str(tmp_path / "copy"), {"labels": "liver,tumour"}).workspace.classes() == ["liver", "tumour"]
    assert Workspace(studies / ".fewlabel").classes() == ["liver"]


def test_an_image_archive_of_a_hospital_is_refused_in_words():
    with pytest.raises(ValueError, match="convert the series to NIfTI"):
        Study("http://server/dicom-web", {})


def test_a_background_process_does_not_write_the_list_of_images(studies, monkeypatch):
    opened = []
    monkeypatch.setattr("fewlabel.study.StudyDatastore", lambda *args, **options: opened.append(options))
    Study(str(studies), {}).datastore()
    started = types.SimpleNamespace(__spec__=types.SimpleNamespace(name="monailabel.interfaces.utils.app"))
    monkeypatch.setitem(sys.modules, "__main__", started)
    Study(str(studies), {}).datastore()
    assert [options["read_only"] for options in opened] == [False, True]


# --- requests


def test_tasks_have_the_names_that_viewers_use(study):
    assert list(study.infers()) == [NAME, "fewlabel_uncertainty"]
    assert list(study.trainers()) == [NAME]
    assert list(study.strategies()) == [
        DEFAULT_STRATEGY,
        "uncertainty",
        "uncertain_part",
        "expected_correction",
        "coverage",
        "cold_start",
        "foreground_random",
        "random",
        "first",
    ]


def test_a_study_whose_datastore_was_not_asked_for_says_so(studies):
    with pytest.raises(RuntimeError, match="call datastore"):
        _ = Study(str(studies), {}).store


# --- submitted labels


def send(study, tmp_path, tag="final", image="a"):
    """Store a label as MONAI Label does, and return the response."""
    sent = tmp_path / "sent.nii.gz"
    write_volume(sent, np.ones((8, 8, 8), np.uint8), np.eye(4))
    study.store.save_label(image, str(sent), tag, {"label_info": [{"name": "liver", "idx": 1}]})
    return study.saved(image)


def test_a_submitted_label_is_entered_with_the_strategy_that_chose_its_case(study, tmp_path):
    sample = {"id": "a", "reason": "It was drawn at random."}
    assert study.handed_out(sample, "random") is sample
    assert study.handed_out({}, "random") == {}
    assert send(study, tmp_path).keys() == {"notes", "kind", "correction", "flags"}
    send(study, tmp_path, image="b")
    entries = study.reviewer.history.entries()
    assert [(entry["case"], entry["strategy"]) for entry in entries] == [("a", "random"), ("b", None)]


def test_while_a_submission_is_compared_with_the_model_a_training_waits(study, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        study.reviewer, "submitted", lambda *arguments: asked.append(is_asked(study.workspace.people)) or {}
    )
    send(study, tmp_path)
    assert asked == [True]
    assert not is_asked(study.workspace.people)


def test_a_label_of_another_tag_is_no_submission(study, tmp_path):
    assert send(study, tmp_path, tag="original").keys() == {"notes"}
    send(study, tmp_path)
    assert send(study, tmp_path, tag="original").keys() == {"notes"}
    assert len(study.reviewer.history.entries()) == 1


def test_a_label_that_was_there_before_the_start_makes_the_next_a_resubmission(studies, tmp_path, lay_label):
    lay_label()
    study = Study(str(studies), {"labels": "liver"})
    study.datastore()
    send(study, tmp_path)
    send(study, tmp_path, image="b")
    entries = Study(str(studies), {}).reviewer.history.entries()
    assert [(entry["case"], entry["first"]) for entry in entries] == [("a", False), ("b", True)]


def test_the_answer_to_a_submission_compares_it_with_the_model(trained, tmp_path):
    answer = send(trained, tmp_path)
    assert 0 <= answer["correction"]["mean"] <= 1
    assert trained.reviewer.history.entries()[0]["model_version"] == 1


def test_a_proposal_after_a_change_of_the_order_is_remembered_by_name(studies):
    study = Study(str(studies), {"labels": "liver,vessel,tumour"})
    store = study.datastore()
    handed_out = np.zeros((8, 8, 8), np.uint8)
    handed_out[:2], handed_out[4:] = 1, 3
    params = {"checksum": checksum(handed_out), "label_names": {"tumour": 3, "liver": 1}, "model_version": 1}
    study.proposed("a", {"params": params})
    assert store.proposals.kind("a", handed_out, ["liver", "vessel", "tumour"]) == "accepted"
    assert store.proposals.kind("a", np.array([0, 2, 3, 1])[handed_out], ["tumour", "liver", "vessel"]) == "accepted"
    assert store.proposals.kind("a", handed_out, ["tumour", "vessel", "liver"]) == "corrected"


# --- domains


def test_a_study_with_a_bad_file_of_domains_does_not_start(studies):
    (studies / "domains.csv").write_text("id,site\na,north\n")
    with pytest.raises(Refusal, match=r"The first line of .*domains.csv has the column 'domain' not.*It needs"):
        Study(str(studies), {})
    (studies / "domains.csv").write_text("id,domain\na,north\n")
    assert Study(str(studies), {}).datastore().domains().of == {"a": "north"}


def test_the_pattern_of_the_settings_reaches_the_datastore(studies):
    assert Study(str(studies), {"domain_pattern": "^."}).datastore().domains().of["a"] == "a"
    with pytest.raises(ValueError, match=r"--conf domain_pattern '\(': must be a regular expression \(.*\)"):
        Study(str(studies), {"domain_pattern": "("})
