"""MONAI Label's own routes in threads: the same parameters, the same answers, none that holds another."""

import inspect
import threading

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from monailabel.endpoints import info, train

from fewlabel.service import borrowed
from fewlabel.service.borrowed import make_borrowed_router


@pytest.fixture
def router():
    return make_borrowed_router()


def test_each_route_asks_for_what_monai_labels_own_asks_for(router):
    own = {
        (route.path, *sorted(route.methods)): inspect.signature(route.endpoint)
        for module in borrowed._MODULES
        for route in module.router.routes
    }
    ours = {(route.path, *sorted(route.methods)): inspect.signature(route.endpoint) for route in router.routes}
    assert ours.items() <= own.items()
    others = {("/model/{model}", "DELETE"), ("/model/{model}", "PUT"), ("/datastore/label", "GET")}
    assert set(own) - set(ours) == others  # these are served by routes of our own


def test_a_second_request_is_answered_while_the_first_is_open(monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def wait():
        begun.set()
        assert go_on.wait(60)
        return {"waited": True}

    monkeypatch.setattr(info, "app_info", wait)
    monkeypatch.setattr(train, "status", lambda *_: {"answered": True})
    app = FastAPI()
    app.include_router(make_borrowed_router())
    answers = []
    with TestClient(app) as client:
        thread = threading.Thread(target=lambda: answers.append(client.get("/info/").json()))
        thread.start()
        assert begun.wait(60)
        assert client.get("/train/").json() == {"answered": True}
        assert not answers
        go_on.set()
        thread.join()
    assert answers == [{"waited": True}]


def test_one_waits_for_a_training_the_next_is_refused_and_the_mark_goes_even_if_it_fails(monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def fail(*_):
        begun.set()
        assert go_on.wait(60)
        raise ValueError("as trainings may")

    monkeypatch.setattr(train, "run_model", fail)
    app = FastAPI()
    app.include_router(make_borrowed_router())
    statuses = []
    with TestClient(app, raise_server_exceptions=False) as client:
        ask = lambda: statuses.append(client.post("/train/fewlabel?run_sync=true").status_code)  # noqa: E731
        thread = threading.Thread(target=ask)
        thread.start()
        assert begun.wait(60)
        assert borrowed.is_waited_for("train")
        for query in ("", "?run_sync=true"):
            refused = client.post(f"/train/fewlabel{query}")
            assert refused.status_code == 429
            assert "run_sync" in refused.json()["detail"]
        go_on.set()
        thread.join()
    assert statuses == [500]
    assert not borrowed.is_waited_for("train")


def test_an_answer_that_holds_objects_is_written_as_monai_label_writes_it(monkeypatch):
    monkeypatch.setattr(info, "app_info", lambda: {"lines": {1: {"a"}}, "none": None})
    app = FastAPI()
    app.include_router(make_borrowed_router())
    assert TestClient(app).get("/info/").json() == {"lines": {"1": ["a"]}, "none": None}
