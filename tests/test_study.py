from __future__ import annotations

import os
import shutil
import sys
import tempfile
import types
from pathlib import Path

import numpy as np
import pytest
from monailabel.config import settings as monailabel_settings

from fewlabel.datastore.proposals import checksum
from fewlabel.errors import Refusal
from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan
from fewlabel.published import save_published
from fewlabel.study import DEFAULT_STRATEGY, NAME, Study
from fewlabel.volumes.reading import read_label, write_volume
from fewlabel.workspace import Workspace

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 2, ("liver",))


@pytest.fixture(autouse=True)
def sessions(tmp_path, monkeypatch):
    """MONAI Label keeps sessions in the home folder unless told otherwise."""
    folder = tmp_path / "sessions"
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_SESSION_PATH", str(folder))
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_DATASTORE_AUTO_RELOAD", False)
    monkeypatch.setenv("FEWLABEL_SERVER", str(os.getpid()))  # set by a server for its children: put back afterwards
    folder.mkdir()
    return folder


@pytest.fixture
def studies(tmp_path):
    folder = tmp_path / "studies"
    image = np.random.default_rng(0).normal(size=(8, 8, 8)).astype(np.float32)
    for name in ("a", "b"):
        write_volume(folder / f"{name}.nii.gz", image, np.eye(4))
    return folder


def submit(studies, name="a"):
    write_volume(studies / "labels" / "final" / f"{name}.nii.gz", np.ones((8, 8, 8), np.uint8), np.eye(4))


@pytest.fixture
def study(studies):
    """With two images, and open."""
    study = Study(str(studies), {})
    study.datastore()
    return study


@pytest.fixture
def trained(study):
    save_published(study.workspace.model, NETWORKS["unet_small"](2), PLAN, {"version": 1})
    return study


# --- classes and workspaces


def test_classes_of_the_settings_are_kept_for_the_next_start(studies):
    Study(str(studies), {"labels": "liver,tumour"})
    assert Study(str(studies), {}).workspace.classes() == ["liver", "tumour"]


def test_new_classes_go_to_the_end(studies):
    Study(str(studies), {"labels": "liver"})
    assert Study(str(studies), {"labels": "liver,tumour"}).workspace.classes() == ["liver", "tumour"]


ANY_CHANGE = ["tumour,liver", "tumour", "liver", "spleen,liver,tumour", "liver,spleen,tumour"]
LABEL = np.ones((8, 8, 8), np.uint8)


def submit_with_names(studies, *classes):
    write_volume(studies / "labels" / "final" / "a.nii.gz", LABEL, np.eye(4), classes)


@pytest.mark.parametrize("asked", ANY_CHANGE)
def test_without_labels_a_study_chooses_its_classes_anew(studies, asked):
    Study(str(studies), {"labels": "liver,tumour"})
    assert Study(str(studies), {"labels": asked}).workspace.classes() == asked.split(",")


@pytest.mark.parametrize("asked", ["tumour,liver", "spleen,liver,tumour", "liver,spleen,tumour"])
def test_labels_with_names_let_the_order_change_and_classes_come_in_between(studies, asked):
    Study(str(studies), {"labels": "liver,tumour"})
    submit_with_names(studies, "liver", "tumour")
    study = Study(str(studies), {"labels": asked})
    assert study.workspace.classes() == asked.split(",")
    stored = read_label(study.datastore().get_label_uri("a", "final")).array
    assert np.unique(stored).tolist() == [asked.split(",").index("liver") + 1]


@pytest.mark.parametrize("asked", ["tumour", "liver", "Liver,tumour", "liver,tumor"])
def test_no_class_that_labels_have_is_lost(studies, asked):
    Study(str(studies), {"labels": "liver,tumour"})
    submit_with_names(studies, "liver", "tumour")
    with pytest.raises(ValueError, match=r"would be lost.*--rename-class") as caught:
        Study(str(studies), {"labels": asked})
    assert "liver,tumour" in str(caught.value)
    assert Workspace(studies / ".fewlabel").classes() == ["liver", "tumour"]


@pytest.mark.parametrize("asked", ["tumour,liver", "spleen,liver,tumour", "liver,spleen,tumour"])
@pytest.mark.parametrize("found", [False, True], ids=["not yet found", "found before"])
def test_labels_without_names_hold_the_order(studies, asked, found):
    submit(studies)
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


def test_the_state_lies_beside_the_images_unless_told_otherwise(studies, tmp_path):
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
    monkeypatch.setattr("fewlabel.study.UndoDatastore", lambda *args, **options: opened.append(options))
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
        "coverage",
        "foreground_random",
        "random",
        "first",
    ]


def test_a_study_whose_datastore_was_not_asked_for_says_so(studies):
    with pytest.raises(RuntimeError, match="call datastore"):
        _ = Study(str(studies), {}).store


@pytest.mark.parametrize("model", ["other", "", 3])
def test_an_unknown_model_is_answered_with_those_there_are(study, model):
    for check in (
        lambda: study.check_task(model, study.trainers()),
        lambda: study.check_infer({"model": model, "image": "a"}, study.infers()),
    ):
        with pytest.raises(Refusal, match="There is: fewlabel") as caught:
            check()
        assert caught.value.status_code == 404


def test_training_needs_a_label(study):
    with pytest.raises(Refusal, match="submit a label for at least one case") as caught:
        study.check_task(NAME, study.trainers())
    assert caught.value.status_code == 409


def test_training_is_let_through_with_a_label_and_a_task_without_a_model_always(study, studies):
    study.check_task(None, study.trainers())
    submit(studies)
    study.datastore()
    study.check_task(NAME, study.trainers())


