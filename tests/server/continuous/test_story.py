"""A training that goes on by itself on a real server: begins, takes in labels, publishes, survives, obeys."""

import psutil
import pytest

from fewlabel.published import load_published, read_card
from fewlabel.workspace import read_json

CONF = {"training": "continuous", "max_steps": "1000000", "publish_minutes": "0.03", "labels": "organ,tumour"}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def study(serve, volumes, tmp_path_factory, goes_on):
    studies = volumes.study(tmp_path_factory.mktemp("continuous") / "studies", 9)
    return goes_on(serve(studies, CONF))


# The tests of this module are the steps of one story: each needs those before it.


def test_nothing_trains_before_there_is_a_label(study):
    assert study.server.refused("GET", "/train/", 404)
    assert study.server.refused("POST", "/train/fewlabel", 409, json={})


def test_it_begins_by_itself_with_the_first_label_and_publishes(study):
    study.submit(0)
    study.wait(study.server.is_training)
    assert study.task()["status"] == "RUNNING"
    study.wait_for_version(1)
    load_published(study.workspace.model)
    stats = study.server.info()["train_stats"]["fewlabel"]
    assert 0 < stats["epoch"] <= stats["total_epochs"]
    assert stats["line"].startswith("learning from 1 label and 8 scans since ")


def test_a_second_label_is_taken_in_without_starting_over(study):
    task, step = study.task()["id"], study.progress()["step"]
    study.submit(1)
    study.wait_for_labels(2)
    assert study.task()["id"] == task
    assert study.progress()["step"] >= step
    version = study.version()
    study.wait_for_version(version + 1)
    assert read_card(study.workspace.model)["labelled"] == 2


def test_a_second_request_is_refused_and_a_queued_one_is_answered_by_the_running_task(study):
    task = study.task()["id"]
    study.server.refused("POST", "/train/fewlabel", 429, json={})
    assert study.server.request("POST", "/train/fewlabel?enqueue=true", json={})["id"] == task
    assert study.server.request("POST", "/train/", json={})["fewlabel"]["result"]["id"] == task
    assert study.task()["id"] == task


def test_it_goes_on_after_a_crash(study):
    step, task = study.progress()["step"], study.task()["id"]
    for child in study.children():
        child.kill()
    study.wait(lambda: study.task()["id"] != task and study.went_on())
    study.wait(lambda: study.progress()["step"] >= step)


@pytest.mark.slow
def test_it_goes_on_after_a_restart_of_the_server(study):
    version = study.version()
    study.server.stop()
    study.server.start()
    study.wait_for_version(version + 1)
    assert study.went_on()
    assert study.progress()["labelled"] == 2


def test_a_label_that_is_taken_back_leaves(study):
    study.server.request("POST", "/fewlabel/undo/scan_1")
    study.wait_for_labels(1)


def test_who_stops_it_is_obeyed_even_after_a_restart(study):
    assert study.server.request("DELETE", "/train/")["status"] == "STOPPED"
    study.submit(2)
    study.server.stop()
    study.server.start()
    assert not study.server.is_training()
    assert study.server.info()["train_stats"]["fewlabel"]["phase"] == "stopped"
    assert "until you press Train" in study.server.info()["train_stats"]["fewlabel"]["line"]


def test_a_request_lets_it_go_on_where_it_was(study):
    task = study.server.train()
    assert task["status"] in ("SUBMITTED", "RUNNING")
    study.wait_for_labels(2)
    assert study.went_on()


def test_inference_is_answered_meanwhile(study):
    study.server.infer("scan_5")
    assert not study.workspace.people.exists()


def test_the_stock_module_s_auto_update_goes_on_where_it_was(study):
    """After each submission it asks, ends the training, and starts one."""
    step, task = study.progress()["step"], study.task()["id"]
    study.submit(3)
    assert study.server.is_training()
    assert study.server.request("DELETE", "/train/")["id"] == task
    assert study.server.train()["id"] != task
    study.wait(lambda: study.progress()["labelled"] == 3 and study.went_on() and study.progress()["step"] > step)


def test_of_eight_labels_one_is_kept_and_was_never_trained_on(study):
    for number in (1, 4, 5, 6, 7):
        study.submit(number)
    kept = read_json(study.workspace.pools)
    assert kept["validation"]
    study.wait(lambda: study.progress()["validation_cases"] == kept["validation"])
    assert study.progress()["labelled"] == 8 - len(kept["validation"])
    version = study.version()
    study.wait_for_version(version + 1)
    study.wait(lambda: "Dice" in study.server.info()["train_stats"]["fewlabel"]["line"])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(psutil.Process, "rlimit"), reason="needs Linux")
def test_a_full_disk_ends_it_in_words_and_it_goes_on_when_there_is_room(study):
    """The one training process may write no large file any more; the next one may."""
    task, version = study.task()["id"], study.version()
    for child in study.children():
        child.rlimit(psutil.RLIMIT_FSIZE, (50_000, 50_000))
    study.server.wait_until(lambda: study.task()["id"] != task or study.progress()["phase"] == "failed", 300)
    load_published(study.workspace.model)
    study.server.wait_until(lambda: study.task()["id"] != task and study.progress()["phase"] == "training", 300)
    assert study.went_on()
    study.wait_for_version(version + 1)
    load_published(study.workspace.model)


def test_another_class_lets_it_begin_anew_and_every_label_stays(study):
    study.server.stop()
    study.server.conf["labels"] = "organ,tumour,vessel"
    study.server.start()
    study.wait(lambda: load_published(study.workspace.model).plan.classes == ("organ", "tumour", "vessel"))
    assert study.server.info()["datastore"]["completed"] == 8


def test_what_a_kill_left_half_written_is_gone_at_the_next_start(study):
    study.server.stop()
    left = set(study.workspace.folder.glob(".writing-*"))
    load_published(study.workspace.model)
    study.server.start()
    assert not left & set(study.workspace.folder.glob(".writing-*"))
