"""A class gets another name everywhere, and a renaming that was killed is finished when the study opens."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fewlabel import workspace as workspace_module
from fewlabel.commands import rename_class
from fewlabel.datastore.lock import unlock_studies
from fewlabel.datastore.proposals import checksum
from fewlabel.datastore.store import StudyDatastore
from fewlabel.errors import Refusal
from fewlabel.published import load_published
from fewlabel.renaming import finish_renaming, start_renaming
from fewlabel.review.history import History
from fewlabel.study import Study
from fewlabel.volumes.reading import read_label, read_volume, write_volume
from fewlabel.volumes.segments import named_segments
from fewlabel.workspace import Workspace, read_json

FIXTURE = Path(__file__).parent / "fixtures" / "study_v1" / "study.zip"
CLASSES = ["liver", "lesion"]


@pytest.fixture
def studies(tmp_path, write_segmentation):
    """The study of an earlier version, with a label by hand that names its segments, and one submitted anew."""
    folder = tmp_path / "studies"
    shutil.unpack_archive(FIXTURE, folder)
    image = read_volume(folder / "case_8.nii.gz")
    label = read_label(folder / "labels" / "final" / "case_0.nii.gz").array
    swapped = np.array([0, 2, 1])[label]
    write_segmentation(
        folder / "labels" / "final" / "case_8.seg.nrrd", swapped, image.affine, [("lesion", 1), ("liver", 2)]
    )
    sent = tmp_path / "sent.nii.gz"
    write_volume(sent, label, image.affine, CLASSES)
    store = open_store(folder)
    store.save_label("case_1", str(sent), "final", {})
    store.entries.save_what_waits()
    yield folder
    unlock_studies()


def open_store(studies):
    return StudyDatastore(str(studies), Workspace(studies / ".fewlabel"), auto_reload=False, read_only=False)


def everything(studies):
    """Each label in the study's values, by case."""
    store = open_store(studies)
    assert store.left_out() == {}
    return {case: read_label(store.get_label_uri(case, "final")).array for case in store.get_labeled_images()}


def same(first, second):
    return first.keys() == second.keys() and all(np.array_equal(first[case], second[case]) for case in first)


def texts(studies):
    """Of every file in which names stand, except for what clients said once, and for prose."""

    def without_prose(value):
        if isinstance(value, dict):
            said = ("notes", "submitted", "reasons")
            return {key: without_prose(each) for key, each in value.items() if key not in said}
        return [without_prose(each) for each in value] if isinstance(value, list) else value

    state = studies / ".fewlabel"
    files = [studies / "datastore_v2.json", *(state / f"{name}.json" for name in ("classes", "plan", "scores"))]
    files += [*state.glob("labels/**/*.json"), *state.glob("undo/*.json")]
    return json.dumps([without_prose(read_json(path)) for path in sorted(files)], ensure_ascii=False)


def names_in_headers(studies):
    files = (studies / "labels" / "final").iterdir()
    return {each.name for path in files for each in named_segments(path)}


def test_a_class_is_renamed_in_labels_lists_and_models_and_no_voxel_changes(studies, capsys):
    before = everything(studies)
    assert rename_class(studies, studies / ".fewlabel", "lesion", "Läsion <b>") == 0
    said = capsys.readouterr().out
    workspace = Workspace(studies / ".fewlabel")
    assert workspace.classes() == ["liver", "Läsion <b>"]
    assert same(everything(studies), before)
    assert names_in_headers(studies) == {"liver", "Läsion <b>"}
    assert "lesion" not in texts(studies)
    model = load_published(workspace.model)
    assert model.plan.classes == ("liver", "Läsion <b>")
    assert set(model.card["validation"]) == {"liver", "Läsion <b>"}
    assert {name for entry in History(workspace.history).entries() for name in entry["dice"]} <= set(
        workspace.classes()
    )
    for words in ("case_8.seg.nrrd", "datastore_v2.json", "model.pt", "classes of the study: liver, Läsion <b>"):
        assert words in said


def test_a_submission_can_still_be_taken_back_after_a_renaming(studies):
    rename_class(studies, studies / ".fewlabel", "lesion", "tumour")
    store = open_store(studies)
    store.undo_label("case_1")
    assert store.get_label_info("case_1", "final")["label_info"][1] == {"name": "tumour", "idx": 2}
    assert store.left_out() == {}


