from __future__ import annotations

import pytest
import torch
from torch import nn

from fewlabel.methods.base import total
from fewlabel.methods.mean_teacher import MeanTeacher


class CountedNetwork(nn.Module):
    """Counts the crops that it sees."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv3d(1, 2, 1)
        self.crops = 0

    def forward(self, image):
        self.crops += len(image)
        return self.head(image)


@pytest.fixture
def method():
    torch.manual_seed(0)
    return MeanTeacher(CountedNetwork, 2)


def test_labels_alone_are_learnt_first_at_the_cost_of_labels_alone(method, batches):
    step = method.step(*batches, progress=0.3)
    assert step.losses["consistency"] == method.weights(0.3)["consistency"] == 0
    assert (method.student.crops, method.teacher.network.crops) == (2, 0)


def test_later_the_student_sees_twice_the_crops_and_the_teacher_the_weak_ones(method, batches):
    method.step(*batches, progress=0.5)
    assert (method.student.crops, method.teacher.network.crops) == (4, 2)


def test_the_weight_grows_to_its_full_size_and_stays(method):
    grown = [method.weights(progress)["consistency"] for progress in (0.0, 0.36, 0.45, 0.6, 1.0)]
    assert grown == sorted(grown)
    assert grown[-1] == 1
    assert 0 < grown[1] < 0.05


def test_a_weight_of_zero_turns_the_term_off(batches):
    method = MeanTeacher(CountedNetwork, 2, consistency=0.0)
    step = method.step(*batches, progress=1.0)
    assert total(step, method.weights(1.0)) == step.losses["supervised"]
    assert method.teacher.network.crops == 0


def test_the_student_learns_from_the_strong_view_what_the_teacher_says_of_the_weak_one(method, batches):
    """A teacher that calls everything class 1 brings the student to say the same."""
    labelled, unlabelled = batches
    with torch.no_grad():
        method.teacher.network.head.weight.zero_()
        method.teacher.network.head.bias.copy_(torch.tensor([-5.0, 5.0]))
    optimiser = torch.optim.SGD(method.student.parameters(), 1.0)
    for _ in range(30):
        optimiser.zero_grad()
        method.step(labelled, unlabelled, 1.0).losses["consistency"].backward()
        optimiser.step()
    assert (method.student(unlabelled["strong"]).argmax(1) == 1).all()


def test_what_is_published_is_the_teacher(method):
    assert method.deployed is method.teacher.network
