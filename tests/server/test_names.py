"""Class names and case ids that look like code, markup or separators, through one session of a real server."""

import io
import json
import zipfile

import pytest
import requests

from fewlabel.export.bundle_run import run_bundle

NAMES = ["$__import__('os').mkdir('hit')", "<b>bold", "@network", "%x.json", "a=b:c&d", '"it\'s"', "肝臓", "$x_{$"]
CASES = ["$case", "<i>case=1", "@a %b", "it's [one]"]


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory, volumes):
    studies = tmp_path_factory.mktemp("names") / "studies"
    for number, case in enumerate(CASES):
        volumes.write(studies / f"{case}.nii.gz", volumes.image(number))
        volumes.write(tmp_path_factory.getbasetemp() / f"truth_{number}.nii.gz", volumes.label(number))
    return serve(studies, {"labels": ",".join(NAMES)})


# The tests of this module are the steps of one session: each needs those before it.


def test_every_answer_gives_names_and_ids_back_as_they_are(server, tmp_path_factory):
    assert [each["name"] for each in server.get("/fewlabel/study")["classes"]] == NAMES
    assert {case["id"] for case in server.get("/fewlabel/cases")["cases"]} == set(CASES)
    for number, case in enumerate(CASES[:2]):
        server.put_label(case, tmp_path_factory.getbasetemp() / f"truth_{number}.nii.gz", NAMES)
    server.train(max_steps=2)
    assert server.wait_for_training()["status"] == "DONE"
    info = server.info()
    assert info["models"]["fewlabel"]["labels"] == {name: value for value, name in enumerate(NAMES, 1)}
    assert info["trainers"]["fewlabel"]["labels"] == NAMES
    assert server.infer(CASES[2])["label_names"] == {name: value for value, name in enumerate(NAMES, 1)}
    assert server.request("POST", "/activelearning/first", json={})["id"] in CASES[2:]
    assert set(server.get("/fewlabel/study")["model"]["validation"]) <= set(NAMES)
    server.put_label(CASES[2], tmp_path_factory.getbasetemp() / "truth_2.nii.gz", NAMES)
    assert server.get("/fewlabel/history")["entries"][-1]["case"] == CASES[2]
    assert requests.get(f"{server.url}/fewlabel/history.png", timeout=60).status_code == 200


@pytest.mark.parametrize("name", ["half \ud83d", "line\nbreak", "\x1b[31m"], ids=ascii)
def test_names_that_no_answer_can_hold_are_refused_in_words(server, tmp_path_factory, name):
    label = tmp_path_factory.getbasetemp() / "truth_3.nii.gz"
    sentence = server.put_label(CASES[3], label, [name], expect=422)["detail"]
    assert "unknown in this study" in sentence
    assert sentence.isprintable() or "\n" not in sentence


def test_half_a_character_elsewhere_in_a_description_takes_no_list_away(server, tmp_path_factory):
    label = tmp_path_factory.getbasetemp() / "truth_3.nii.gz"
    server.put_label(CASES[3], label, NAMES, client_id="half \ud83d")
    assert "half ?" in json.dumps(server.get("/datastore/?output=all"))
    assert server.get("/fewlabel/cases")["cases"]


@pytest.mark.slow
def test_the_exported_bundle_runs_and_no_name_is_run_with_it(server, tmp_path):
    server.request("POST", "/fewlabel/export", expect=202)
    server.wait_until(lambda: server.get("/fewlabel/export")["state"] != "running")
    export = server.get("/fewlabel/export")
    assert (export["state"], export["verified"]["voxels_differing"]) == ("done", 0), export
    content = requests.get(f"{server.url}/fewlabel/export/file", timeout=60).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    (bundle,) = tmp_path.glob("fewlabel_*")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.nii.gz").write_bytes((server.studies / f"{CASES[0]}.nii.gz").read_bytes())
    run_bundle(bundle, tmp_path / "images", tmp_path / "labels")
    assert not list(tmp_path.rglob("hit"))
    assert not (server.home / "hit").exists()
