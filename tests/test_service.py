"""The routes of /fewlabel/..., asked in this process: every answer, every refusal, and who may ask."""

import importlib.util
import inspect
import json
import os
import sys
import threading
import types
import zipfile

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from monailabel.config import settings as monailabel_settings
from monailabel.endpoints.user import auth

from fewlabel.data.volumes import write_volume
from fewlabel.errors import Refusal
from fewlabel.export.configs import NAME as BUNDLE
from fewlabel.methods import METHODS
from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan
from fewlabel.published import read_card, save_published
from fewlabel.selection.served import LEASE, PUT_OFF
from fewlabel.service import exporting, overview, routes
from fewlabel.service.colours import colour
from fewlabel.study import DEFAULT_STRATEGY, Study
from fewlabel.workspace import read_json, write_json

CLASSES = ("organ", "tumour")
PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 1, CLASSES)
CARD = {
    "version": 3,
    "method": "mean_teacher",
    "network": "unet_small",
    "validation": {"organ": 0.8, "tumour": None},
    "validated": True,
    "labelled": 4,
    "unlabelled": 9,
}
SHAPE = (12, 10, 8)
AFFINE = np.diag([-1.0, 1.5, 2.0, 1.0])


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    """MONAI Label keeps sessions in the home folder, and watches folders, unless told otherwise."""
    (tmp_path / "sessions").mkdir()
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_SESSION_PATH", str(tmp_path / "sessions"))
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_DATASTORE_AUTO_RELOAD", False)
    monkeypatch.setenv("FEWLABEL_SERVER", str(os.getpid()))


class Service:
    """One study and a client of its routes; the clock of the leases stands still until it is moved."""

    def __init__(self, folder, conf=None, names="abcde"):
        for number, name in enumerate(names):
            image = np.random.default_rng(number).normal(size=SHAPE).astype(np.float32)
            write_volume(folder / f"{name}.{'nrrd' if name == 'b' else 'nii.gz'}", image, AFFINE)
        self.sent = folder.parent / "sent.nii.gz"
        self.study = Study(str(folder), conf or {})
        self.study.datastore()
        self.store, self.workspace = self.study.store, self.study.workspace
        self.now = 1e9
        self.study.served.clock = lambda: self.now
        app = FastAPI()
        app.include_router(routes.make_router(self.study))
        self.client = TestClient(app)

    def submit(self, name, value=1, names=CLASSES):
        array = np.zeros(SHAPE, np.uint8)
        array[2:6, 2:6, 2:6] = value
        write_volume(self.sent, array, AFFINE)
        info = [{"name": each, "idx": index} for index, each in enumerate(names, 1)]
        self.store.save_label(name, str(self.sent), "final", {"label_info": info})

    def label(self, name):
        """File name and bytes of the stored label."""
        path = self.store.get_label_uri(name, "final")
        with open(path, "rb") as file:
            return os.path.basename(path), file.read()

    def publish(self, **card):
        save_published(self.workspace.model, NETWORKS["unet_small"](3), PLAN, {**CARD, **card})

    def ask(self, method, path, status=200, **arguments):
        answer = self.client.request(method, f"/fewlabel/{path}", **arguments)
        assert answer.status_code == status, answer.text
        return answer.json()

    def get(self, path):
        return self.ask("GET", path)

    def refused(self, method, path, status, **arguments):
        """The sentence of a refusal."""
        detail = self.ask(method, path, status, **arguments)["detail"]
        assert isinstance(detail, str)
        assert detail.endswith(".")
        return detail

    def cases(self):
        return {case["id"]: case for case in self.get("cases")["cases"]}

    def counts(self):
        return self.get("study")["counts"]

    def export(self, **body):
        """Export and wait for the end."""
        self.ask("POST", "export", 202, json=body)
        for thread in threading.enumerate():
            if thread.name == "export":
                thread.join(120)
        return self.get("export")


@pytest.fixture
def service(tmp_path):
    return Service(tmp_path / "studies")


# --- the study


