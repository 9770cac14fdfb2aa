"""The routes of /fewlabel/... on a real server: one session from the first case to the exported model."""

import zipfile

import nibabel
import numpy as np
import pytest
import requests

from fewlabel.export.bundle_run import run_bundle

CLASSES = ["organ", "tumour"]
ROUTES = {"study", "cases", "skip/{case}", "undo/{case}", "accept/{case}", "label_all"}
ROUTES |= {"history", "history.png", "thumbnail/{case}", "export", "export/file"}


@pytest.fixture(scope="module")
def studies(tmp_path_factory, volumes):
    return volumes.study(tmp_path_factory.mktemp("service") / "studies", 5)


@pytest.fixture(scope="module")
def server(serve, studies):
    return serve(studies, {"labels": ",".join(CLASSES)})


def cases(server):
    return {case["id"]: case for case in server.get("/fewlabel/cases")["cases"]}


def counts(server):
    return server.get("/fewlabel/study")["counts"]


def test_with_authentication_nothing_is_answered_without_a_token(serve, volumes, tmp_path):
    guarded = serve(volumes.study(tmp_path / "guarded", 1), environment={"MONAI_LABEL_AUTH_ENABLE": "true"})
    for method, route in (("GET", "study"), ("GET", "cases"), ("POST", "skip/scan_0"), ("POST", "export")):
        assert "MONAI_LABEL_AUTH_ENABLE" in guarded.refused(method, f"/fewlabel/{route}", 401)
    page = guarded.get("/openapi.json")["paths"]["/fewlabel/undo/{case}"]["post"]
    assert page["security"]
    assert page["summary"].startswith("|RBAC: monailabel-annotator|")
    guarded.stop()


# The tests of this module are the steps of one session: each needs those before it.


def test_the_routes_are_in_the_openapi_page(server):
    paths = server.get("/openapi.json")["paths"]
    assert {path for path in paths if path.startswith("/fewlabel/")} == {f"/fewlabel/{route}" for route in ROUTES}
    assert "/info/" in paths


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_page_of_all_addresses_loads_nothing_from_elsewhere(server, path):
    page = requests.get(server.url + path, timeout=60).text
    assert "/fewlabel/cases" in page
    assert not [sign for sign in ("://", "<script") if sign in page]


def test_a_study_without_labels_and_model_is_described(server):
    study = server.get("/fewlabel/study")
    assert (study["name"], study["model"], study["training"]) == ("studies", None, None)
    assert [each["name"] for each in study["classes"]] == CLASSES
    assert study["counts"] == {"cases": 5, "submitted": 0, "validation": 0, "in_work": 0, "unlabelled": 5}
    assert {case["state"] for case in cases(server).values()} == {"unlabelled"}
    assert server.get("/fewlabel/history")["entries"] == []
    assert server.get("/fewlabel/export")["state"] == "none"


def test_what_is_not_possible_yet_or_not_there_is_refused_in_words(server):
    assert "not trained yet" in server.refused("POST", "/fewlabel/export", 409)
    assert "start one first" in server.refused("GET", "/fewlabel/export/file", 404)
    for path in ("skip", "undo"):
        assert "No image 'none'" in server.refused("POST", f"/fewlabel/{path}/none", 404)
    assert "no submitted label" in server.refused("POST", "/fewlabel/undo/scan_0", 409)
    assert "reason" in server.refused("POST", "/fewlabel/skip/scan_0", 422, json={"reason": 5})


def test_a_skipped_case_is_not_offered_until_the_skip_is_taken_back(server):
    server.request("POST", "/fewlabel/skip/scan_0", json={"reason": "too dark"})
    assert server.request("POST", "/activelearning/first", json={})["id"] == "scan_1"
    case = cases(server)["scan_0"]
    assert (case["skipped"], case["skip_reason"]) == (True, "too dark")
    server.request("DELETE", "/fewlabel/skip/scan_0")
    assert server.request("POST", "/activelearning/first", json={})["id"] == "scan_0"
    assert cases(server)["scan_0"]["state"] == "in_work"
    assert counts(server)["in_work"] == 2


