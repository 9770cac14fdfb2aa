"""A method that is made worse by unlabelled scans must not get far."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from fewlabel.losses.supervised import dice_cross_entropy
from fewlabel.methods.base import Step
from fewlabel.methods.mean_teacher import MeanTeacher
from fewlabel.methods.supervised import Supervised
from fewlabel.training.guard import HarmGuard
from fewlabel.training.trainer import dice_of_crops
from fewlabel.workspace import read_json


class Harmful(Supervised):
    """From half of the training on it learns that nothing is anywhere, far more than it learns the labels."""

    def step(self, labelled, unlabelled, progress):
        logits = self.network(labelled["image"])
        losses = {"supervised": dice_cross_entropy(logits, labelled["label"]), "nothing": logits.new_zeros(())}
        if unlabelled is not None:
            weak = self.network(unlabelled["weak"])
            losses["nothing"] = dice_cross_entropy(weak, torch.zeros_like(labelled["label"]))
        return Step(logits, losses)

    def weights(self, progress):
        return {"supervised": 1.0, "nothing": 100.0 if progress >= 0.5 else 0.0}


def network():
    return nn.Conv3d(1, 2, 3, padding=1)


def train(make_trainer, method, **arguments):
    trainer = make_trainer(steps=200, method=method, highest=0.05, **arguments)
    trainer.run()
    return trainer


def fit(trainer):
    batch = next(iter(trainer.loader))["labelled"]
    with torch.no_grad():
        return dice_of_crops(trainer.method.deployed(batch["image"]), batch["label"])


def test_a_collapse_on_the_labelled_crops_is_noticed_undone_and_reported(make_trainer):
    trainer = train(make_trainer, Harmful(network, 2))
    assert trainer.guard.labels_only
    note = next(note for note in trainer.progress.snapshot()["notes"] if "did harm" in note)
    assert "Dice on the labelled crops fell from" in note
    assert "goes on with labels alone" in note
    assert trainer.step == 200
    assert fit(trainer) > 0.9


def test_without_the_guard_the_same_training_collapses(make_trainer, monkeypatch):
    monkeypatch.setattr(HarmGuard, "harm", lambda *_: "")
    assert fit(train(make_trainer, Harmful(network, 2))) < 0.5


def test_a_collapse_on_the_validation_cases_is_noticed_too(make_trainer):
    measured = iter([0.5, 0.7, 0.8, 0.8, 0.8, 0.8, 0.5, 0.8, 0.8, 0.8, 0.8])
    trainer = train(make_trainer, MeanTeacher(network, 2), validate=lambda method, done: next(measured))
    assert trainer.guard.labels_only
    assert "the Dice on the validation cases fell from 0.80 to 0.50" in " ".join(trainer.progress.snapshot()["notes"])


def test_a_training_that_goes_well_is_left_alone(make_trainer):
    trainer = train(make_trainer, MeanTeacher(network, 2))
    assert not trainer.guard.labels_only
    assert not any("did harm" in note for note in trainer.progress.snapshot()["notes"])


def test_before_unlabelled_scans_are_learnt_from_nothing_is_blamed_on_them(make_trainer):
    measured = iter([0.8, 0.2, *[0.2] * 9])
    trainer = train(make_trainer, MeanTeacher(network, 2), validate=lambda method, done: next(measured))
    assert not trainer.guard.labels_only


def test_an_interrupted_training_remembers_to_do_without(make_trainer):
    trainer = make_trainer(steps=200, method=MeanTeacher(network, 2))
    trainer.guard.labels_only = True
    trainer.step = 7
    trainer.save(finished=False)
    again = make_trainer(steps=200, method=MeanTeacher(network, 2))
    again.resume()
    assert again.guard.labels_only
    assert again.step == 7


@pytest.mark.parametrize("value", [None, math.nan])
def test_what_cannot_be_measured_is_no_harm(value):
    guard = HarmGuard()
    assert guard.harm(0.9, "labelled crops", True) == ""
    assert guard.harm(value, "labelled crops", True) == ""


def test_the_labelled_crops_are_looked_at_fifty_times_in_a_training():
    guard = HarmGuard()
    assert sum(guard.is_due(step / 2000) for step in range(2000)) == 50


def test_a_note_is_written_where_people_look(make_trainer, tmp_path):
    train(make_trainer, Harmful(network, 2))
    assert any("did harm" in note for note in read_json(tmp_path / "progress.json")["notes"])


def test_the_state_that_is_put_back_is_the_one_that_was_kept():
    """However the weights move on in between, in place as optimisers do."""
    method = nn.Linear(2, 1)
    optimiser = torch.optim.SGD(method.parameters(), 0.1, momentum=0.9)
    guard = HarmGuard()
    method(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    kept = {key: value.clone() for key, value in method.state_dict().items()}
    momentum = optimiser.state[method.weight]["momentum_buffer"].clone()
    guard.keep(3, method, optimiser)
    for _ in range(4):
        method(torch.ones(1, 2)).sum().backward()
        optimiser.step()
    assert "step 3" in guard.go_back(method, optimiser)
    for key, value in method.state_dict().items():
        assert torch.equal(value, kept[key])
    assert torch.equal(optimiser.state[method.weight]["momentum_buffer"], momentum)
