"""What a training goes on with after it was interrupted, finished, or its study changed."""

import itertools

import pytest
import torch
from torch import nn

from fewlabel.methods import METHODS
from fewlabel.training.budget import Budget


def test_the_time_before_an_interruption_counts(make_trainer, interrupt, slow):
    interrupt(make_trainer(steps=1000, seconds=10.0, loader=slow(1.0)), at=6)
    trainer = make_trainer(steps=1000, seconds=10.0, loader=slow(1.0))
    assert trainer.resume() == "Went on with the interrupted training at step 6."
    assert trainer.done() == pytest.approx(0.6)
    trainer.run()
    assert trainer.step == 10


def test_an_interrupted_training_goes_on_with_equal_state(make_trainer, interrupt, same):
    first = make_trainer()
    interrupt(first, at=5)
    second = make_trainer(method=METHODS["mean_teacher"](lambda: nn.Conv3d(1, 2, 3, padding=1), 2))
    assert second.resume() == "Went on with the interrupted training at step 5."
    assert second.step == 5
    assert same(first.method.state_dict(), second.method.state_dict())
    assert same(first.optimiser.state_dict(), second.optimiser.state_dict())
    second.run()
    assert second.step == 20


def test_going_on_gives_the_same_weights_as_never_having_stopped(make_trainer, interrupt, batches):
    whole = make_trainer(steps=10)
    whole.run()
    stream = batches()
    interrupt(make_trainer(steps=10, loader=itertools.islice(stream, 5)), at=5)
    second = make_trainer(steps=10, loader=stream)
    second.resume()
    second.run()
    for key, value in whole.method.state_dict().items():
        assert torch.allclose(value, second.method.state_dict()[key], atol=1e-6)


def test_after_a_finished_training_the_weights_are_kept_and_the_steps_begin_anew(make_trainer, same):
    first = make_trainer(steps=3)
    first.run()
    second = make_trainer(steps=3)
    assert second.resume() == "Went on from the weights of the last training."
    assert second.step == 0
    assert second.optimiser.state_dict()["state"] == {}
    assert same(first.method.state_dict(), second.method.state_dict())


def test_with_new_labels_the_weights_are_kept_and_the_steps_begin_anew(make_trainer, interrupt, identity):
    interrupt(make_trainer(), at=5)
    trainer = make_trainer(identity={**identity, "labelled": ["a", "b", "c"]})
    assert trainer.resume() == "Went on from the weights of the last training."
    assert trainer.step == 0


@pytest.mark.parametrize("changed", [{"method": "supervised"}, {"plan": {"classes": ["organ", "tumour"]}}])
def test_with_another_plan_or_method_it_starts_from_scratch(make_trainer, changed, interrupt, identity, same):
    interrupt(make_trainer(), at=5)
    trainer = make_trainer(identity={**identity, **changed})
    fresh = {key: value.clone() for key, value in trainer.method.state_dict().items()}
    assert "from scratch" in trainer.resume()
    assert same(trainer.method.state_dict(), fresh)


def damage(path, how):
    content = torch.load(path, weights_only=True)
    if how == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif how == "no keys":
        torch.save({}, path)
    elif how == "no step":
        del content["step"]
        torch.save(content, path)
    elif how == "other network":
        name = list(content["method"])[-1]
        content["method"][name] = torch.zeros(99)
        torch.save(content, path)
    elif how == "code":
        torch.save({**content, "identity": Budget(1, 1)}, path)


@pytest.mark.parametrize("how", ["half", "no keys", "no step", "other network", "code"])
def test_a_damaged_checkpoint_stops_no_training_and_leaves_no_trace(make_trainer, how, interrupt, same):
    first = make_trainer()
    interrupt(first, at=5)
    damage(first.checkpoint, how)
    trainer = make_trainer()
    fresh = {key: value.clone() for key, value in trainer.method.state_dict().items()}
    assert "could not be read" in trainer.resume()
    assert trainer.step == 0
    assert same(trainer.method.state_dict(), fresh)
    trainer.run()