def test_a_new_study_is_described_before_there_is_anything(service):
    answer = service.get("study")
    assert {key: answer[key] for key in ("version", "name", "classes", "model", "problem", "training")} == {
        "version": 1,
        "name": "studies",
        "classes": [],
        "model": None,
        "problem": None,
        "training": None,
    }
    assert answer["counts"] == {"cases": 5, "submitted": 0, "validation": 0, "in_work": 0, "unlabelled": 5}
    assert [each["name"] for each in answer["methods"]] == list(METHODS)
    assert all(each["description"] for key in ("methods", "strategies", "exports") for each in answer[key])
    assert answer["default_method"] in METHODS
    assert answer["strategies"][0]["name"] == DEFAULT_STRATEGY
    assert [each["name"] for each in answer["exports"]] == ["bundle"]
    assert answer["device"] in answer["devices"]


def test_the_published_model_is_described_and_read_again_only_when_it_changed(service, monkeypatch):
    read, times = overview.read_card, []
    monkeypatch.setattr(overview, "read_card", lambda path: (times.append(path), read(path))[1])
    service.publish()
    for _ in range(3):
        model = service.get("study")["model"]
    assert model.pop("time") > 0
    assert model == {key: CARD[key] for key in model}
    assert len(times) == 1
    service.publish(version=4)
    assert service.get("study")["model"]["version"] == 4


def test_a_damaged_model_is_told_and_the_rest_is_answered(service):
    service.workspace.model.write_bytes(b"no model")
    answer = service.get("study")
    assert answer["model"] is None
    assert "cannot be loaded" in answer["problem"]
    service.publish(labelled=None)
    assert "train again" in service.get("study")["problem"]


def test_a_training_is_told_as_in_info(service):
    write_json(service.workspace.progress, {"phase": "done", "epoch": 3, "losses": {"dice": 0.4}})
    assert service.get("study")["training"] == {"phase": "done", "epoch": 3, "losses": {"dice": 0.4}}


def test_colours_are_distinct_and_stay_when_classes_are_added(tmp_path):
    few = Service(tmp_path / "few", {"labels": "liver,spleen"}).get("study")["classes"]
    more = Service(tmp_path / "more", {"labels": "liver,spleen,tumour"}).get("study")["classes"]
    assert few == more[:2]
    assert [(each["name"], each["value"]) for each in more] == [("liver", 1), ("spleen", 2), ("tumour", 3)]
    many = [colour(place) for place in range(150)]
    assert len(set(many)) == 150
    assert all(0 <= part <= 255 for each in many for part in each)


# --- the cases


def test_every_state_is_shown_and_the_counts_agree(service):
    for name in "ab":
        service.submit(name)
    write_json(service.workspace.pools, {"validation": ["b", "e"], "trained": ["a"]})
    service.study.served.give(["c", "a"])
    cases = service.cases()
    states = {"a": "submitted", "b": "validation", "c": "in_work", "d": "unlabelled", "e": "unlabelled"}
    assert {name: case["state"] for name, case in cases.items()} == states
    assert service.counts() == {"cases": 5, "submitted": 1, "validation": 1, "in_work": 1, "unlabelled": 2}
    assert cases["b"]["file"] == "b.nrrd"
    assert cases["a"]["submitted"] == service.store.get_label_info("a", "final")["ts"]
    assert (cases["c"]["served"], cases["d"]["served"], cases["d"]["submitted"]) == (1e9, None, None)
    service.now += LEASE + 1
    assert service.cases()["c"]["state"] == "unlabelled"


def test_without_a_model_no_case_has_a_score(service):
    answer = service.get("cases")
    assert answer["model_version"] is None
    for case in answer["cases"]:
        assert {case[key] for key in ("score", "uncertain_class", "rank", "slices", "correction")} == {None}
        assert case["flags"] == []


