"""Every route of the table, twice, in any order, with and without a training: the server goes on answering."""

import json
import random
import threading
import uuid

import pytest
import requests

from fewlabel.service.rules import RULES

CLASSES = ("organ", "tumour")
CALLED = [rule for rule in RULES if not rule.off and "auth" not in rule.path]
LONG = {"max_minutes": 30, "max_steps": 100_000}


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory, volumes):
    studies = volumes.study(tmp_path_factory.mktemp("order") / "studies", 6)
    return serve(studies, {"labels": ",".join(CLASSES), "max_steps": "2"})


def arguments(rule, server, volumes, number):
    """What a request to a route carries: something that works at least in one of the server's states."""
    scan, image = volumes.truth(server.studies, 0), server.studies / "scan_0.nii.gz"
    query = {"image": "scan_0", "label": "scan_0", "tag": "final"}
    if rule.method == "DELETE" and rule.path.startswith("/datastore/"):
        query = {"id": f"spare_{number}", "tag": "final"}
    sent = {"params": query}
    if rule.path == "/datastore/label" and rule.method == "PUT":
        sent |= {"files": {"label": ("sent.nii.gz", scan.read_bytes())}, "data": {"params": json.dumps({})}}
    elif rule.path in ("/datastore/", "/datastore/image") and rule.method == "PUT":
        sent |= {"files": {"file": ("spare.nii.gz", image.read_bytes())}, "params": {"image": f"spare_{number}"}}
    elif rule.path == "/session/":
        sent = {"files": {"files": ("spare.nii.gz", image.read_bytes())}}
    elif rule.method == "PUT" and rule.path.startswith("/model/"):
        sent = {"files": {"file": ("model.pt", b"no model")}}
    elif rule.path.startswith(("/infer/", "/datastore/")) and rule.method in ("POST", "PUT"):
        sent |= {"data": {"params": "{}", "info": "{}"}}
    elif rule.method == "POST":
        training = "train" in rule.path
        sent = {"json": LONG if training and number % 2 else {}, "params": {"run_sync": number % 2 == 0}}
    return sent


def call(server, volumes, rule, number):
    """The status of one request; nothing is an error of the server."""
    path = rule.path
    names = {"{model}": "fewlabel", "{method}": "fewlabel", "{strategy}": "first", "{case}": "scan_1"}
    for name, value in {**names, "{session_id}": str(uuid.uuid4())}.items():
        path = path.replace(name, value)
    answer = requests.request(rule.method, server.url + path, timeout=120, **arguments(rule, server, volumes, number))
    assert answer.status_code < 500, (rule.method, path, answer.text[:500], server.tail())
    return answer.status_code


def assert_answers(server, volumes):
    """`/info/`, next case and a label."""
    assert server.info()["name"] == "FewLabel"
    assert server.request("POST", "/activelearning/random", json={})["id"]
    server.put_label("scan_2", volumes.truth(server.studies, 2), CLASSES)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("training", [False, True], ids=["idle", "training"])
def test_after_every_route_in_any_order_the_server_answers(server, volumes, seed, training):
    server.put_label("scan_0", volumes.truth(server.studies, 0), CLASSES)
    order = [rule for rule in CALLED for _ in range(2)]
    random.Random(seed).shuffle(order)
    statuses = []
    for number, rule in enumerate(order):
        if training and not server.is_training():
            requests.post(f"{server.url}/train/fewlabel", json=LONG, timeout=120)
        statuses.append(call(server, volumes, rule, number))
        if number % 5 == 0 or rule.path == "/reload":
            assert_answers(server, volumes)
    assert_answers(server, volumes)
    assert statuses.count(200) > len(order) / 2
    requests.delete(f"{server.url}/train/", timeout=120)


def test_reloading_many_times_leaves_neither_threads_nor_watchers_behind(server):
    def threads():
        return len(list(server_threads(server)))

    server.request("POST", "/reload")
    server.info()
    before = threads()
    for _ in range(10):
        server.request("POST", "/reload")
        assert server.request("POST", "/activelearning/first", json={})["id"]
    assert threads() <= before + 2, "threads of the pool come and go"
    assert "Traceback" not in server.tail(10**7)


def server_threads(server):
    import psutil

    return psutil.Process(server.process.pid).threads()


def test_many_reloads_at_once_lose_no_label(server, volumes):
    reloads = [threading.Thread(target=lambda: [server.request("POST", "/reload") for _ in range(3)]) for _ in range(4)]
    for thread in reloads:
        thread.start()
    for number in range(6):
        server.put_label(f"scan_{number}", volumes.truth(server.studies, number), CLASSES)
    for thread in reloads:
        thread.join()
    listed = server.get("/datastore/?output=all")["objects"]
    assert [name for name, entry in listed.items() if "final" in entry["labels"] and name.startswith("scan")] == [
        f"scan_{number}" for number in range(6)
    ]
