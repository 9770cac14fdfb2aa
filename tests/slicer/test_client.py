"""The panel's client against a real MONAI Label server, and what it makes of what a server tells."""

import gzip
import json
import zipfile

import nibabel
import nrrd
import numpy as np
import pytest

from FewLabelLib.label.label_file import Geometry, write_label
from FewLabelLib.label.labels import LabelClass
from FewLabelLib.net.capabilities import ExportFormat
from FewLabelLib.net.client import Client, NotReachable, Refused, Timeouts

INFO = {
    "name": "Somebody's app",
    "models": {
        "deep": {"type": "deepgrow", "labels": []},
        "organs": {"type": "segmentation", "labels": {"background": 0, "tumour": 5, "liver": 2}},
    },
    "trainers": {"organs": {"config": {"method": ["a", "b"], "device": ["cpu"]}}},
    "strategies": {"random": {"description": "At random"}},
    "datastore": {"total": 3, "completed": 1},
    "train_stats": {"organs": {"epoch": 2, "total_epochs": 4, "best_metric": 0.5}},
}
STUDY = {
    "name": "liver study",
    "classes": [{"name": "liver", "value": 1, "color": [1, 2, 3]}],
    "methods": [{"name": "bcp", "description": "Copy"}, {"name": "supervised", "description": "Labels only"}],
    "default_method": "supervised",
    "problem": "It is damaged.",
    "scans": {"usable": 0, "problem": "There is no usable scan."},
    "domains": {"proposal": "All labels are of north."},
    "exports": [
        {"name": "bundle", "description": "MONAI bundle"},  # as a server before version 0.3 says it
        {"name": "msd", "description": "Data set", "kind": "dataset", "problem": "No room."},
    ],
    "devices": ["cpu"],
    "counts": {"cases": 3, "submitted": 1, "validation": 0, "in_work": 0, "unlabelled": 2},
    "model": {"version": 4},
}


@pytest.fixture
def client(scripted, tmp_path):
    return Client(scripted.url, tmp_path, "test", Timeouts(0.5, 0.3, 0.5))


def nifti(shape=(5, 6, 7)):
    return gzip.compress(nibabel.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)).to_bytes(), mtime=0)


# --- a real server; these tests are the steps of one session


@pytest.fixture(scope="module")
def real(serve, tmp_path_factory, volumes):
    return serve(volumes.study(tmp_path_factory.mktemp("panel") / "studies", 4))


@pytest.fixture(scope="module")
def client_of_real(real, tmp_path_factory):
    return Client(real.url, tmp_path_factory.mktemp("downloads"), "test")


def test_an_untrained_server_offers_training_and_strategies_but_no_segmentation(client_of_real):
    offers = client_of_real.capabilities()
    assert offers.name == "FewLabel"
    assert (offers.trainer, offers.segmentation, offers.trained) == ("fewlabel", None, False)
    assert next(iter(offers.strategies)) == "uncertainty+diversity"
    assert "supervised" in offers.methods
    assert offers.counts["cases"] == 4
    assert offers.classes == []


def test_the_next_case_comes_with_a_reason_and_its_image_arrives_whole(client_of_real, real):
    response = client_of_real.next_case("first")
    assert response["id"] == "scan_0"
    assert response["reason"].endswith(".")
    steps = []
    file = client_of_real.download_image("scan_0", lambda now, of: steps.append((now, of)))
    assert file.read_bytes() == (real.studies / "scan_0.nii.gz").read_bytes()
    assert steps[-1] == (file.stat().st_size, file.stat().st_size)


def test_an_image_is_fetched_again_only_when_the_server_has_another_one(client_of_real, real, volumes):
    steps = []
    client_of_real.download_image("scan_0", lambda *now: steps.append(now))
    assert not steps
    volumes.write(real.studies / "scan_3.nii.gz", volumes.image(3))
    before = client_of_real.download_image("scan_3").read_bytes()
    volumes.write(real.studies / "scan_3.nii.gz", volumes.image(33))
    assert client_of_real.download_image("scan_3").read_bytes() != before