def test_before_training_inference_says_that_it_is_not_trained_yet(study):
    with pytest.raises(Refusal, match="not trained yet") as caught:
        study.check_infer({"model": NAME, "image": "a"}, study.infers())
    assert caught.value.status_code == 409


@pytest.mark.parametrize("image", ["zzz", None, "", "a.nii.gz", ["a"], 5])
def test_an_unknown_image_is_refused(trained, image):
    with pytest.raises(Refusal, match="There is no image") as caught:
        trained.check_infer({"model": NAME, "image": image}, trained.infers())
    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    "image",
    ["/etc/passwd", "../a.nii.gz", "studies/../../x.nii", "/", "..", "/nul\0byte.nii", "/tmp/scan.nii.gz",
     "/tmp/tmpabcd1234/scan.nii.gz", "/tmp/tmpABCD1234.nii", "/tmp/tmpshort.nii", "/tmp/xtmpabcd1234.nii"],
)  # fmt: skip
def test_a_path_of_the_server_outside_of_the_study_is_refused(trained, image):
    with pytest.raises(Refusal, match="ask for one by its id, or upload the file") as caught:
        trained.check_infer({"model": NAME, "image": image}, trained.infers())
    assert caught.value.status_code == 403


def test_a_path_out_of_the_studies_by_dots_or_by_a_link_is_refused(trained, studies, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(studies / "a.nii.gz", outside / "secret.nii.gz")
    (studies / "folder").symlink_to(outside)
    (studies / "linked.nii.gz").symlink_to(outside / "secret.nii.gz")
    (studies / "loop").symlink_to(studies / "loop")
    for path in ("folder/secret.nii.gz", "linked.nii.gz", "../outside/secret.nii.gz", "loop/x.nii.gz"):
        with pytest.raises(Refusal) as caught:
            trained.check_infer({"model": NAME, "image": str(studies / path)}, trained.infers())
        assert caught.value.status_code == 403


def test_images_sessions_and_uploads_are_let_through(trained, studies, sessions):
    upload = Path(tempfile.gettempdir())
    images = ["a", str(studies / "a.nii.gz"), str(sessions / "any" / "image.nii.gz")]
    images += [str(upload / name) for name in ("tmpabcd_123.nii.gz", "tmpabcd1234", "tmpabcd1234.5 mm-v2.nii.gz")]
    for image in images:
        trained.check_infer({"model": NAME, "image": image}, trained.infers())


def test_a_request_reaches_only_what_it_brought(trained, studies, sessions):
    with tempfile.NamedTemporaryFile(prefix="tmp", suffix=".nii.gz") as file:
        now = Path(file.name).stat().st_ctime
        brought = [("a", "", now), (file.name, "", now), (str(sessions / "mine" / "image.nii.gz"), "mine", now)]
        for image, session, since in brought:
            trained.check_infer({"model": NAME, "image": image}, trained.infers(), session, since)
        hidden = [(str(studies / "a.nii.gz"), "", now), (file.name, "", now + 60)]
        hidden += [(str(sessions / "other" / "image.nii.gz"), session, now) for session in ("mine", "")]
        for image, session, since in hidden:
            with pytest.raises(Refusal, match="not an image of this study"):
                trained.check_infer({"model": NAME, "image": image}, trained.infers(), session, since)


def test_the_name_that_monai_label_gives_an_upload_is_recognised(trained):
    with tempfile.NamedTemporaryFile(suffix=".v1.nii.gz") as file:
        name = file.name
    trained.check_infer({"model": NAME, "image": name}, trained.infers())


@pytest.mark.parametrize("request_", [{}, {"strategy": None}, {"strategy": ""}])
def test_the_default_strategy_is_filled_in(study, request_):
    asked = {**request_, "other": 1}
    assert study.check_next(asked, study.strategies()) == {"strategy": DEFAULT_STRATEGY, "other": 1}
    assert asked == {**request_, "other": 1}


def test_a_known_strategy_is_kept_and_an_unknown_one_answered_with_those_there_are(study):
    assert study.check_next({"strategy": "first"}, study.strategies()) == {"strategy": "first"}
    names = r"uncertainty\+diversity, uncertainty, coverage, foreground_random, random, first"
    with pytest.raises(Refusal, match=names) as caught:
        study.check_next({"strategy": "best"}, study.strategies())
    assert caught.value.status_code == 404


# --- submitted labels


def send(study, tmp_path, tag="final", image="a"):
    """Store a label as MONAI Label does, and return what the person is told."""
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


def test_a_label_of_another_tag_is_no_submission(study, tmp_path):
    assert send(study, tmp_path, tag="original").keys() == {"notes"}
    send(study, tmp_path)
    assert send(study, tmp_path, tag="original").keys() == {"notes"}
    assert len(study.reviewer.history.entries()) == 1


def test_a_label_that_was_there_before_the_start_makes_the_next_a_resubmission(studies, tmp_path):
    submit(studies)
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
    told = {"checksum": checksum(handed_out), "label_names": {"tumour": 3, "liver": 1}, "model_version": 1}
    study.proposed("a", {"params": told})
    assert store.proposals.kind("a", handed_out, ["liver", "vessel", "tumour"]) == "accepted"
    assert store.proposals.kind("a", np.array([0, 2, 3, 1])[handed_out], ["tumour", "liver", "vessel"]) == "accepted"
    assert store.proposals.kind("a", handed_out, ["tumour", "vessel", "liver"]) == "corrected"
