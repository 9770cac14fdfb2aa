"""Who starts or stops a training is answered as by MONAI Label, whichever kind of training it is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from fewlabel.service import trainings
from fewlabel.service.requests import Requests
from fewlabel.training import keeper as keeper_module


@pytest.fixture
def serve(open_service, monkeypatch):
    """Callable (training): client of the routes; ``theirs`` are the calls that MONAI Label's own were given."""

    def start(training):
        service = open_service("studies", {"training": training})
        theirs, tasks = [], []
        borrowed = APIRouter()

        @borrowed.post("/train/")
        async def every(params=None, run_sync=False, user=None):
            theirs.append((None, params, run_sync))
            return {"theirs": True}

        @borrowed.post("/train/{model}")
        async def one(model, params=None, run_sync=False, enqueue=False, user=None):
            theirs.append((model, params, run_sync))
            return {"theirs": True}

        @borrowed.delete("/train/")
        async def stop(user=None):
            theirs.append(("stop", None, False))
            for task in tasks:
                task["status"] = "STOPPED"
            return tasks[-1] if tasks else None

        def run(request, method):
            tasks.append({"id": str(len(tasks)), "status": "RUNNING", "request": request})
            return tasks[-1]

        def end(method):
            running = [task for task in tasks if task["status"] == "RUNNING"]
            for task in running:
                task["status"] = "STOPPED"
            return running[-1] if running else None

        monkeypatch.setattr(keeper_module, "stop_background_task", end)
        monkeypatch.setattr(keeper_module, "run_background_task", run)
        monkeypatch.setattr(keeper_module, "tasks", lambda method: tasks)
        monkeypatch.setattr(keeper_module.Keeper, "_run", lambda keeper: None)
        stand_in = SimpleNamespace(
            bundle_path=lambda model: Requests(service.study).check_task(model, service.study.trainers()),
            info=lambda: {"trainers": service.study.trainers()},
        )
        monkeypatch.setattr(trainings, "app_instance", lambda: stand_in)
        service.study.keeper.keep("fewlabel", service.store)
        app = FastAPI()
        app.include_router(trainings.make_training_router(service.study, borrowed))
        service.trains = TestClient(app)
        service.theirs, service.tasks = theirs, tasks
        service.submit("a")
        return service

    return start


def test_train_lets_it_go_on_and_a_second_one_is_refused(serve):
    service = serve("continuous")
    task = service.trains.post("/train/fewlabel", json={"device": "cpu"}).json()
    assert task["request"] == {"device": "cpu", "model": "fewlabel", "training": "continuous"}
    refused = service.trains.post("/train/fewlabel")
    assert refused.status_code == 429
    assert "running already" in refused.json()["detail"]
    assert service.theirs == []


def test_a_queued_request_and_one_without_a_model_are_answered_by_the_running_task(serve):
    service = serve("continuous")
    task = service.trains.post("/train/fewlabel").json()
    assert service.trains.post("/train/fewlabel?enqueue=true").json() == task
    assert service.trains.post("/train/").json() == {"fewlabel": {"result": task, "detail": None}}
    assert len(service.tasks) == 1


def test_stop_is_remembered_and_train_ends_that(serve):
    service = serve("continuous")
    service.trains.post("/train/fewlabel")
    assert service.trains.delete("/train/").json()["status"] == "STOPPED"
    assert service.study.keeper.mode.rests()
    service.trains.post("/train/fewlabel")
    assert not service.study.keeper.mode.rests()
    assert len(service.tasks) == 2


def test_on_request_everything_is_left_to_monai_label(serve):
    service = serve("on_request")
    assert service.trains.post("/train/fewlabel", json={"max_minutes": 2}).json() == {"theirs": True}
    assert service.trains.post("/train/").json() == {"theirs": True}
    service.trains.delete("/train/")
    assert [call[0] for call in service.theirs] == ["fewlabel", None, "stop"]
    assert service.theirs[0][1] == {"max_minutes": 2, "training": "on_request"}
    assert not service.study.keeper.mode.rests()


def test_a_training_that_is_waited_for_has_an_end(serve):
    service = serve("continuous")
    service.trains.post("/train/fewlabel?run_sync=true")
    assert service.theirs == [("fewlabel", {"training": "on_request"}, True)]
    service.trains.post("/train/fewlabel")
    assert service.trains.post("/train/fewlabel?run_sync=true").status_code == 429


def test_one_without_a_model_that_is_waited_for_ends_the_one_that_goes_on_for_so_long(serve, monkeypatch):
    service = serve("continuous")
    service.trains.post("/train/fewlabel")
    monkeypatch.setattr(
        keeper_module, "stop_background_task", lambda method: service.tasks[-1].update(status="STOPPED")
    )
    assert service.trains.post("/train/?run_sync=true").json() == {"theirs": True}
    assert service.tasks[-1]["status"] == "STOPPED"
    service.study.keeper.look()
    assert service.tasks[-1]["status"] == "RUNNING", "it goes on afterwards"


def test_a_viewer_switches_from_one_to_the_other(serve):
    service = serve("on_request")
    service.trains.post("/train/fewlabel", json={"training": "continuous"})
    assert service.study.keeper.is_on
    assert service.study.trainers()["fewlabel"].config()["training"] == ["continuous", "on_request"]
    service.trains.delete("/train/")
    service.trains.post("/train/fewlabel", json={"training": ["on_request"]})
    assert not service.study.keeper.is_on
    assert service.theirs[-1][0] == "fewlabel"


def test_what_could_only_fail_is_refused(serve):
    service = serve("continuous")
    assert service.trains.post("/train/another").status_code == 404
    service.store.remove_label("a", "final")
    assert service.trains.post("/train/fewlabel").status_code == 409
