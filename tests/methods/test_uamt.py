from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from fewlabel.methods.base import total
from fewlabel.methods.uamt import UncertaintyAwareMeanTeacher


class CountedNetwork(nn.Module):
    """Counts the crops that it sees; with dropout, as V-Net has it."""

    def __init__(self):
        super().__init__()
        self.body = nn.Conv3d(1, 4, 1)
        self.dropout = nn.Dropout3d()
        self.head = nn.Conv3d(4, 2, 1)
        self.crops = 0

    def forward(self, image):
        self.crops += len(image)
        return self.head(self.dropout(self.body(image)))


def make(**settings):
    torch.manual_seed(0)
    return UncertaintyAwareMeanTeacher(CountedNetwork, 2, **settings)


def test_labels_alone_are_learnt_first_at_the_cost_of_labels_alone(batches):
    method = make()
    step = method.step(*batches, progress=0.3)
    assert step.losses["consistency"] == method.weights(0.3)["consistency"] == 0
    assert (method.student.crops, method.teacher.network.crops) == (2, 0)


@pytest.mark.parametrize("passes", [1, 8])
def test_later_the_teacher_is_asked_as_often_as_set(passes, batches):
    method = make(passes=passes)
    method.step(*batches, progress=1.0)
    assert (method.student.crops, method.teacher.network.crops) == (4, 2 * passes)


def test_a_weight_of_zero_turns_the_term_off(batches):
    method = make(consistency=0.0)
    step = method.step(*batches, progress=1.0)
    assert total(step, method.weights(1.0)) == step.losses["supervised"]
    assert method.teacher.network.crops == 0


def test_the_bound_rises_from_three_quarters_to_all_of_the_greatest_entropy():
    bounds = [make().bound(progress) / math.log(2) for progress in (0.0, 0.36, 0.45, 0.6, 1.0)]
    assert bounds == sorted(bounds)
    assert (bounds[0], bounds[-1]) == (0.75, 1)


def test_the_teacher_is_asked_with_dropout_and_noise_and_is_as_before_afterwards(batches):
    for settings in ({"noise": 0.0, "passes": 1}, {"noise": 0.5, "passes": 1}):
        method = make(**settings)
        if settings["noise"]:
            method.teacher.network.dropout.p = 0.0
        answers = [method.noisy_mean(batches[1]["weak"]) for _ in range(2)]
        assert not torch.equal(*answers)
        assert not any(module.training for module in method.teacher.modules())


def test_noise_is_cut_off_at_twice_its_deviation(batches):
    method = make(noise=0.1, passes=1)
    image, seen = batches[1]["weak"].repeat(8, 1, 1, 1, 1), []
    method.teacher.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    method.noisy_mean(image)
    assert (seen[0] - image).abs().max().item() == pytest.approx(0.2, abs=1e-4)


def test_only_voxels_of_low_entropy_are_followed(batches):
    """A teacher that is nearly sure is followed; one that guesses is not."""
    for bias, followed in ((5.0, True), (0.1, False)):
        method = make(first_bound=0.9, ramp=1.0)
        with torch.no_grad():
            method.teacher.network.head.weight.zero_()
            method.teacher.network.head.bias.copy_(torch.tensor([-bias, bias]))
        loss = method.step(*batches, progress=0.4).losses["consistency"]
        assert (loss > 0) == followed


def test_what_is_published_is_the_teacher():
    method = make()
    assert method.deployed is method.teacher.network