def test_scores_are_shown_with_their_rank_among_the_cases_without_a_label(service):
    scored = {name: {"score": score, "classes": {"organ": 0.1, "tumour": score}} for name, score in
              zip("abcd", (0.9, 0.3, 0.7, 0.3), strict=True)}  # fmt: skip
    scored["c"]["slices"] = {"axial": [3, 5], "coronal": [], "sagittal": [1]}
    write_json(service.workspace.scores, {"version": 7, "done": 4, "of": 5, "cases": scored})
    service.submit("a")
    answer, cases = service.get("cases"), service.cases()
    assert answer["model_version"] == 7
    assert {name: case["rank"] for name, case in cases.items()} == {"a": None, "b": 2, "c": 1, "d": 2, "e": None}
    assert (cases["a"]["score"], cases["e"]["score"]) == (0.9, None)
    assert cases["c"]["uncertain_class"] == "tumour"
    assert cases["c"]["slices"] == {"axial": [3, 5], "coronal": [], "sagittal": [1]}


def test_damaged_files_of_the_workspace_leave_the_list_of_cases_as_it_is(service):
    for path in (service.workspace.pools, service.workspace.scores):
        for content in ("[1]", "no json"):
            path.write_text(content)
            assert len(service.get("cases")["cases"]) == 5


OPENED = []
sys.addaudithook(lambda event, arguments: OPENED.append(arguments[0]) if event == "open" else None)


def test_ten_thousand_cases_are_told_without_opening_their_files(service):
    objects = service.store._datastore.objects
    service.submit("a")
    write_json(service.workspace.scores, {"version": 1, "cases": {"a": {"score": 0.5}}})
    entry = objects["b"]
    service.store._datastore.objects = {**service.store._datastore.objects, **{f"x{n}": entry for n in range(10_000)}}
    service.get("cases")
    OPENED.clear()
    assert len(service.get("cases")["cases"]) == 10_005
    assert service.counts()["cases"] == 10_005
    opened = {os.path.basename(str(path)) for path in OPENED if str(path).startswith(str(service.study.studies))}
    assert "pools.json" in opened, "opening is seen"
    assert opened <= {"pools.json", "scores.json", "progress.json", "classes.json"}
    assert len(OPENED) < 20


# --- skipping


def test_a_skipped_case_comes_back_after_a_day_or_when_asked(service):
    service.study.served.give(["a"])
    answer = service.ask("POST", "skip/a", json={"reason": " too dark "})
    assert answer == {"id": "a", "skipped_until": 1e9 + PUT_OFF}
    case = service.cases()["a"]
    assert (case["state"], case["skipped"], case["skip_reason"]) == ("unlabelled", True, "too dark")
    assert service.ask("DELETE", "skip/a") == {"id": "a"}
    case = service.cases()["a"]
    assert (case["skipped"], case["skip_reason"]) == (False, None)
    service.ask("POST", "skip/b")
    assert service.cases()["b"]["skip_reason"] is None
    service.now += PUT_OFF + 1
    assert service.cases()["b"]["skipped"] is False
    assert service.ask("DELETE", "skip/b") == {"id": "b"}


def test_the_strategies_know_of_a_skip_and_of_its_end_over_a_restart(service):
    service.ask("POST", "skip/a", json={"reason": "dark"})
    assert service.study.strategies()["first"]({}, service.store)["id"] == "b"
    again = Study(str(service.study.studies), {})
    again.served.clock = lambda: service.now
    assert again.served.reason("a") == "dark"
    service.ask("DELETE", "skip/a")
    assert service.study.strategies()["first"]({}, service.store)["id"] == "a"
    assert read_json(service.workspace.served)["reasons"] == {}


def test_what_cannot_be_skipped_is_refused(service):
    service.submit("a")
    assert "'a' has a label" in service.refused("POST", "skip/a", 409, json={"reason": "x"})
    for method in ("POST", "DELETE"):
        assert "No image 'zzz'" in service.refused(method, "skip/zzz", 404)
    assert "reason" in service.refused("POST", "skip/b", 422, json={"reason": "x" * 501})
    assert "reason" in service.refused("POST", "skip/b", 422, json={"reason": 5})
    assert "JSON" in service.refused("POST", "skip/b", 422, content="{", headers={"Content-Type": "application/json"})
    assert service.cases()["b"]["skipped"] is False


# --- taking back


