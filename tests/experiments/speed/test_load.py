"""Many people on one server, played small; and that a lost or mixed label would be reported."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

import experiment
from experiments import commands
from experiments.harness.errors import ExperimentError
from experiments.speed.clients import People, Sent, answers_while, marked_map, number_of
from experiments.speed.table import typical

SHAPE = (12, 10, 8)


@pytest.mark.slow
def test_a_small_load_loses_and_mixes_nothing_and_tells_of_each_kind_of_request(capsys):
    small = ["--clients=4", "--submissions=20", "--cases=6", "--think=0", "--listed=30", "--large=48,48,32"]
    assert experiment.main(commands.parse(["load", *small])) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    for kind in ("submit", "next", "list", "info"):
        assert any(line.startswith(f"| {kind}, 4 clients (20 requests)") for line in table)
    assert any("none of 20 in" in line for line in table)
    assert any("list of 30 cases" in line for line in table)
    assert sum("while" in line for line in table) == 6


@pytest.mark.parametrize("number", [1, 2, 1000, 2**24 - 1])
def test_a_map_says_which_submission_it_is(number):
    assert number_of(marked_map(number, SHAPE)) == number


def people(monkeypatch, stored, described, sent):
    """Clients that have sent these, of a server that holds ``stored`` and describes it as ``described``."""
    played = People("http://nowhere", ["a"], SHAPE, len(sent), 0, 0)
    played.sent = [Sent(number, "a", began, ended) for number, began, ended in sent]
    answers = {"/datastore/label": marked_map(stored, SHAPE), "/datastore/label/info": described}
    monkeypatch.setattr(
        played,
        "_get",
        lambda path, case: SimpleNamespace(content=answers[path], json=lambda: {"client_id": answers[path]}),
    )
    return played


def test_the_last_label_that_was_acknowledged_must_be_stored(monkeypatch):
    sent = [(1, 0.0, 1.0), (2, 2.0, 3.0)]
    assert people(monkeypatch, 2, "submission 2", sent).check() == 1
    with pytest.raises(ExperimentError, match="holds submission 1"):
        people(monkeypatch, 1, "submission 1", sent).check()
    with pytest.raises(ExperimentError, match="described as submission 1"):
        people(monkeypatch, 2, "submission 1", sent).check()


def test_of_two_submissions_at_the_same_time_either_may_be_the_last(monkeypatch):
    sent = [(1, 0.0, 2.0), (2, 1.0, 3.0)]
    for number in (1, 2):
        assert people(monkeypatch, number, f"submission {number}", sent).check() == 1


def test_others_are_asked_as_long_as_the_first_request_is_open():
    asked, go_on = [], threading.Event()

    def other():
        asked.append(1)
        if len(asked) == 3:
            go_on.set()

    seconds = answers_while(lambda: go_on.wait(60), {"other": other})
    assert len(seconds["other"]) >= 3


def test_a_long_request_that_fails_is_reported():
    def fails():
        raise OSError("gone")

    with pytest.raises(ExperimentError, match="gone"):
        answers_while(fails, {"other": lambda: None})


def test_the_target_is_held_against_the_median():
    assert typical("what", [0.1, 0.1, 9.0], 0.2).verdict == "met"
    assert typical("what", [0.1, 0.3, 0.3], 0.2).verdict == "**missed**"
    assert "too short" in typical("what", [], 0.2).measured