def test_a_submitted_file_is_stored_voxel_by_voxel_on_the_oblique_grid_of_its_image(
    client_of_real, real, volumes, tmp_path
):
    for number in (0, 1):
        geometry = Geometry(volumes.shape[::-1], volumes.affine)
        file = write_label(tmp_path / "label.nrrd", np.ascontiguousarray(volumes.label(number).T), geometry)
        info = [{"name": "organ", "idx": 1}, {"name": "tumour", "idx": 2}]
        answer = client_of_real.submit_label(f"scan_{number}", file, info)
        assert not [note for note in answer["notes"] if "resampled" in note]
        stored = nibabel.load(real.studies / "labels" / "final" / f"scan_{number}.nii.gz")
        np.testing.assert_array_equal(np.asarray(stored.dataobj), volumes.label(number))
        np.testing.assert_allclose(stored.affine, volumes.affine, atol=1e-5)
    assert client_of_real.capabilities().classes[1].name == "tumour"
    rows = {row["id"]: row["state"] for row in client_of_real.cases()}
    assert rows["scan_0"] in ("submitted", "validation")
    assert rows["scan_2"] not in ("submitted", "validation")


def test_an_unreadable_label_is_refused_in_the_words_of_the_server(client_of_real, tmp_path):
    (tmp_path / "label.nii.gz").write_bytes(b"abc")
    with pytest.raises(Refused, match="Nothing was stored") as caught:
        client_of_real.submit_label("scan_2", tmp_path / "label.nii.gz", [])
    assert caught.value.status == 422


def test_inference_before_training_is_refused_in_the_words_of_the_server(client_of_real):
    with pytest.raises(Refused, match="not trained yet") as caught:
        client_of_real.infer("fewlabel", "scan_2")
    assert caught.value.status == 409


def test_a_training_is_followed_to_its_end(client_of_real, real):
    assert client_of_real.training("fewlabel")["status"] == ""
    client_of_real.train("fewlabel", method="supervised", max_steps=6)
    assert client_of_real.training("fewlabel")["status"] in ("SUBMITTED", "RUNNING", "DONE")
    real.wait_for_training()
    seen = client_of_real.training("fewlabel")
    assert seen["status"] == "DONE"
    assert seen["progress"]["published"] is True
    assert client_of_real.capabilities().segmentation == "fewlabel"
    assert client_of_real.capabilities().uncertainty == "fewlabel_uncertainty"


def test_a_proposal_and_its_uncertainty_lie_on_the_image_and_name_their_values(client_of_real, volumes):
    file, response = client_of_real.infer("fewlabel", "scan_2", result_dtype="uint8")
    assert response["label_names"] == {"organ": 1, "tumour": 2}
    assert nrrd.read(str(file))[0].shape == volumes.shape
    file, _ = client_of_real.infer("fewlabel_uncertainty", "scan_2", extension=".nii.gz")
    assert nibabel.load(file).shape == volumes.shape


def test_a_submitted_label_is_downloaded_again(client_of_real, volumes):
    stored = nibabel.load(client_of_real.download_label("scan_1"))
    np.testing.assert_array_equal(np.asarray(stored.dataobj), volumes.label(1))


def test_an_image_can_be_added(client_of_real, volumes, tmp_path):
    file = volumes.write(tmp_path / "own.nii.gz", volumes.image(9))
    assert client_of_real.upload_image(file, "own.scan 1")["image"] == "own.scan 1"
    assert client_of_real.download_image("own.scan 1").read_bytes() == file.read_bytes()


def test_a_server_that_is_gone_is_said_to_be_unreachable(client_of_real, real):
    real.stop()
    with pytest.raises(NotReachable, match="cannot be reached"):
        client_of_real.cases()


# --- what is there


def test_any_monai_label_app_shows_what_it_offers(scripted, client):
    scripted.answers["GET", "/info/"] = 200, INFO
    scripted.answers["GET", "/openapi.json"] = 200, {"paths": {"/info/": {}}}
    offers = client.capabilities()
    assert offers.routes == frozenset()
    assert (offers.segmentation, offers.trainer, offers.uncertainty) == ("organs", "organs", None)
    assert [(entry.name, entry.value) for entry in offers.classes] == [("liver", 2), ("tumour", 5)]
    assert offers.methods == {"a": "", "b": ""}
    assert ("GET", "/fewlabel/study") not in [asked[:2] for asked in scripted.asked]


