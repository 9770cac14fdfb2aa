"""What of a training is published, and when."""

import os

import numpy as np
import pytest
import torch

from fewlabel.errors import Refusal
from fewlabel.published import load_members, load_published, read_card, save_published
from fewlabel.selection import scoring
from fewlabel.training import run as run_module
from fewlabel.training.validation import Measured
from fewlabel.workspace import read_json


def fixed_dice(monkeypatch, *values):
    """Let validations measure these Dice values, one after the other, then the last one again and again."""
    values = list(values)

    def measure(self, network, beat=None):
        return Measured({"organ": values.pop(0) if len(values) > 1 else values[0]})

    monkeypatch.setattr(run_module.Validator, "__call__", measure)


def test_a_worse_model_is_not_published_and_nothing_is_scored(make_study, monkeypatch):
    study = make_study(6)
    study.label("abcde")
    study.train(max_steps=1)
    before, scores = study.workspace.model.read_bytes(), study.workspace.scores.read_bytes()
    fixed_dice(monkeypatch, 0.8, 0.7, 0.75)
    report = study.train(max_steps=2)
    assert not report["published"]
    assert "0.800" in report["notes"][-1]
    assert "0.750" in report["notes"][-1]
    assert study.workspace.model.read_bytes() == before
    assert study.workspace.scores.read_bytes() == scores


def test_an_equally_good_model_is_published_with_the_next_version(make_study, monkeypatch):
    study = make_study(6)
    study.label("abcde")
    study.train(max_steps=1)
    fixed_dice(monkeypatch, 0.8)
    assert study.train(max_steps=1)["published"]
    assert read_card(study.workspace.model)["version"] == 2


def scored_weights(monkeypatch):
    """The deployed weights that each scoring was given."""
    seen = []

    def score(members, *rest, **more):
        method = members.__self__
        seen.append({key: value.clone() for key, value in method.deployed.state_dict().items()})
        return scoring.score_cases(members, *rest, **more)

    monkeypatch.setattr(run_module, "score_cases", score)
    return seen


def test_the_last_weights_are_published_and_scored_since_the_best_of_many_looks_flatter(make_study, monkeypatch):
    study = make_study(6)
    study.label("abcde")
    fixed_dice(monkeypatch, 0.3, 0.9, 0.5)
    seen = scored_weights(monkeypatch)
    report = study.train(max_steps=4)
    model = load_published(study.workspace.model)
    assert model.card["progress"] == 1
    assert model.card["validation"] == {"organ": 0.5}
    assert report["best_metric"] == 0.5
    for key, value in model.network.state_dict().items():
        assert torch.equal(value, seen[0][key])


def test_weights_that_were_better_on_the_way_stay_where_the_last_are_worse_than_the_model_before(
    make_study, monkeypatch
):
    study = make_study(6)
    study.label("abcde")
    fixed_dice(monkeypatch, 0.6)
    study.train(max_steps=1)
    fixed_dice(monkeypatch, 0.6, 0.3, 0.9, 0.5)  # the first: of the published one
    seen = scored_weights(monkeypatch)
    report = study.train(max_steps=4)
    model = load_published(study.workspace.model)
    assert model.card["version"] == 2
    assert model.card["validation"] == {"organ": 0.9}
    assert report["best_metric"] == 0.5
    for key, value in model.network.state_dict().items():
        assert torch.equal(value, seen[0][key])


def test_a_new_class_replaces_the_model_without_comparison(make_study):
    study = make_study(6)
    study.label("abcde")
    study.train(max_steps=1)
    study.workspace.set_classes(["organ", "tumour"])
    report = study.train(max_steps=1)
    assert report["published"]
    assert any("other classes" in note for note in report["notes"])
    assert any("from scratch" in note for note in report["notes"])
    assert load_published(study.workspace.model).plan.classes == ("organ", "tumour")


def test_validation_cases_without_any_class_validate_nothing(make_study):
    study = make_study(6)
    study.label("abcde")
    study.train(max_steps=1)
    kept = read_json(study.workspace.pools)["validation"]
    study.label("".join(kept), array=np.zeros((20, 18, 16), np.uint8))
    report = study.train(max_steps=3)
    assert report["validation"] == {"organ": None}
    assert report["published"]
    assert not report["validated"]
    assert load_published(study.workspace.model).card["progress"] == 1
    assert report["notes"][-1] == "Published without validation: none of the validation cases holds a class."


def test_a_full_disk_while_publishing_leaves_the_old_model(make_study, monkeypatch):
    study = make_study(2)
    study.label("a")
    study.train(max_steps=1)
    before = study.workspace.model.read_bytes()

    def full(source, target):
        if target == study.workspace.model:
            raise OSError(28, "No space left on device")
        original(source, target)

    original = os.replace
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Refusal, match="No space left"):
        study.train(max_steps=2)
    assert study.workspace.model.read_bytes() == before


@pytest.mark.parametrize(
    ("method", "members"), [("supervised", 1), ("mean_teacher", 2), ("dual_network", 2), ("dtlp", 2)]
)
def test_the_networks_that_tell_the_uncertainty_are_published_too(make_study, method, members):
    study = make_study(3)
    study.label("a")
    study.train(method=method)
    assert len(load_members(study.workspace.model)[1]) == members


def test_with_a_mean_of_networks_the_dice_of_each_alone_is_in_the_card(make_study, monkeypatch):
    study = make_study(6)
    study.label("abcde")
    fixed_dice(monkeypatch, 0.8, 0.6, 0.7)
    study.train(max_steps=1, method="dual_network")
    card = read_card(study.workspace.model)
    assert card["candidate"] == "mean"
    assert card["alone"] == {"first": [0.6], "second": [0.7]}


def test_of_one_network_there_is_no_dice_of_others(make_study, monkeypatch):
    study = make_study(6)
    study.label("abcde")
    fixed_dice(monkeypatch, 0.6, 0.8, 0.7)
    study.train(max_steps=1, method="dual_network")
    card = read_card(study.workspace.model)
    assert card["candidate"] == "first"
    assert "alone" not in card


def test_a_version_never_returns_even_where_the_published_model_was_moved_away(make_study):
    study = make_study(4)
    study.label("abc")
    study.train(max_steps=1)
    study.train(max_steps=1)
    study.workspace.model.unlink()
    study.train(max_steps=1)
    assert read_card(study.workspace.model)["version"] == 3
    assert read_json(study.workspace.scores)["version"] == 3


def test_a_model_that_was_replaced_during_a_training_is_measured_before_it_is_replaced(make_study, monkeypatch):
    """Sent by a request, put back by a command, or copied by hand: a training holds a Dice of another model."""
    study = make_study(6)
    study.label("abcde")
    fixed_dice(monkeypatch, 0.8)
    study.train(max_steps=1)
    sent = load_published(study.workspace.model)
    values = iter([0.8, 0.85, 0.9])  # published at the start; this training's; the one that was sent meanwhile

    def measure(validator, network, beat=None):
        value = next(values)
        if value == 0.85:
            save_published(study.workspace.model, sent.network, sent.plan, {**sent.card, "version": 7})
        return Measured({"organ": value})

    monkeypatch.setattr(run_module.Validator, "__call__", measure)
    monkeypatch.setattr(run_module.Trainer, "_after_step", lambda trainer, engine: None)  # one validation, at the end
    study.train(max_steps=1)
    assert read_card(study.workspace.model)["version"] == 7
    assert "0.900" in study.progress()["notes"][-1]
