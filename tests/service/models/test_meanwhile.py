"""Models that are sent or deleted while something else goes on."""

import threading

import pytest
import torch

from fewlabel.published import read_card
from fewlabel.service import models
from fewlabel.training.validation import Measured, Validator

CLASSES = ("organ", "tumour")


@pytest.mark.parametrize("status", ["SUBMITTED", "RUNNING"])
def test_while_a_training_runs_or_waits_nothing_is_sent_or_deleted(desk, sent, monkeypatch, status):
    desk.service.publish()
    monkeypatch.setattr(models, "tasks", lambda method: [{"status": "DONE"}, {"status": status}])
    assert "training is running" in desk.refused("PUT", 409, sent())
    assert "training is running" in desk.refused("DELETE", 409)


def test_one_model_is_measured_at_a_time_and_the_loop_answers_meanwhile(desk, sent, monkeypatch):
    begun, go_on, answers = threading.Event(), threading.Event(), []

    def wait(validator, network, beat=None):
        begun.set()
        assert go_on.wait(60)
        return Measured(dict.fromkeys(CLASSES, 0.5))

    monkeypatch.setattr(Validator, "__call__", wait)
    content = sent()
    thread = threading.Thread(target=lambda: answers.append(desk.ask("PUT", content=content)))
    thread.start()
    assert begun.wait(60)
    assert desk.service.get("study")["model"] is None  # answered while the first request is still open
    assert "Another model is being checked" in desk.refused("PUT", 409, content)
    assert "is being checked" in desk.refused("DELETE", 409)
    go_on.set()
    thread.join(60)
    assert answers[0]["version"] == 1


def test_a_model_that_was_published_while_another_was_measured_is_not_overwritten(desk, sent, monkeypatch):
    def publish_meanwhile(validator, network, beat=None):
        desk.service.publish(version=9)
        return Measured(dict.fromkeys(CLASSES, 0.5))

    monkeypatch.setattr(Validator, "__call__", publish_meanwhile)
    assert "send it again" in desk.ask("PUT", 409, sent())["detail"]
    assert read_card(desk.workspace.model)["version"] == 9


def test_too_little_memory_is_said_in_words(desk, sent, monkeypatch):
    def full(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Validator, "__call__", full)
    assert "--conf patch" in desk.refused("PUT", 503, sent())
