"""The labels that a resting training has learned: there while it rests, and only then."""

from __future__ import annotations

import pytest
import torch

from fewlabel.errors import Refusal
from fewlabel.training import continuous as continuous_module
from fewlabel.training.arrivals import known_labels
from fewlabel.training.continuous import ContinuousRun
from fewlabel.training.learned import Learned


@pytest.fixture
def study(make_study, monkeypatch):
    """Two labels, and a callable (change) that trains and calls ``change(run)`` in the middle of it."""
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)  # of this process, for good
    made = make_study(4)
    made.label("ab")

    def train(change=lambda run: None):
        settings = made.settings(
            training="continuous", max_steps=4, publish_minutes=0.01, scoring_minutes=0.01, method="supervised"
        )
        run = ContinuousRun(made.workspace, settings, made.store)
        changes = iter([change])

        def changed(arrivals):
            if run.ongoing.step >= 2:
                next(changes, lambda run: None)(run)
            return known_labels(made.store) != arrivals.known

        monkeypatch.setattr(continuous_module.Arrivals, "changed", changed)
        run()
        return Learned(made.workspace.learned).labels()

    made.goes_on = train
    return made


def test_labels_that_were_written_are_read_and_cleared(tmp_path):
    learned = Learned(tmp_path / "learned.json")
    assert learned.labels() is None
    learned.write({"a": [10, 20]})
    assert Learned(tmp_path / "learned.json").labels() == {"a": [10, 20]}
    learned.clear()
    learned.clear()
    assert learned.labels() is None


@pytest.mark.parametrize("content", ["", '{"a": [1', "[]", "3"])
def test_a_damaged_file_counts_as_nothing_learned(tmp_path, content):
    file = tmp_path / "learned.json"
    file.write_text(content)
    assert Learned(file).labels() is None


def test_a_training_that_rests_leaves_the_labels_that_it_has_learned(study):
    assert study.goes_on() == known_labels(study.store)


def test_a_training_that_begins_has_learned_nothing_yet_so_a_killed_one_is_started_again(study):
    study.goes_on()
    seen = []
    study.goes_on(lambda run: seen.append(Learned(study.workspace.learned).labels()))
    assert seen == [None]


def test_a_training_on_request_ends_the_rest_too(study):
    study.goes_on()
    study.train(max_steps=1)
    assert Learned(study.workspace.learned).labels() is None


def test_a_training_that_must_begin_again_has_learned_nothing(study):
    def change(run):
        study.workspace.set_classes(["organ", "tumour"])
        study.label("c", classes=("organ", "tumour"))

    assert study.goes_on(change) is None


def test_a_training_that_is_refused_has_learned_nothing(study):
    study.goes_on()
    for case in "ab":
        study.store.remove_label(case, "final")
    with pytest.raises(Refusal, match="no labels yet"):
        study.goes_on()
    assert Learned(study.workspace.learned).labels() is None
