"""Label all on a real server: it resumes after a kill, others are answered meanwhile, and proposals are accepted."""

import nibabel
import numpy as np
import pytest
import requests

COUNT = 30


@pytest.fixture(scope="module")
def trained(serve, volumes, tmp_path_factory):
    """A server with 30 scans, of which 2 are labelled, and a model; killed in the end."""
    folder = volumes.study(tmp_path_factory.mktemp("pool") / "studies", COUNT)
    server = serve(folder, {"labels": ",".join(volumes.classes)})
    for number in range(2):
        server.put_label(f"scan_{number}", volumes.truth(folder, number), volumes.classes)
    server.train()
    assert server.wait_for_training()["status"] == "DONE"
    return server


def status(server):
    return server.get("/fewlabel/label_all")


def test_after_a_kill_it_goes_on_where_it_was_and_others_are_answered_meanwhile(trained):
    server = trained
    server.request("POST", "/fewlabel/label_all", expect=202)
    while status(server)["done"] < 3:
        server.info()
        assert server.request("POST", "/activelearning/random", json={})["id"]
    server.stop()
    files = {path: path.stat().st_mtime_ns for path in (server.studies / ".fewlabel" / "proposed").glob("*.npz")}
    assert len(files) >= 3
    server.start()
    server.wait_until(lambda: status(server)["state"] == "done")
    answer = status(server)
    assert (answer["done"], answer["of"], answer["left_out"], answer["error"]) == (COUNT - 2, COUNT - 2, 0, None)
    assert {path: path.stat().st_mtime_ns for path in files} == files, "nothing is predicted twice"
    cases = {case["id"]: case["proposal"] for case in server.get("/fewlabel/cases")["cases"]}
    assert [case for case, proposal in cases.items() if proposal is None] == ["scan_0", "scan_1"]


def test_a_proposal_is_accepted_as_it_is_and_taken_back_over_http(trained, tmp_path):
    server, where = trained, {"label": "scan_5", "tag": "final"}
    version = status(server)["model_version"]
    answer = server.request("POST", "/fewlabel/accept/scan_5", json={"version": version})
    assert (answer["kind"], answer["state"]) == ("accepted", "submitted")
    stored = requests.get(f"{server.url}/datastore/label", params=where, timeout=60)
    given = requests.post(f"{server.url}/infer/fewlabel", params={"image": "scan_5", "output": "image"}, timeout=240)
    arrays = []
    for name, content in (("stored", stored.content), ("given", given.content)):
        (tmp_path / f"{name}.nii.gz").write_bytes(content)
        arrays.append(np.asarray(nibabel.load(tmp_path / f"{name}.nii.gz").dataobj))
    assert np.array_equal(*arrays)
    server.must_refuse("POST", "/fewlabel/accept/scan_5", 409, "has a label", json={"version": version})
    assert server.request("POST", "/fewlabel/undo/scan_5")["state"] != "submitted"


def test_no_page_elsewhere_starts_or_stops_it(trained):
    for method in ("POST", "DELETE"):
        trained.must_refuse(method, "/fewlabel/label_all", 403, headers={"Origin": "https://elsewhere.example"})
    trained.must_refuse(
        "POST", "/fewlabel/accept/scan_6", 403, json={"version": 1}, headers={"Origin": "https://elsewhere.example"}
    )
