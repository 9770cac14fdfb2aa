"""What one step of a training does to the weights, in which order, and with which numbers."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from fewlabel.methods import METHODS
from fewlabel.methods.base import Method, Step
from fewlabel.training.budget import learning_rate
from fewlabel.training.trainer import Trainer


class Watching(Method):
    """One weight for each of two terms, whose slope a test sets; notes what the trainer does.

    Attributes:
        events: names of the calls and the progress of each.
        seen: at each ``after_step``: the weights and their gradients.
        batches: what each step was given.
    """

    description = "watching"
    trains = {"supervised": ("first",), "pool": ("second",)}  # noqa: RUF012 as the contract says

    def __init__(self, slope=1.0, pool=0.0):
        super().__init__(lambda: None, 2)
        self.first, self.second = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.frozen = nn.Parameter(torch.full((3,), 5.0), requires_grad=False)
        self.slope, self.pool = slope, pool
        self.events, self.seen, self.batches, self.modes = [], [], [], []

    def step(self, labelled, unlabelled, progress):
        self.events.append(("step", progress))
        self.batches.append((labelled, unlabelled))
        self.modes.append(self.training)
        logits = torch.cat([-labelled["label"].float(), labelled["label"].float()], 1) + 0 * self.first
        return Step(logits, {"supervised": self.slope * self.first, "pool": self.slope * self.second})

    def weights(self, progress):
        self.events.append(("weights", progress))
        return {"supervised": 1.0, "pool": self.pool}

    def after_step(self, progress):
        self.events.append(("after_step", progress))
        state = [float(each) for each in (self.first, self.second)]
        slopes = [None if each.grad is None else float(each.grad) for each in (self.first, self.second)]
        self.seen.append((state, slopes))

    @property
    def deployed(self):
        return self

    @property
    def member_networks(self):
        return (self,)


@pytest.fixture
def trained(make_trainer):
    """Callable (method, steps, ...): the trainer after its run."""

    def run(method, steps=5, **more):
        trainer = make_trainer(steps=steps, method=method, **more)
        trainer.run()
        return trainer

    return run


def steps_of(method, name):
    return [progress for event, progress in method.events if event == name]


def test_each_step_is_followed_by_one_after_step_at_the_same_progress(trained):
    method = Watching()
    trained(method)
    order = [event for event, _ in method.events if event != "weights"]
    assert order == ["step", "after_step"] * 5
    assert steps_of(method, "step") == steps_of(method, "after_step")


def test_after_step_sees_the_weights_that_the_step_has_just_made(trained):
    method = Watching()
    trained(method)
    first = [state[0] for state, _ in method.seen]
    assert first[0] < 0
    assert first == sorted(first, reverse=True)
    assert len(set(first)) == 5


def test_progress_goes_from_the_start_of_the_budget_to_its_end_step_by_step(trained):
    method = Watching()
    trained(method, steps=10)
    assert steps_of(method, "step") == pytest.approx([number / 10 for number in range(10)], abs=0.02)


def test_the_weights_of_the_terms_are_those_of_the_step_s_own_progress(trained):
    method = Watching()
    trained(method)
    for (event, at), (following, then) in itertools.pairwise(method.events):
        if event == "step":
            assert (following, then) == ("weights", at)


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_a_term_counts_by_its_weight(trained, weight):
    method = Watching(pool=weight)
    trained(method, steps=1)
    _, (first, second) = method.seen[0]
    assert first == 1
    assert (second or 0.0) == weight


def test_gradients_of_one_step_do_not_reach_the_next(trained):
    method = Watching()
    trained(method)
    assert [slopes[0] for _, slopes in method.seen] == [1.0] * 5


@pytest.mark.parametrize(("slope", "norm"), [(1e-3, 1e-3), (11.9, 11.9), (100.0, 12.0), (1e6, 12.0)])
def test_a_wild_gradient_is_cut_to_a_norm_of_twelve_and_others_are_left_alone(trained, slope, norm):
    """The norm is that of all weights together."""
    method = Watching(slope / 2**0.5, pool=1.0)
    trained(method, steps=2)
    for _, slopes in method.seen:
        assert torch.tensor(slopes).norm().item() == pytest.approx(norm, rel=1e-4)


def test_the_learning_rate_follows_its_schedule_at_each_step(make_trainer):
    method = Watching()
    trainer = make_trainer(steps=20, method=method, highest=0.5)
    rates, after = [], method.after_step
    method.after_step = lambda progress: (rates.append(trainer.optimiser.param_groups[0]["lr"]), after(progress))
    trainer.run()
    assert rates == pytest.approx([learning_rate(done, 0.5) for done in steps_of(method, "step")])
    assert max(rates) > 10 * min(rates)


def test_what_asks_for_no_gradient_is_left_as_it_is(trained):
    method = Watching()
    trained(method, highest=0.5)
    assert (method.frozen == 5).all()


def test_weights_that_no_term_asks_to_move_hardly_decay(trained):
    method = Watching(slope=0.0)
    nn.init.ones_(method.first)
    trained(method, steps=20, highest=0.01)
    assert 1 - 1e-4 < float(method.first) < 1


def test_every_step_trains_though_a_validation_looked_at_it_in_between(trained):
    method = Watching()
    trained(method, steps=20, validate=lambda network, done: network.eval() and 0.5)
    assert method.modes == [True] * 20


def test_the_method_gets_the_batches_of_the_loader_one_by_one_and_whole(trained, batches):
    method = Watching()
    trained(method, loader=batches(seed=3))
    for (labelled, unlabelled), expected in zip(method.batches, batches(seed=3), strict=False):
        assert labelled.keys() == {"image", "label"}
        assert unlabelled.keys() == {"weak", "strong"}
        for given, there in ((labelled, expected["labelled"]), (unlabelled, expected["unlabelled"])):
            assert all(torch.equal(given[key], there[key]) for key in there)


def test_after_harm_the_pool_is_kept_from_the_method(make_trainer):
    method = Watching()
    trainer = make_trainer(steps=5, method=method)
    trainer.guard.labels_only = True
    trainer.run()
    assert all(unlabelled is None for _, unlabelled in method.batches)


@pytest.mark.parametrize("name", METHODS)
def test_the_teacher_of_a_real_method_moves_with_its_student(make_trainer, name):
    settings = {"denoising": 0.0} if name == "dtlp" else {}  # its diffusion teacher needs larger crops
    method = METHODS[name](lambda: nn.Conv3d(1, 2, 3, padding=1), 2, **settings)
    if not hasattr(method, "teacher"):
        pytest.skip(f"{name} has no teacher")
    before = method.teacher.network.weight.clone()
    trainer = make_trainer(steps=10, method=method)
    trainer.run()
    assert int(method.teacher.updates) == 10
    assert not torch.equal(method.teacher.network.weight, before)


def test_losses_that_are_reported_are_those_of_the_terms_and_their_weighted_sum(trained):
    method = Watching(slope=2.0, pool=0.5)
    trainer = trained(method, steps=3)
    losses = trainer.progress.snapshot()["losses"]
    assert losses["total"] == pytest.approx(losses["supervised"] + 0.5 * losses["pool"], abs=1e-4)


def test_a_finished_training_says_so_in_its_checkpoint_and_an_unfinished_does_not(make_trainer):
    trainer = make_trainer(steps=3, method=Watching())
    trainer.save(finished=False)
    assert not torch.load(trainer.checkpoint, weights_only=True)["finished"]
    trainer.run()
    saved = torch.load(trainer.checkpoint, weights_only=True)
    assert saved["finished"]
    assert saved["step"] == 3
    assert isinstance(trainer, Trainer)
