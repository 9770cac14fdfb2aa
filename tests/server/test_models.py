"""The routes /model/... of a real server: what is sent is checked, what is deleted can be put back by a command."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import torch

SERVE = Path(__file__).resolve().parents[2] / "scripts" / "serve.py"


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory, volumes):
    """Five labels, one of them kept for validation, and a published model."""
    studies = volumes.study(tmp_path_factory.mktemp("models") / "studies", 6)
    server = serve(studies, {"labels": "organ,tumour"})
    for number in range(5):
        server.put_label(f"scan_{number}", volumes.truth(studies, number), volumes.classes)
    server.train(max_steps=2)
    assert server.wait_for_training()["status"] == "DONE"
    return server


def download(server):
    answer = requests.get(f"{server.url}/model/fewlabel", timeout=60)
    assert answer.status_code == 200
    return answer.content


def put(server, content, expect=200, name="../../model.pt"):
    return server.request("PUT", "/model/fewlabel", expect=expect, files={"file": (name, content)})


def notes(server):
    return " ".join(server.infer("scan_5")["notes"])


def command(server, *arguments):
    done = subprocess.run(
        [sys.executable, str(SERVE), "--studies", str(server.studies), "--restore-model", *arguments],
        env={**server.environment, "FEWLABEL_VENV": sys.prefix},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


# The tests of this module are the steps of one session: each needs those before it.


def test_what_is_downloaded_is_a_whole_model(server):
    content = torch.load(io.BytesIO(download(server)), weights_only=True)
    assert {"model", "plan", "card"} <= set(content)


def test_any_bytes_are_refused_and_the_model_stays(server):
    before = download(server)
    assert "not a model" in put(server, b"any bytes", 422)["detail"]
    assert download(server) == before
    assert notes(server) == ""


def test_a_model_that_is_ruined_is_refused_since_it_is_worse_or_no_model(server):
    before = download(server)
    content = torch.load(io.BytesIO(before), weights_only=True)
    content["model"] = {key: torch.full_like(value, float("nan")) for key, value in content["model"].items()}
    ruined = io.BytesIO()
    torch.save(content, ruined)
    assert "The old one stays" in put(server, ruined.getvalue(), 422)["detail"]
    assert download(server) == before


def test_the_same_weights_under_another_card_are_published_and_infer_says_so(server):
    content = torch.load(io.BytesIO(download(server)), weights_only=True)
    again = io.BytesIO()
    torch.save({**content, "card": '{"version": 1}'}, again)
    answer = put(server, again.getvalue())
    assert (answer["version"], answer["validated"]) == (2, True)
    assert answer["checksum"] == server.get("/model/info/fewlabel")["checksum"]
    assert "was sent to the server" in notes(server)
    assert "--restore-model 1" in notes(server)


def test_while_a_training_runs_a_model_is_neither_taken_nor_deleted(server):
    before = download(server)
    server.train(max_steps=100_000, max_minutes=2)
    assert "training is running" in put(server, before, 409)["detail"]
    assert "training is running" in server.refused("DELETE", "/model/fewlabel", 409)
    server.request("DELETE", "/train/")
    server.wait_until(lambda: not server.is_training())


@pytest.mark.slow
def test_a_deleted_model_is_put_back_by_one_command_while_the_server_runs(server):
    before = download(server)
    version = server.get("/fewlabel/study")["model"]["version"]
    server.request("DELETE", "/model/fewlabel")
    sentence = server.refused("POST", "/infer/fewlabel?image=scan_5", 409)
    assert f"--restore-model {version}" in sentence
    code, output = command(server)
    assert code == 0
    assert f"version {version}, put aside" in output
    assert requests.get(f"{server.url}/model/fewlabel", timeout=60).status_code == 404  # listing changes nothing
    code, output = command(server, "999")
    assert code == 1
    assert "No model of version 999" in output
    code, output = command(server, str(version))
    assert code == 0, output
    new, old = (torch.load(io.BytesIO(each), weights_only=True)["model"] for each in (download(server), before))
    assert all(torch.equal(new[key], old[key]) for key in old)
    assert server.infer("scan_5")["model_version"] > version


def test_the_openapi_page_shows_our_routes_once(server):
    routes = server.get("/openapi.json")["paths"]["/model/{model}"]
    assert "not worse" in routes["put"]["summary"]
    assert "aside" in routes["delete"]["summary"]
    assert "Download" in routes["get"]["summary"]
