"""The server's side of a training that goes on: when it is started, and when it is left alone."""

from __future__ import annotations

import pytest
from monailabel.config import settings as monailabel_settings

from fewlabel.settings import Settings
from fewlabel.training import keeper as keeper_module
from fewlabel.training.arrivals import known_labels
from fewlabel.training.keeper import Keeper
from fewlabel.training.learned import Learned
from fewlabel.workspace import read_json, write_json


@pytest.fixture
def kept(make_study, clock, monkeypatch):
    """A study whose keeper is asked to look by hand; ``tasks`` are those that it started."""
    study, started = make_study(9), []

    def run(request, method):
        task = {"id": str(len(started)), "status": "RUNNING", "request": request}
        started.append(task)
        return task

    monkeypatch.setattr(keeper_module, "run_background_task", run)
    monkeypatch.setattr(keeper_module, "tasks", lambda method: started)
    monkeypatch.setattr(keeper_module, "time", clock)
    monkeypatch.setattr(keeper_module.Keeper, "_run", lambda keeper: None)
    study.tasks = started

    def keeper(training="continuous"):
        keeper = Keeper(study.workspace, Settings(training=training))
        keeper.keep("fewlabel", study.store)
        return keeper

    study.keeper = keeper
    return study


def rest(study):
    """Let the training end as one does that has learned all labels."""
    study.tasks[-1]["status"] = "DONE"
    Learned(study.workspace.learned).write(known_labels(study.store))


def test_it_begins_with_the_first_label(kept):
    keeper = kept.keeper()
    keeper.look()
    assert kept.tasks == []
    kept.label("a")
    keeper.look()
    keeper.look()
    assert [task["request"] for task in kept.tasks] == [{"model": "fewlabel", "training": "continuous"}]


def test_nothing_begins_by_itself_on_request_or_where_trainings_are_switched_off(kept, monkeypatch):
    kept.label("a")
    assert not kept.keeper("on_request").is_on
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_TASKS_TRAIN", False)
    assert not kept.keeper().is_on


def test_it_rests_until_a_label_comes_changes_or_goes(kept):
    keeper = kept.keeper()
    for change in (lambda: kept.label("a"), lambda: kept.label("b"), lambda: kept.store.remove_label("b", "final")):
        change()
        keeper.look()
        rest(kept)
        keeper.look()
    assert len(kept.tasks) == 3


@pytest.mark.parametrize(
    "reported", [{}, {"phase": "training"}, {"phase": "failed"}, {"phase": "resting", "learned": {}}]
)
def test_what_a_training_reports_starts_none(kept, reported):
    keeper = kept.keeper()
    kept.label("a")
    keeper.look()
    rest(kept)
    write_json(kept.workspace.progress, reported)
    keeper.look()
    assert len(kept.tasks) == 1


def test_changed_classes_let_it_begin_again_at_once(kept):
    keeper = kept.keeper()
    kept.label("a")
    keeper.look()
    kept.tasks[-1]["status"] = "DONE"
    keeper.look()
    assert len(kept.tasks) == 2


def test_who_stops_it_is_obeyed_by_the_next_server_too_until_somebody_says_train(kept):
    keeper = kept.keeper()
    kept.label("a")
    keeper.look()
    keeper.rest()
    kept.tasks[-1]["status"] = "STOPPED"
    kept.label("b")
    keeper.look()
    after_restart = kept.keeper()
    after_restart.look()
    assert len(kept.tasks) == 1
    task, ran = after_restart.go_on({"max_minutes": 3, "model": "another"})
    assert not ran
    assert task["request"] == {"max_minutes": 3, "model": "fewlabel", "training": "continuous"}
    task["status"] = "DONE"
    after_restart.look()
    assert len(kept.tasks) == 3, "it is kept going again"


def test_who_says_train_while_it_runs_is_given_the_running_task(kept):
    keeper = kept.keeper()
    kept.label("a")
    keeper.look()
    assert keeper.go_on({}) == (kept.tasks[0], True)
    assert len(kept.tasks) == 1


def test_after_a_crash_it_is_started_again_ever_more_patiently(kept, clock):
    keeper = kept.keeper()
    kept.label("a")
    keeper.look()
    waits = []
    for _ in range(8):
        kept.tasks[-1]["status"] = "ERROR"
        number, crashed = len(kept.tasks), clock.now
        while len(kept.tasks) == number:
            keeper.look()
            clock.now += 1
        waits.append(clock.now - crashed)
    assert waits == sorted(waits)
    assert waits[0] <= 12
    assert 500 < waits[-1] <= 602


def test_a_new_label_ends_that_wait(kept, clock):
    keeper = kept.keeper()
    kept.label("a")
    keeper.look()
    kept.tasks[-1]["status"] = "ERROR"
    keeper.look()
    assert len(kept.tasks) == 1
    kept.label("b")
    keeper.look()
    assert len(kept.tasks) == 2


def test_which_labels_validate_is_decided_when_they_are_submitted(kept):
    keeper = kept.keeper()
    for name in "abcdefgh":
        kept.label(name)
        keeper.submitted()
        decided = read_json(kept.workspace.pools)
        assert name in decided["validation"] + decided["trained"]
    assert decided["validation"]
    assert {"a", "b", "c"} <= set(decided["trained"])


def test_on_request_nothing_is_decided_before_a_training(kept):
    kept.label("a")
    kept.keeper("on_request").submitted()
    assert not kept.workspace.pools.exists()