def test_undo_restores_the_earlier_label_exactly_and_only_once(service):
    service.submit("a", 1)
    earlier, info = service.label("a"), service.store.get_label_info("a", "final")
    sidecar = read_json(service.workspace.labels / "a.json")
    service.submit("a", 2)
    assert service.label("a") != earlier
    counts = service.counts()
    assert service.ask("POST", "undo/a") == {"id": "a", "state": "submitted"}
    assert service.label("a") == earlier
    assert service.store.get_label_info("a", "final") == info
    assert read_json(service.workspace.labels / "a.json") == sidecar
    assert service.counts() == counts
    assert "only the last one" in service.refused("POST", "undo/a", 409)
    assert service.label("a") == earlier


def test_undo_of_a_first_submission_makes_the_case_unlabelled(service):
    service.submit("a")
    service.submit("b")
    assert service.ask("POST", "undo/a") == {"id": "a", "state": "unlabelled"}
    assert service.counts() == {"cases": 5, "submitted": 1, "validation": 0, "in_work": 0, "unlabelled": 4}
    assert service.store.get_label_uri("a", "final") == ""
    assert not list(service.study.studies.rglob("labels/final/a*"))
    assert not (service.workspace.labels / "a.json").exists()
    assert "no submitted label" in service.refused("POST", "undo/a", 409)
    assert service.study.workspace.classes() == list(CLASSES)


def test_classes_that_were_learned_from_a_label_are_forgotten_with_it(service):
    service.submit("a", names=("wrong", "names"))
    service.ask("POST", "undo/a")
    assert service.get("study")["classes"] == []
    service.submit("a")
    assert [each["name"] for each in service.get("study")["classes"]] == list(CLASSES)


def test_a_label_that_came_by_hand_in_another_format_is_restored(service):
    service.submit("b")
    array = np.zeros(SHAPE, np.uint8)
    write_volume(service.study.studies / "labels" / "final" / "a.nrrd", array, AFFINE)
    service.store.refresh()
    earlier = service.label("a")
    service.submit("a")
    assert service.label("a")[0] == "a.nii.gz"
    service.ask("POST", "undo/a")
    assert service.label("a") == earlier
    assert not list(service.study.studies.rglob("labels/final/a.nii.gz"))
    service.store.refresh()
    assert service.label("a") == earlier


def test_a_validation_case_stays_one(service):
    service.submit("a", 1)
    service.submit("a", 2)
    write_json(service.workspace.pools, {"validation": ["a"], "trained": []})
    assert service.ask("POST", "undo/a")["state"] == "validation"
    service.store.remove_label("a", "final")
    service.submit("a")
    assert service.ask("POST", "undo/a")["state"] == "unlabelled"
    service.submit("a")
    assert service.cases()["a"]["state"] == "validation"
    assert read_json(service.workspace.pools) == {"validation": ["a"], "trained": []}


def test_undo_survives_a_restart(service):
    service.submit("a", 1)
    earlier = service.label("a")
    service.submit("a", 2)
    again = Study(str(service.study.studies), {})
    again.datastore().undo_label("a")
    assert service.label("a") == earlier


def test_what_cannot_be_taken_back_is_refused_and_stays(service):
    assert "No image 'zzz'" in service.refused("POST", "undo/zzz", 404)
    assert "no submitted label" in service.refused("POST", "undo/a", 409)
    service.submit("a", 1)
    service.submit("a", 2)
    place = service.study.studies / "labels" / "final" / "a.nii.gz"
    write_volume(place, np.ones(SHAPE, np.uint8), AFFINE)
    by_hand = place.read_bytes()
    assert "changed by hand" in service.refused("POST", "undo/a", 409)
    assert place.read_bytes() == by_hand
    service.store.remove_label("a", "final")
    assert not list(service.workspace.undo.iterdir())


def test_a_submission_that_is_refused_leaves_the_undo_of_the_one_before(service):
    service.submit("a", 1)
    earlier = service.label("a")
    service.submit("a", 2)
    with pytest.raises(Refusal):
        service.submit("a", 1, names=("other", "names"))
    service.ask("POST", "undo/a")
    assert service.label("a") == earlier


