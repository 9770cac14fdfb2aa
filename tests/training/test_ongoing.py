"""A training without an end: what is published beside it, what it goes on from, how it recovers from harm."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
from torch import nn

from fewlabel.methods import METHODS
from fewlabel.training import ongoing as ongoing_module
from fewlabel.training.budget import TrainerConfig
from fewlabel.training.clock import RETRY_AFTER, WARM_UP, Clock
from fewlabel.training.ongoing import OngoingTrainer
from fewlabel.training.ongoing_progress import OngoingProgress


class Loader:
    """Batches that take a second each, begun anew as often as is asked."""

    def __init__(self, make):
        self.make = make

    def __iter__(self):
        return self.make(1.0)


@pytest.fixture
def loader(slow):
    return Loader(slow)


@pytest.fixture
def make_ongoing(tmp_path, clock, loader, identity, monkeypatch):
    """Callable (steps, ...) giving a trainer whose steps take a second each by a clock of its own."""
    monkeypatch.setattr(ongoing_module, "time", clock)

    def make(steps=30, look=lambda candidate, done: math.nan, loader=loader, identity=identity, method=None, **more):
        torch.manual_seed(0)
        method = method or METHODS["mean_teacher"](lambda: nn.Conv3d(1, 2, 3, padding=1), 2)
        progress = OngoingProgress(tmp_path / "progress.json")
        config = TrainerConfig("cpu", 1e-2, tmp_path / "checkpoint.pt", identity)
        more = {"most_steps": steps, **more}
        return OngoingTrainer(method, loader, Clock(look_every=10.0), progress, config, look, **more)

    return make


def state_of(trainer):
    """Copies of all that is trained."""
    return copy.deepcopy((trainer.method.state_dict(), trainer.optimiser.state_dict()))


def test_a_branch_leaves_what_is_trained_as_it_was_bit_by_bit(make_ongoing, same):
    trainer = make_ongoing()
    trainer.run()
    before = state_of(trainer)
    with trainer._candidate(iter(trainer.loader)) as branch:
        assert branch is trainer.method
        assert not same(state_of(trainer)[0], before[0]), "a branch learns"
        after_step = copy.deepcopy(branch.state_dict())
    assert same(state_of(trainer), before)
    assert trainer.method is not branch
    assert same(branch.state_dict(), after_step)


def test_a_branch_that_fails_leaves_it_too(make_ongoing, same):
    trainer = make_ongoing(steps=12)
    trainer.run()
    before, method = state_of(trainer), trainer.method
    with pytest.raises(RuntimeError, match="the disk is full"), trainer._candidate(iter(trainer.loader)):
        raise RuntimeError("the disk is full")
    assert trainer.method is method
    assert same(state_of(trainer), before)


def test_looks_change_nothing_of_the_trunk_but_the_batches_that_it_sees(make_ongoing, batches, same):
    """With batches that are all the same, a training with branches and one without are one."""

    def one(batch):
        while True:
            yield batch

    batch = next(iter(batches()))
    trained = []
    for publishes in ("branch", "mean"):
        trainer = make_ongoing(loader=one(batch), publishes=publishes)
        trainer._train_step = timed(trainer._train_step)
        trainer.run()
        trained.append(state_of(trainer))
    assert same(*trained)


def timed(step):
    def one_second(engine, batch):
        ongoing_module.time.now += 1
        return step(engine, batch)

    return one_second


def test_training_time_is_counted_in_what_was_given(make_ongoing):
    """Five a step, three steps of the trunk; a branch does not count."""
    counter = itertools.count(0, 5)  # asked twice a step
    trainer = make_ongoing(steps=3, now=lambda: float(next(counter)))
    trainer.run()
    assert trainer.clock.trained == 15.0


def test_the_rate_of_a_branch_falls_to_zero_and_that_of_the_trunk_does_not(make_ongoing):
    trainer, rates, trunk_rates = make_ongoing(steps=60), [], []
    trunk, step = trainer.method, trainer._train_step

    def watched(engine, batch):
        output = step(engine, batch)
        rate = trainer.optimiser.param_groups[0]["lr"]
        (trunk_rates if trainer.method is trunk else rates).append(rate)
        return output

    trainer._train_step = watched
    trainer.run()
    assert trunk_rates[-1] == max(trunk_rates) == trainer.highest
    assert len(rates) >= 6
    assert min(rates) < 0.5 * trainer.highest
    assert max(rates) == pytest.approx(trainer.highest, rel=0.2)


def test_averaged_weights_are_published_without_any_further_step(make_ongoing):
    seen = []
    trainer = make_ongoing(publishes="mean", look=lambda method, done: seen.append(copy.deepcopy(method)) or 0.5)
    trainer.run()
    assert trainer.step == 30
    weights, mean = trainer.method.state_dict(), seen[-1].state_dict()
    assert any(not torch.equal(weights[key], mean[key]) for key in weights)
    assert all(torch.allclose(weights[key].float(), mean[key].float(), atol=0.2) for key in weights)


def test_a_look_comes_after_the_first_seconds_and_then_every_round(make_ongoing):
    looks, trainer = [], make_ongoing(steps=45)
    trainer.validate = lambda method, done: looks.append(trainer.clock.trained) or math.nan
    trainer.run()
    assert looks == [10, 20, 30, 40, 45]


def test_it_goes_on_where_it_was(make_ongoing, same):
    first = make_ongoing(steps=13)
    first.run()
    second = make_ongoing(steps=5)
    assert second.resume() == "Went on at step 13."
    assert same(state_of(second), state_of(first))
    assert second.clock == first.clock
    second.run()
    assert second.step == 18
    assert second.clock.trained == 18


def test_a_new_label_is_taken_in_without_starting_over(make_ongoing, loader, identity, same):
    trainer = make_ongoing(steps=13)
    trainer.run()
    before, trained = state_of(trainer), trainer.clock.trained
    trainer.labels_came(loader, {**identity, "labelled": ["a", "b", "c"]})
    assert same(state_of(trainer), before)
    assert trainer.clock.trained == trained
    trainer.run()
    assert trainer.step == 26
    other = make_ongoing(steps=1, identity={**identity, "labelled": ["a"]})
    assert other.resume() == "Went on at step 26, with other labels."
    assert other.clock.trained == 26


def test_other_classes_begin_from_scratch(make_ongoing, identity):
    make_ongoing(steps=3).run()
    other = make_ongoing(identity={**identity, "plan": {"classes": ["organ", "tumour"]}})
    assert "from scratch" in other.resume()
    assert other.clock.trained == 0


def test_it_goes_on_from_a_training_on_request_and_lends_it_its_weights(make_ongoing, make_trainer):
    make_trainer(steps=4).run()
    ongoing = make_ongoing(steps=2)
    assert ongoing.resume() == "Went on at step 4."
    ongoing.run()
    asked = make_trainer(steps=3)
    assert asked.resume() == "Went on from the weights of the last training."


def test_it_ends_for_the_reason_that_it_is_given(make_ongoing):
    trainer = make_ongoing(steps=100)
    trainer.ends = lambda: "labels" if trainer.step == 7 else ""
    trainer.run()
    assert (trainer.step, trainer.ended_by) == (7, "labels")


def test_it_waits_before_each_step(make_ongoing):
    asked, trainer = [], make_ongoing(steps=4)
    trainer.waits = lambda: asked.append(trainer.step)
    trainer.clock.looked = 0.0
    trainer.look = None
    trainer.run()
    assert asked[:4] == [0, 1, 2, 3]


def test_after_harm_the_pool_rests_and_is_tried_again_at_half_the_weight(make_ongoing):
    trainer = make_ongoing(steps=10)
    trainer.clock.trained = WARM_UP
    trainer.run()
    whole = trainer.weights(1.0)
    trainer.guard.harm(0.9, "labelled crops", True)
    trainer._watch(0.5, "labelled crops", 1.0)
    assert trainer.guard.labels_only
    assert "tried again" in trainer.progress.snapshot()["notes"][-1]
    trainer.clock.trained += RETRY_AFTER - 20
    trainer.run()
    assert trainer.guard.labels_only
    assert trainer.progress.snapshot()["pool_rests"]
    trainer.clock.trained += 20
    trainer.run()
    assert not trainer.guard.labels_only
    half = trainer.weights(1.0)
    for name in half:
        assert half[name] == whole[name] * (1 if name in trainer.method.labelled_terms else 0.5)


def test_after_harm_the_average_begins_anew_from_the_healthy_state(make_ongoing, same):
    trainer = make_ongoing(publishes="mean")
    trainer.run()
    trainer.guard.keep(trainer.step, trainer.method, trainer.optimiser)
    trainer._watch(0.9, "labelled crops", 1.0)
    trainer._watch(0.5, "labelled crops", 1.0)
    assert trainer.guard.labels_only
    assert same(trainer.mean.method.state_dict(), trainer.method.state_dict())


def test_after_harm_the_next_label_brings_the_pool_back_at_its_whole_weight(make_ongoing, loader, identity):
    trainer = make_ongoing(steps=3)
    trainer.run()
    whole = trainer.weights(1.0)
    trainer._watch(0.9, "validation cases", 1.0)
    trainer._watch(0.5, "validation cases", 1.0)
    assert trainer.guard.labels_only
    trainer.save(finished=True)
    restarted = make_ongoing()
    restarted.resume()
    assert restarted.guard.labels_only, "a restart is no recovery"
    restarted.labels_came(loader, identity)
    assert not restarted.guard.labels_only
    assert restarted.weights(1.0) == whole
    assert "with the new label" in restarted.progress.snapshot()["notes"][-1]


def test_weights_that_are_no_numbers_end_it_and_are_never_kept(make_ongoing, same):
    trainer = make_ongoing(steps=10)
    trainer.run()
    kept = torch.load(trainer.checkpoint, weights_only=True)
    with torch.no_grad():
        next(iter(trainer.method.parameters())).fill_(math.nan)
    with pytest.raises(RuntimeError, match="diverged"):
        trainer.run()
    assert same(torch.load(trainer.checkpoint, weights_only=True)["method"], kept["method"])
