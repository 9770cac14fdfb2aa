from __future__ import annotations

import pytest
import torch
from torch import nn

from fewlabel.methods.teacher import Teacher


class OneWeight(nn.Module):
    """A weight and a buffer that a test sets, so that the average is known in closed form."""

    def __init__(self, value=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(value))
        self.register_buffer("mean", torch.tensor(value))
        self.dropout = nn.Dropout(0.5)

    def forward(self, image):
        return self.dropout(image * self.weight)


def teach(teacher, values, progresses):
    for value, progress in zip(values, progresses, strict=True):
        teacher.update(OneWeight(float(value)), progress)
    assert teacher.network.weight == teacher.network.mean
    return teacher.network.weight.item()


def test_the_first_updates_are_a_plain_mean():
    assert teach(Teacher(OneWeight(99.0)), range(1, 11), [0.0] * 10) == pytest.approx(5.5)


def test_later_updates_are_an_exponential_average():
    teacher = Teacher(OneWeight(), decay=0.9)
    teach(teacher, [0.0] * 20, [0.0] * 20)
    assert teach(teacher, [1.0] * 5, [0.0] * 5) == pytest.approx(1 - 0.9**5)


def test_in_a_short_training_the_average_reaches_back_over_its_window_only():
    steps = 100
    teacher = Teacher(OneWeight(), decay=0.99, window=0.05)
    lag = steps - 1 - teach(teacher, range(steps), [step / steps for step in range(steps)])
    assert lag == pytest.approx(1 / (0.01 / 0.05) - 1, abs=0.1)  # the mean age of an exponential average


def test_a_training_that_begins_anew_does_not_reset_the_average():
    teacher = Teacher(OneWeight(), decay=0.9)
    teach(teacher, [0.0] * 20, [step / 20 for step in range(20)])
    assert teach(teacher, [1.0], [0.0]) == pytest.approx(0.1)


def test_it_stays_in_evaluation_mode_whatever_its_owner_does():
    owner = nn.ModuleList([Teacher(OneWeight(1.0))]).train()
    image = torch.ones(1000)
    assert torch.equal(owner[0](image), image)


def test_it_asks_for_no_gradient_and_gives_none():
    student = OneWeight(1.0)
    teacher = Teacher(student)
    teacher.update(student, 0.5)
    assert student.weight.requires_grad
    assert not teacher.network.weight.requires_grad
    assert not teacher(torch.ones(3, requires_grad=True)).requires_grad


def test_it_shares_no_memory_with_the_student():
    student = OneWeight(1.0)
    teacher = Teacher(student)
    teacher.update(student, 0.0)
    student.weight.data.fill_(7)
    student.mean.fill_(7)
    assert teacher.network.weight == teacher.network.mean == 1
