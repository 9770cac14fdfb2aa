"""The server's side of a training that goes on: when it is started, and when it is left alone."""

from __future__ import annotations

import pytest
from monailabel.config import settings as monailabel_settings

from fewlabel.errors import Refusal
from fewlabel.settings import Settings
from fewlabel.training import keeper as keeper_module
from fewlabel.training import mode as mode_module
from fewlabel.training.arrivals import known_labels
from fewlabel.training.keeper import Keeper
from fewlabel.training.learned import Learned
from fewlabel.training.standing import Standing
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

    def stop(method):
        study.stopped = [task for task in started if task["status"] == "RUNNING"]
        for task in study.stopped:
            task["status"] = "STOPPED"
        return study.stopped[0] if study.stopped else None

    monkeypatch.setattr(keeper_module, "stop_background_task", stop)
    monkeypatch.setattr(keeper_module, "tasks", lambda method: started)
    monkeypatch.setattr(keeper_module, "time", clock)
    monkeypatch.setattr(keeper_module.Keeper, "_run", lambda keeper: None)
    study.tasks = started

    def keeper(training="continuous", **more):
        keeper = Keeper(study.workspace, Settings(training=training, **more))
        keeper.keep("fewlabel", study.store)
        return keeper

    study.keeper = keeper
    return study


def rest(study):
    """Let the training end as one does that has learned all labels."""
    study.tasks[-1]["status"] = "DONE"
    Learned(study.workspace.learned).write(known_labels(study.store))


def test_a_label_of_the_held_out_domain_starts_no_training(kept):
    lines = [f"{name},{'south' if name == 'a' else 'north'}" for name in kept.names]
    (kept.folder / "domains.csv").write_text("\n".join(["id,domain", *lines]))
    keeper = kept.keeper(setting="generalisation", target="south")
    kept.label("a")
    keeper.look()
    keeper.submitted()
    assert not kept.tasks
    assert not any(read_json(kept.workspace.pools, {}).values())
    kept.label("b")
    keeper.look()
    assert len(kept.tasks) == 1
    kept.tasks[-1]["status"] = "DONE"
    Learned(kept.workspace.learned).write({"b": known_labels(kept.store)["b"]})
    keeper.look()
    assert len(kept.tasks) == 1, "it has learned all that it may"
    (kept.folder / "domains.csv").write_text("broken")
    keeper.look()
    assert len(kept.tasks) == 2, "the training will say what is wrong"


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
    keeper.stop()
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


def test_what_somebody_chose_of_it_holds_for_those_that_begin_by_themselves(kept):
    """Otherwise a restart would begin from scratch with another method."""
    keeper = kept.keeper()
    kept.label("a")
    keeper.go_on({"method": "dtlp", "max_minutes": 3})
    for restarted in (keeper, kept.keeper()):
        kept.tasks[-1]["status"] = "ERROR"
        restarted._seen_failing = kept.tasks[-1]["id"]
        restarted.look()
        assert kept.tasks[-1]["request"] == {"model": "fewlabel", "training": "continuous", "method": "dtlp"}
    assert len(kept.tasks) == 3
    keeper.go_on({"method": "bcp"})
    assert keeper.mode.options() == {"method": "dtlp"}, "of the one that runs nothing can be chosen"
    kept.tasks[-1]["status"] = "STOPPED"
    assert keeper.go_on({})[0]["request"]["method"] == "dtlp", "who says nothing lets it go on as it was"


def test_a_choice_that_cannot_be_met_is_refused_and_not_remembered(kept):
    keeper = kept.keeper()
    kept.label("a")
    with pytest.raises(Refusal, match="magic") as caught:
        keeper.go_on({"method": "magic"})
    assert caught.value.status_code == 400
    assert kept.tasks == []
    assert keeper.mode.options() == {}


def test_what_is_known_of_it_beside_its_own_words(kept, monkeypatch):
    keeper = kept.keeper()
    monkeypatch.setattr(keeper_module, "processes", lambda method: {})
    assert keeper.standing() == Standing(at_work=False, labelled=False)
    kept.label("a")
    keeper.stop()
    assert keeper.standing() == Standing(at_work=False, rests=True)
    monkeypatch.setattr(keeper_module, "processes", lambda method: {"1": "process"})
    assert kept.keeper("on_request").standing() == Standing(at_work=True, by_itself=False, rests=True)
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_TASKS_TRAIN", False)
    assert kept.keeper().standing().possible is False


def test_who_says_train_while_it_runs_is_given_the_running_task(kept):
    keeper = kept.keeper()
    kept.label("a")
    keeper.look()
    assert keeper.go_on({}) == (kept.tasks[0], True)
    assert len(kept.tasks) == 1


def test_one_that_was_queued_when_somebody_stopped_it_is_ended_when_it_runs(kept):
    keeper = kept.keeper()
    kept.label("a")
    keeper.look()
    kept.tasks[0]["status"] = "SUBMITTED"
    assert keeper.stop() is None
    keeper.look()
    kept.tasks[0]["status"] = "RUNNING"
    keeper.look()
    assert kept.tasks[0]["status"] == "STOPPED"
    keeper.look()
    assert len(kept.tasks) == 1


def test_a_stop_that_cannot_be_remembered_stops_nothing(kept, monkeypatch):
    """Otherwise it would begin again by itself a moment later."""
    keeper = kept.keeper()
    kept.label("a")
    keeper.look()

    def full(path, value):
        raise Refusal("No space left.", 507)

    monkeypatch.setattr(mode_module, "write_json", full)
    with pytest.raises(Refusal, match="No space left"):
        keeper.stop()
    assert kept.tasks[0]["status"] == "RUNNING"


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


@pytest.fixture
def stopped(kept, monkeypatch):
    """Names of the tasks that were ended; such a task does not run any more."""
    names = []

    def stop(name):
        names.append(name)
        kept.tasks[-1]["status"] = "DONE"

    monkeypatch.setattr(keeper_module, "stop_background_task", stop)
    return names


def test_while_it_is_held_none_begins_and_afterwards_it_goes_on(kept, stopped):
    keeper = kept.keeper()
    kept.label("a")
    with keeper.held() as free:
        assert free
        keeper.look()
        assert kept.tasks == []
    keeper.look()
    assert len(kept.tasks) == 1
    with keeper.held() as free:
        assert not free, "it runs"
    assert stopped == []
    with keeper.held(end=True) as free, keeper.held():
        assert free
        assert stopped == ["train"]
        keeper.look()
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
