"""Other computers, and logins: who is answered, and what asks for the token."""

import importlib.util
import json
import sys
import uuid
from pathlib import Path

import pytest
import requests

from fewlabel.service.rules import EVERYBODY, RULES
from FewLabelLib.net.client import Client, LoginNeeded

CLASSES = ("organ", "tumour")
TOKEN = "correct-horse-battery-staple-0815"


@pytest.fixture(scope="module")
def studies(tmp_path_factory, volumes):
    return volumes.study(tmp_path_factory.mktemp("attacks") / "studies", 3)


@pytest.fixture(scope="module")
def server(serve, studies, volumes):
    started = serve(studies, {})
    started.put_label("scan_0", volumes.truth(studies, 0), CLASSES)
    return started


@pytest.fixture(scope="module")
def locked(serve, tmp_path_factory, volumes):
    """A server with a token."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "token").chmod(0o600)
    return serve(volumes.study(folder / "studies", 2), {"token": str(folder / "token")})


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_a_request_that_a_proxy_passes_on_is_from_another_computer(server, header):
    server.must_refuse("GET", "/info/", 403, "--conf token", "--conf remote yes", headers={header: "127.0.0.1"})


def test_the_log_says_who_is_answered(server, locked):
    assert "answers this computer only" in server.tail(10**7)
    assert "asks everybody for a login" in locked.tail(10**7)


@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x"])
def test_with_a_token_every_route_asks_for_it(locked, authorization):
    headers = {"Authorization": authorization} if authorization else {}
    for rule in RULES:
        if rule.who != EVERYBODY:
            path = rule.path.replace("{path:path}", "x").replace("{session_id}", str(uuid.uuid4()))
            answer = locked.must_refuse(rule.method, path, 401, headers=headers) if rule.method != "HEAD" else None
            assert answer is None or answer.headers["www-authenticate"] == "Bearer"
    locked.must_refuse("GET", "/anything", 401, headers=headers)


def test_the_stock_viewers_login_takes_the_token_as_password(locked):
    file = Path(sys.prefix, "monailabel/plugins/slicer/MONAILabel/MONAILabelLib/client.py")
    specification = importlib.util.spec_from_file_location("stock_client", file)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    client = module.MONAILabelClient(locked.url, str(locked.home))
    assert client.auth_enabled()
    assert not client.auth_valid_token()
    with pytest.raises(module.MONAILabelClientException) as caught:
        client.auth_token("anybody", "wrong")
    assert "not the token" in caught.value.msg
    client.update_auth(client.auth_token("anybody", TOKEN))
    assert client.auth_valid_token()
    assert client.info()["name"] == "FewLabel"
    assert client.next_sample("first", {})["id"] in ("scan_0", "scan_1")


def test_the_panel_logs_in_with_the_token_and_downloads_images(locked, tmp_path):
    client = Client(locked.url, tmp_path)
    with pytest.raises(LoginNeeded, match="as the password"):
        client.capabilities()
    client.login("", TOKEN)
    assert client.capabilities().name == "FewLabel"
    again = Client(locked.url, tmp_path, token=client.token)
    assert again.download_image("scan_0").read_bytes() == (locked.studies / "scan_0.nii.gz").read_bytes()


def test_the_token_is_in_no_log(locked):
    form = {"username": "a", "password": TOKEN}
    assert requests.post(f"{locked.url}/auth/token", data=form, timeout=60).json()["access_token"] == TOKEN
    signed = {"Authorization": f"Bearer {TOKEN}"}
    logs = requests.get(f"{locked.url}/logs/?lines=0", headers=signed, timeout=60).text
    assert TOKEN not in logs + locked.tail(10**7)


def test_with_a_login_another_computer_is_answered(locked):
    headers = {"X-Forwarded-For": "203.0.113.7"}
    locked.must_refuse("GET", "/info/", 401, "--conf token", headers=headers)
    assert locked.ask("GET", "/info/", headers={**headers, "Authorization": f"bearer {TOKEN}"})[0] == 200


def test_the_environment_of_a_training_is_not_chosen_by_a_request(locked, volumes):
    signed = {"headers": {"Authorization": f"Bearer {TOKEN}"}}
    with open(volumes.truth(locked.studies, 0), "rb") as label:
        info = json.dumps({"label_info": [{"name": name, "idx": value} for value, name in enumerate(CLASSES, 1)]})
        files, query = {"label": ("label.nii.gz", label)}, {"image": "scan_0"}
        answer = requests.put(
            f"{locked.url}/datastore/label", files=files, data={"params": info}, params=query, timeout=120, **signed
        )
    assert answer.status_code == 200, answer.text
    task = requests.post(
        f"{locked.url}/train/fewlabel", json={"gpus": "7", "max_steps": 100_000}, timeout=120, **signed
    ).json()
    assert task["request"].get("gpus") in (None, "all")
    assert task["request"]["max_steps"] == 100_000
    locked.wait_until(lambda: requests.delete(f"{locked.url}/train/", timeout=60, **signed).json())