def test_a_disk_that_is_full_for_the_undo_does_not_stop_a_submission(service, monkeypatch):
    service.submit("a", 1)
    replace = os.replace

    def refuse(source, target):
        if f"{os.sep}undo{os.sep}" in str(target):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("fewlabel.workspace.os.replace", refuse)
    service.submit("a", 2)
    later = service.label("a")
    service.refused("POST", "undo/a", 409)
    assert service.label("a") == later


def test_a_server_that_is_killed_between_a_label_and_its_undo_takes_nothing_wrong_back(service, monkeypatch):
    service.submit("a", 1)
    service.submit("a", 2)

    def die(*arguments):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("fewlabel.data.undo.write_json", die)
        with pytest.raises(SystemExit):
            service.submit("a", 0)
    later = service.label("a")
    service.refused("POST", "undo/a", 409)
    assert service.label("a") == later


# --- the history


def test_without_the_review_there_is_no_history(service, monkeypatch):
    monkeypatch.setattr(overview, "History", None)
    other = TestClient(FastAPI())
    other.app.include_router(routes.make_router(service.study))
    assert other.get("/fewlabel/history").json() == {"entries": [], "stopping": None}


def test_what_the_review_said_is_told_with_the_case(service, monkeypatch):
    said = [
        {"case": "a", "time": "2026-01-01T10:00:00Z", "first": True, "mean": 0.81, "flags": []},
        {"case": "a", "time": "2999-01-01T10:00:00Z", "first": False, "mean": 0.9, "flags": [{"reason": "Swapped."}]},
        {"case": "b", "time": "2999-01-01T10:00:00Z", "first": True, "mean": 0.5, "flags": [{"kind": "shifted"}]},
    ]
    monkeypatch.setattr(overview, "History", lambda path: types.SimpleNamespace(entries=lambda: said))
    monkeypatch.setattr(overview, "Outlook", lambda path: lambda: {"advice": "Go on."})
    service.client.app.router.routes.clear()
    service.client.app.include_router(routes.make_router(service.study))
    service.submit("a")
    assert service.get("history") == {"entries": said, "stopping": {"advice": "Go on."}}
    cases = service.cases()
    assert (cases["a"]["correction"], cases["a"]["flags"]) == (0.81, ["Swapped."])
    assert (cases["b"]["correction"], cases["b"]["flags"]) == (None, []), "it has no label any more"


# --- export


def test_nothing_is_exported_before_a_training(service):
    assert "not trained yet" in service.refused("POST", "export", 409)
    answer = service.get("export")
    assert (answer["state"], answer["file"], answer["error"], answer["verified"]) == ("none", None, None, None)
    assert "start one first" in service.refused("GET", "export/file", 404)


def test_an_export_is_a_zip_whose_bundle_gives_the_same_label_map(service, tmp_path):
    service.publish()
    service.submit("b")
    answer = service.export()
    assert answer["state"] == "done", answer
    assert answer["verified"] == {"case": "b", "voxels_differing": 0, "of": int(np.prod(SHAPE))}
    assert (answer["progress"], answer["model_version"], answer["error"]) == (1.0, 3, None)
    answer_file = service.client.get("/fewlabel/export/file")
    assert answer_file.headers["content-type"] == "application/zip"
    assert answer["file"] in answer_file.headers["content-disposition"]
    assert len(answer_file.content) == answer["bytes"]
    (tmp_path / "got.zip").write_bytes(answer_file.content)
    with zipfile.ZipFile(tmp_path / "got.zip") as archive:
        assert archive.testzip() is None
        assert {name.split("/")[0] for name in archive.namelist()} == {BUNDLE}
        assert f"{BUNDLE}/models/model.pt" in archive.namelist()
    assert sorted(os.listdir(service.workspace.exports)) == sorted(["export.json", answer["file"]])


def test_a_newer_export_replaces_the_older_one_and_is_known_after_a_restart(service):
    service.publish()
    (service.workspace.exports / ".exporting-killed" / "x").mkdir(parents=True)
    first = service.export(check=False)
    assert first["verified"] is None
    assert "without a check" in first["step"]
    service.publish(version=4)
    second = service.export(check=False)
    assert sorted(os.listdir(service.workspace.exports)) == sorted(["export.json", second["file"]])
    again = exporting.Exporter(service.workspace, lambda: None)
    assert again.status().model_dump() == second
    assert again.file().name == second["file"] != first["file"]
    again.file().unlink()
    assert exporting.Exporter(service.workspace, lambda: None).status().state == "none"
    with pytest.raises(Refusal, match="start one first"):
        again.file()