def test_fewlabels_routes_are_found_and_the_study_tells_colours(scripted, client):
    scripted.answers["GET", "/info/"] = 200, INFO
    paths = ["/fewlabel/study", "/fewlabel/cases", "/fewlabel/skip/{case}", "/fewlabel/export"]
    scripted.answers["GET", "/openapi.json"] = 200, {"paths": {path: {} for path in paths}}
    scripted.answers["GET", "/fewlabel/study"] = 200, STUDY
    offers = client.capabilities()
    assert [route for route in ("study", "cases", "skip", "undo", "export") if offers.has(route)] == [
        *("study", "cases", "skip", "export"),
    ]
    assert offers.classes == [LabelClass("liver", 1, (1, 2, 3))]
    assert offers.exports == [
        ExportFormat("bundle", "MONAI bundle", "model", ""),
        ExportFormat("msd", "Data set", "dataset", "No room."),
    ]
    assert list(offers.methods) == ["supervised", "bcp"]  # the default first
    assert offers.problem == "It is damaged."
    assert offers.no_scans == "There is no usable scan."
    assert offers.proposal == "All labels are of north."
    assert (offers.counts["unlabelled"], offers.counts["completed"]) == (2, 1)
    assert offers.model == {"version": 4}


def test_cases_are_listed_without_fewlabels_route(scripted, client):
    scripted.answers["GET", "/datastore/"] = (
        200,
        {"objects": {"b": {"image": {"info": {"name": "b.nii"}}, "labels": {"final": {}}}, "a": {}}},
    )
    rows = client.cases()
    assert [(row["id"], row["state"], row["file"]) for row in rows] == [
        ("a", "unlabelled", ""),
        ("b", "submitted", "b.nii"),
    ]


def test_the_routes_of_the_contract_are_asked_as_written(scripted, client, tmp_path):
    body = gzip.compress(b"")
    with zipfile.ZipFile(tmp_path / "made.zip", "w") as archive:
        archive.writestr("a", "b")
    body = (tmp_path / "made.zip").read_bytes()
    scripted.answers |= {
        ("GET", "/fewlabel/cases"): (200, {"model_version": 1, "cases": [{"id": "a b", "state": "in_work"}]}),
        ("POST", "/fewlabel/skip/a%20b"): (200, {"id": "a b", "skipped_until": 1}),
        ("DELETE", "/fewlabel/skip/a%20b"): (200, {"id": "a b"}),
        ("POST", "/fewlabel/accept/a%20b"): (200, {"id": "a b", "kind": "accepted"}),
        ("GET", "/fewlabel/thumbnail/a%20b"): (200, b"picture", "image/png"),
        ("POST", "/fewlabel/label_all"): (202, {"state": "running"}),
        ("GET", "/fewlabel/label_all"): (200, {"state": "done"}),
        ("DELETE", "/fewlabel/label_all"): (200, {"state": "idle"}),
        ("POST", "/fewlabel/undo/a%20b"): (200, {"id": "a b", "state": "unlabelled"}),
        ("GET", "/fewlabel/history"): (200, {"entries": [], "stopping": None}),
        ("POST", "/fewlabel/export"): (202, {"state": "running"}),
        ("GET", "/fewlabel/export"): (200, {"state": "done"}),
        ("GET", "/fewlabel/export/file"): (200, body, "application/zip"),
    }
    assert client.cases()[0]["state"] == "in_work"
    assert client.skip("a b", "blurred")["id"] == "a b"
    assert json.loads(scripted.asked[-1][3]) == {"reason": "blurred"}
    assert client.unskip("a b") == {"id": "a b"}
    assert client.accept("a b", 3)["kind"] == "accepted"
    picture = client.thumbnail("a b")
    assert (picture.read_bytes(), picture.suffix, picture.parent.name) == (b"picture", ".png", "pictures")
    states = [client.label_all(), client.label_all_state(), client.stop_label_all()]
    assert [each["state"] for each in states] == ["running", "done", "idle"]
    assert client.undo("a b")["state"] == "unlabelled"
    assert client.history()["entries"] == []
    assert client.start_export(["bundle", "msd"])["state"] == "running"
    assert json.loads(scripted.asked[-1][3]) == {"formats": ["bundle", "msd"], "format": "bundle", "check": True}
    assert client.export_state()["state"] == "done"
    assert client.download_export(tmp_path / "out.zip").read_bytes() == body


def test_nothing_left_is_a_refusal_also_where_the_app_answers_with_nothing(scripted, client):
    scripted.answers["POST", "/activelearning/random"] = 200, {}
    with pytest.raises(Refused, match="no unlabelled case left"):
        client.next_case("random")