def test_undo_brings_back_the_earlier_label_and_then_none(server, volumes):
    for number in (0, 1):
        server.put_label(f"scan_{number}", volumes.truth(server.studies, number), CLASSES)
    stored = server.studies / "labels" / "final" / "scan_0.nii.gz"
    earlier, before = stored.read_bytes(), counts(server)
    server.put_label("scan_0", volumes.truth(server.studies, 3), CLASSES)
    assert stored.read_bytes() != earlier
    assert server.request("POST", "/fewlabel/undo/scan_0") == {"id": "scan_0", "state": "submitted"}
    assert stored.read_bytes() == earlier
    assert counts(server) == before == {**before, "submitted": 2}
    assert "only the last one" in server.refused("POST", "/fewlabel/undo/scan_0", 409)
    server.put_label("scan_2", volumes.truth(server.studies, 2), CLASSES)
    assert "has a label" in server.refused("POST", "/fewlabel/skip/scan_2", 409)
    assert server.request("POST", "/fewlabel/undo/scan_2")["state"] == "unlabelled"
    assert counts(server) == before
    assert server.info()["datastore"]["completed"] == 2


def test_after_a_training_cases_have_scores_and_the_model_is_described(server):
    server.train()
    assert server.wait_for_training()["status"] == "DONE", server.tail()
    study, listed = server.get("/fewlabel/study"), cases(server)
    assert (study["model"]["version"], study["model"]["labelled"], study["model"]["validated"]) == (1, 2, False)
    assert study["training"] == server.info()["train_stats"]["fewlabel"]
    assert study["training"]["phase"] == "done"
    scored = {name: case for name, case in listed.items() if case["score"] is not None}
    assert set(scored) <= {"scan_2", "scan_3", "scan_4"}
    assert sorted(case["rank"] for case in scored.values()) == list(range(1, len(scored) + 1))
    assert all(case["uncertain_class"] in CLASSES and case["slices"]["axial"] for case in scored.values())
    assert server.get("/fewlabel/cases")["model_version"] == 1
    assert listed["scan_0"]["rank"] is None


@pytest.mark.slow  # the contract suite of exports runs one by itself too, without a server
def test_the_exported_zip_runs_by_itself_and_gives_what_the_server_gives(server, volumes, tmp_path):
    assert server.request("POST", "/fewlabel/export", expect=202) == {"state": "running"}
    assert server.info()["name"] == "FewLabel", "it answers meanwhile"
    server.wait_until(lambda: server.get("/fewlabel/export")["state"] != "running")
    export = server.get("/fewlabel/export")
    assert export["state"] == "done", export
    assert export["verified"]["voxels_differing"] == 0
    assert export["verified"]["of"] == int(np.prod(volumes.shape))
    answer = requests.get(f"{server.url}/fewlabel/export/file", timeout=60)
    assert answer.headers["content-type"] == "application/zip"
    (tmp_path / "export.zip").write_bytes(answer.content)
    with zipfile.ZipFile(tmp_path / "export.zip") as archive:
        archive.extractall(tmp_path)
    (tmp_path / "images").mkdir()
    image = tmp_path / "images" / "scan_4.nii.gz"
    image.write_bytes((server.studies / "scan_4.nii.gz").read_bytes())
    run_bundle(tmp_path / "fewlabel_segmentation", tmp_path / "images", tmp_path / "labels")
    params = {"image": "scan_4", "output": "image"}
    inferred = requests.post(f"{server.url}/infer/fewlabel", params=params, data={"params": "{}"}, timeout=60)
    (tmp_path / "served.nii.gz").write_bytes(inferred.content)
    alone = np.asarray(nibabel.load(next((tmp_path / "labels").rglob("*.nii.gz"))).dataobj)
    served = np.asarray(nibabel.load(tmp_path / "served.nii.gz").dataobj)
    assert np.count_nonzero(alone != served) == 0


def test_a_reload_neither_doubles_nor_loses_the_routes(server):
    server.request("POST", "/fewlabel/export", expect=202, json={"formats": ["torchscript"], "check": False})
    server.wait_until(lambda: server.get("/fewlabel/export")["state"] != "running")
    paths, before = server.get("/openapi.json")["paths"], counts(server)
    server.request("POST", "/reload")
    server.info()  # builds the app anew
    assert server.get("/openapi.json")["paths"].keys() == paths.keys()
    assert counts(server) == before
    assert server.get("/fewlabel/export")["state"] == "done"
    server.request("POST", "/fewlabel/undo/scan_1")
    assert server.info()["datastore"]["completed"] == 1
    assert "Duplicate Operation ID" not in server.log.read_text(errors="replace")
