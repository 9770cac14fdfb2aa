import json

import pytest
from monailabel.config import settings as monailabel_settings

from fewlabel.errors import Refusal
from fewlabel.methods import METHODS, default_method
from fewlabel.networks import NETWORKS
from fewlabel.review.history import History
from fewlabel.training import keeper as keeper_module
from fewlabel.training import run as run_module
from fewlabel.training import task as task_module
from fewlabel.workspace import write_json


def test_the_task_trains_with_what_the_request_asks_for(make_study):
    study = make_study(2)
    study.label("a")
    answer = study.task()({"method": "supervised", "network": "auto", "max_steps": 2, "model": "fewlabel"}, study.store)
    assert answer["phase"] == "done"
    assert study.task().stats()["method"] == "supervised"
    assert study.task().stats()["steps"] == 2


def test_what_viewers_are_offered_starts_with_the_defaults_and_is_json(make_study):
    task = make_study(1).task(method="supervised")
    config = task.config()
    assert config["method"][0] == "supervised"
    assert set(config["method"]) == set(METHODS)
    assert config["network"][0] == "unet_small"
    assert set(make_study(1).task(network=None).config()["network"]) == {"auto", *NETWORKS}
    assert json.dumps(task.info())
    assert task.info()["methods"].keys() == METHODS.keys()


def test_where_nobody_chooses_a_method_the_device_decides_and_this_one_is_offered_first(make_study, monkeypatch):
    study = make_study(1)
    study.label("a")
    assert study.task(device="cpu").config()["method"][0] == default_method("cpu")
    assert study.train(max_steps=1, device="cpu")["method"] == default_method("cpu")
    monkeypatch.setattr(task_module, "device_names", lambda first: ["cuda:0", "cpu"])
    assert study.task().config()["method"][0] == default_method("cuda:0") != default_method("cpu")


def test_without_any_training_the_statistics_are_empty(make_study):
    assert make_study(1).task().stats() == {}


def test_what_more_labels_would_bring_is_reported_with_the_progress(make_study):
    study = make_study(1)
    for number in (2, 4, 8, 16):
        History(study.workspace.history).add(f"case {number}", False, mean=0.9 - 0.5 / number, labels=number)
    task = study.task()
    assert task.stats() == {}, "viewers take statistics without progress for a mistake"
    write_json(study.workspace.progress, {"phase": "done", "epoch": 3})
    outlook = task.stats()["five_more_labels"]
    assert outlook["low"] <= outlook["gain"] <= outlook["high"]
    assert outlook["advice"].startswith("5 more labels are expected")


def test_a_run_that_fails_says_so_and_why(make_study, monkeypatch):
    study = make_study(2)
    study.label("a")

    def fail(*_, **__):
        raise RuntimeError("The device is gone.")

    monkeypatch.setattr(run_module, "score_cases", fail)
    with pytest.raises(RuntimeError):
        study.task()({}, study.store)
    stats = study.task().stats()
    assert (stats["phase"], stats["error"]) == ("failed", "The device is gone.")
    assert stats["published"]


def test_a_request_that_cannot_be_met_is_reported_too(make_study):
    study = make_study(2)
    study.label("a")
    with pytest.raises(ValueError, match="magic"):
        study.task()({"method": "magic"}, study.store)
    assert study.task().stats()["phase"] == "failed"
    assert "magic" in study.task().stats()["error"]


@pytest.mark.parametrize("asked", ["cuda", "cuda:7", ["cuda:7", "cpu"], "tpu", {"odd": 1}])
def test_a_device_that_is_not_here_is_replaced_by_the_default_and_that_is_said(make_study, asked):
    study = make_study(2)
    study.label("a")
    report = study.task(device="cpu")({"device": asked, "max_steps": 1}, study.store)
    assert (report["phase"], report["device"]) == ("done", "cpu")
    assert sum("cpu was used instead" in note for note in report["notes"]) == 1


def test_the_first_reason_is_reported_where_the_disk_is_full(make_study, monkeypatch):
    study = make_study(2)

    def full(*_, **__):
        raise Refusal("No space left.", 507)

    monkeypatch.setattr("fewlabel.training.progress.write_json", full)
    with pytest.raises(Refusal, match="no labels yet"):
        study.task()({}, study.store)


def test_a_training_whose_process_vanished_is_stopped(make_study, monkeypatch):
    study = make_study(1)
    write_json(study.workspace.progress, {"phase": "training", "epoch": 3})
    assert study.task().stats()["phase"] == "stopped"
    monkeypatch.setattr(keeper_module, "processes", lambda method: {"id": "process"})
    assert study.task().stats()["phase"] == "training"


def test_what_was_chosen_of_a_training_that_goes_on_is_offered_first(make_study):
    """Viewers send the first of each choice back, and would begin another training with it."""
    task = make_study(1).task(training="continuous", device="cpu")
    assert task.config()["method"][0] == default_method("cpu")
    task.keeper.mode.remember(options={"method": "dtlp", "device": "cuda:7"})
    assert task.config()["method"][0] == "dtlp"
    assert task.config()["device"] == ["cpu"], "one that is not here is not"


@pytest.fixture
def looked_after(make_study, monkeypatch):
    """A study of two scans and a callable (training): its task, looked after by a server that starts nothing now."""
    monkeypatch.setattr(keeper_module.Keeper, "_run", lambda keeper: None)
    study = make_study(2)

    def task(training):
        task = study.task(training=training)
        task.keeper.keep("fewlabel", study.store)
        return task

    return study, task


def test_one_that_goes_on_by_itself_says_what_it_waits_for(looked_after):
    stats = looked_after[1]("continuous").stats()
    assert stats["line"] == "waiting for a label: it begins by itself with the first one"
    assert (stats["epoch"], stats["total_epochs"], stats["best_metric"]) == (0, 100, 0.0)


@pytest.mark.parametrize(
    ("training", "rests", "report", "line"),
    [
        ("continuous", False, "training", "starting"),
        ("continuous", True, "training", "resting until you press Train"),
        ("continuous", False, "resting", "resting until the next label: nothing improves any more"),
        ("on_request", False, "resting", "resting until you press Train"),
    ],
)
def test_how_it_stands_is_said_whatever_its_last_process_wrote(looked_after, training, rests, report, line):
    study, task = looked_after[0], looked_after[1](training)
    study.label("a")
    task.keeper.mode.remember(rests=rests)
    write_json(study.workspace.progress, {"phase": report, "training": "continuous", "labelled": 1, "unlabelled": 1})
    assert task.stats()["line"] == f"learnt from 1 label and 1 scan; {line}"


def test_where_trainings_are_switched_off_that_is_said(make_study, monkeypatch):
    study = make_study(2)
    write_json(study.workspace.progress, {"phase": "training", "training": "continuous", "labelled": 1})
    monkeypatch.setattr(monailabel_settings, "MONAI_LABEL_TASKS_TRAIN", False)
    assert study.task(training="continuous").stats()["line"].endswith("; trainings are switched off on this server")


def test_one_that_cannot_even_begin_says_why_in_the_line(looked_after, monkeypatch):
    study, task = looked_after[0], looked_after[1]("continuous")
    monkeypatch.setattr(task_module, "is_background_process", lambda: True)
    monkeypatch.setattr(task_module.os, "nice", lambda step: 0)  # it would be this process's, for good
    with pytest.raises(Refusal):
        task({"training": "continuous"}, study.store)
    study.label("a")
    assert task.stats()["line"].startswith("stopped by an error: There are no labels yet")