def test_a_proposal_that_was_handed_out_before_is_still_known(studies):
    store = open_store(studies)
    array = read_label(store.get_label_uri("case_1", "final")).array
    store.proposals.remember("case_9", 1, checksum(array), CLASSES, "infer")
    rename_class(studies, studies / ".fewlabel", "lesion", "tumour")
    assert open_store(studies).proposals.kind("case_9", array, ["liver", "tumour"]) == "accepted"


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("writes", range(0, 16, 2))
def test_a_renaming_that_was_killed_is_finished_when_the_study_opens(studies, monkeypatch, writes, wrapped):
    before, replace, done = everything(studies), workspace_module.os.replace, []
    workspace = Workspace(studies / ".fewlabel")
    start_renaming(studies, workspace, "lesion", "tumour")

    def killed(*arguments):
        if len(done) == writes and wrapped:
            raise KeyboardInterrupt
        replace(*arguments)
        done.append(arguments)
        if len(done) == writes + 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(workspace_module.os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            finish_renaming(studies, workspace)
    study = Study(str(studies), {})
    assert study.workspace.classes() == ["liver", "tumour"]
    assert not study.workspace.renaming.exists()
    assert same(everything(studies), before)
    assert "lesion" not in texts(studies)
    open_store(studies).undo_label("case_1")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("spleen", "milt", "No class and no label of this study is called 'spleen'"),
        ("lesion", "Liver", "is a class of this study already"),
        ("lesion", "a,b", "must be 1 to 100 characters"),
        ("lesion", "background", "is not a class"),
        ("lesion", " ", "must be 1 to 100 characters"),
    ],
)
def test_what_cannot_be_a_name_is_refused_and_nothing_changes(studies, capsys, old, new, words):
    state = texts(studies)
    assert rename_class(studies, studies / ".fewlabel", old, new) == 1
    assert words in capsys.readouterr().err
    assert texts(studies) == state
    assert not Workspace(studies / ".fewlabel").renaming.exists()


def test_only_the_case_of_a_name_may_change(studies):
    assert rename_class(studies, studies / ".fewlabel", "lesion", "Lesion") == 0
    assert Workspace(studies / ".fewlabel").classes() == ["liver", "Lesion"]


def test_a_name_that_only_labels_have_becomes_a_class_of_the_study(studies, write_segmentation):
    image = read_volume(studies / "case_9.nii.gz")
    array = read_label(studies / "labels" / "final" / "case_0.nii.gz").array
    path = studies / "labels" / "final" / "case_9.seg.nrrd"
    write_segmentation(path, array, image.affine, [("liver", 1), ("tumor", 2)])
    assert "it holds tumor" in open_store(studies).left_out()["case_9"]
    assert rename_class(studies, studies / ".fewlabel", "tumor", "lesion") == 0
    assert np.array_equal(everything(studies)["case_9"], array)


def test_two_classes_of_a_label_are_not_made_one(studies, write_segmentation):
    image = read_volume(studies / "case_9.nii.gz")
    array = read_label(studies / "labels" / "final" / "case_0.nii.gz").array
    path = studies / "labels" / "final" / "case_9.seg.nrrd"
    write_segmentation(path, array, image.affine, [("lesion", 1), ("tumor", 2)])
    with pytest.raises(Refusal, match="The label of 'case_9' has 'tumor' and 'lesion'"):
        start_renaming(studies, Workspace(studies / ".fewlabel"), "tumor", "lesion")


def test_a_damaged_label_or_model_stops_no_renaming_and_is_reported(studies, capsys):
    (studies / "labels" / "final" / "case_2.nii.gz").write_bytes(b"\x1f\x8bno label")
    (studies / ".fewlabel" / "model.pt").write_bytes(b"no model")
    assert rename_class(studies, studies / ".fewlabel", "lesion", "tumour") == 0
    said = capsys.readouterr().out
    assert said.count("NOT changed") == 2
    assert Workspace(studies / ".fewlabel").classes() == ["liver", "tumour"]


def test_a_study_that_is_served_is_not_renamed(studies, monkeypatch, capsys):
    from fewlabel import commands
    from fewlabel.datastore.lock import StudyInUse

    def held(*folders):
        raise StudyInUse("This study is served already, by process 1.")

    monkeypatch.setattr(commands, "lock_study", held)
    assert rename_class(studies, studies / ".fewlabel", "lesion", "tumour") == 1
    assert "served already" in capsys.readouterr().err
    assert Workspace(studies / ".fewlabel").classes() == CLASSES