@pytest.mark.parametrize("file", ["../model.pt", "", None, 5])
def test_a_record_of_an_export_leads_to_no_other_file(service, file):
    service.publish()
    write_json(service.workspace.exports / "export.json", {"state": "done", "file": file})
    assert exporting.Exporter(service.workspace, lambda: None).status().state == "none"


def test_one_export_runs_at_a_time_and_the_server_answers_meanwhile(service, monkeypatch):
    service.publish()
    begun, go_on = threading.Event(), threading.Event()

    def wait(snapshot, bundle, image):
        begun.set()
        assert go_on.wait(60)
        return 2, 960

    monkeypatch.setattr(exporting, "differing_voxels", wait)
    service.ask("POST", "export", 202)
    assert begun.wait(60)
    answer = service.get("export")
    assert (answer["state"], answer["model_version"]) == ("running", 3)
    assert 0 < answer["progress"] < 1
    assert "run by itself" in answer["step"]
    assert "running already" in service.refused("POST", "export", 409)
    assert "still running" in service.refused("GET", "export/file", 409)
    go_on.set()
    next(thread for thread in threading.enumerate() if thread.name == "export").join(60)
    answer = service.get("export")
    assert answer["state"] == "done"
    assert answer["verified"]["voxels_differing"] == 2
    assert "differs from the server in 2 of 960 voxels" in answer["step"]


def test_a_model_that_is_published_during_an_export_is_not_mixed_into_it(service, monkeypatch):
    service.publish()
    write, seen = exporting.export_bundle, []

    def publish_then_write(*arguments):
        service.publish(version=4)
        return write(*arguments)

    def look(snapshot, bundle, image):
        seen.append(read_card(snapshot.model)["version"])
        seen.append(read_json(bundle / "configs" / "metadata.json")["version"])
        return 0, 960

    monkeypatch.setattr(exporting, "export_bundle", publish_then_write)
    monkeypatch.setattr(exporting, "differing_voxels", look)
    answer = service.export()
    assert (answer["state"], answer["model_version"], answer["file"]) == ("done", 3, f"{BUNDLE}-v3.zip")
    assert seen == [3, "0.3.0"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Refusal("The exported bundle does not run.", 500), "does not run"),
        (OSError(28, "No space left on device"), "No space left"),
        (KeyError("surprise"), "surprise"),
    ],
)
def test_an_export_that_fails_says_why_and_another_may_follow(service, monkeypatch, error, words):
    def fail(*arguments):
        raise error

    service.publish()
    with monkeypatch.context() as patch:
        patch.setattr(exporting, "differing_voxels", fail)
        answer = service.export()
    assert (answer["state"], answer["file"]) == ("failed", None)
    assert words in answer["error"]
    service.refused("GET", "export/file", 404)
    assert not list(service.workspace.exports.iterdir())
    assert service.export(check=False)["state"] == "done"


def test_a_damaged_model_is_not_exported(service):
    service.workspace.model.write_bytes(b"no model")
    answer = service.export()
    assert answer["state"] == "failed"
    assert "cannot be loaded" in answer["error"]


def test_a_study_without_images_is_exported_unchecked(tmp_path):
    service = Service(tmp_path / "empty", names="")
    service.publish()
    answer = service.export()
    assert (answer["state"], answer["verified"]) == ("done", None)
    assert "no image" in answer["step"]


def test_an_unknown_format_is_refused_in_words(service):
    service.publish()
    assert "format" in service.refused("POST", "export", 422, json={"format": "onnx"})
    assert service.get("export")["state"] == "none"


# --- who may ask, and where the routes are


@pytest.fixture
def guarded(service, monkeypatch):
    """A client of the routes behind MONAI Label's authentication; a token is the list of its roles."""
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_AUTH_ENABLE", True)
    specification = importlib.util.spec_from_file_location("auth_enabled", auth.__file__)
    enabled = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(enabled)  # it decides when it is loaded
    enabled.from_token = lambda token: enabled.User(username="somebody", roles=json.loads(token))
    roles = [monailabel_settings.MONAI_LABEL_AUTH_ROLE_USER, monailabel_settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR]
    roles.append(monailabel_settings.MONAI_LABEL_AUTH_ROLE_ADMIN)
    monkeypatch.setattr(routes, "RBAC", enabled.RBAC)
    for name, role in zip(("_USER", "_ANNOTATOR", "_ADMIN"), roles, strict=True):
        monkeypatch.setattr(routes, name, routes._role(role))
    app = FastAPI()
    app.include_router(routes.make_router(service.study))
    return TestClient(app), dict(zip(("user", "annotator", "admin"), roles, strict=True))


REQUESTS = {
    ("GET", "study"): "user",
    ("GET", "cases"): "user",
    ("GET", "history"): "user",
    ("GET", "export"): "user",
    ("GET", "export/file"): "user",
    ("POST", "skip/a"): "annotator",
    ("DELETE", "skip/a"): "annotator",
    ("POST", "undo/a"): "annotator",
    ("POST", "export"): "admin",
}


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_with_authentication_only_the_right_role_may_ask(guarded, method, path):
    client, roles = guarded
    assert client.request(method, f"/fewlabel/{path}").status_code == 401
    for name, role in roles.items():
        token = {"Authorization": f"Bearer {json.dumps([role])}"}
        answered = client.request(method, f"/fewlabel/{path}", headers=token).status_code
        assert (answered == 403) == (name != REQUESTS[method, path])
        assert answered != 401


def test_every_route_is_in_the_openapi_page_with_its_answer_and_its_refusals(service):
    page = service.client.app.openapi()
    there = {(method.upper(), path) for path, each in page["paths"].items() for method in each}
    assert there == {(method, f"/fewlabel/{path.replace('/a', '/{case}')}") for method, path in REQUESTS}
    for each in (each for path in page["paths"].values() for each in path.values()):
        assert each["tags"] == ["FewLabel"]
        assert each["summary"]
        assert each["responses"]["422"]["content"]["application/json"]["schema"]["$ref"].endswith("Problem")
    assert "409" in page["paths"]["/fewlabel/undo/{case}"]["post"]["responses"]
    schema = page["paths"]["/fewlabel/cases"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["$ref"].endswith("CasesAnswer")


@pytest.fixture
def server(monkeypatch):
    """Stands in for the module monailabel.app of a running server."""
    app = FastAPI()
    app.get("/info/")(lambda: {})
    monkeypatch.setitem(sys.modules, "monailabel.app", types.SimpleNamespace(app=app))
    return app


def test_a_study_that_is_mounted_again_takes_the_place_of_the_former(server, service, tmp_path):
    other = Service(tmp_path / "other", names="a")
    client = TestClient(server)
    routes.mount(service.study)
    number = len(server.router.routes)
    assert client.get("/fewlabel/study").json()["name"] == "studies"
    assert "/fewlabel/study" in client.get("/openapi.json").json()["paths"]
    routes.mount(other.study)
    assert len(server.router.routes) == number
    assert client.get("/fewlabel/study").json()["name"] == "other"
    assert client.get("/info/").json() == {}
    assert "/fewlabel/study" in client.get("/openapi.json").json()["paths"]


def test_nothing_is_mounted_without_a_server_or_in_a_background_process(server, service, monkeypatch):
    number = len(server.router.routes)
    started = types.SimpleNamespace(__spec__=types.SimpleNamespace(name="monailabel.interfaces.utils.app"))
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "__main__", started)
        routes.mount(service.study)
    monkeypatch.delitem(sys.modules, "monailabel.app")
    routes.mount(service.study)
    assert len(server.router.routes) == number


def test_no_handler_runs_in_the_event_loop(service):
    page = routes.make_router(service.study)
    assert len(page.routes) == len(REQUESTS)
    assert not any(inspect.iscoroutinefunction(route.endpoint) for route in page.routes)
