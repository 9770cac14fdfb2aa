from __future__ import annotations

import math

import pytest
import torch

from fewlabel.losses.ensemble import distillation, entropy_weighted_mean


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 2, 4, 3, 2, 5, generator=generator, dtype=torch.float64).unbind()


def voxels(*rows):
    """Probabilities of 1 crop with one row of voxels, each given as its class probabilities."""
    return torch.tensor(rows).T.reshape(1, len(rows[0]), 1, 1, len(rows))


def moved(value, order):
    return value.flatten(-3)[..., order].reshape(value.shape)


def test_ensemble_of_two_voxels_by_hand():
    """At the first voxel one teacher is certain (H = 0) and one guesses (H = 1 bit); at the second they swap."""
    first, second = voxels([1.0, 0.0], [0.5, 0.5]), voxels([0.5, 0.5], [0.0, 1.0])
    sure = 1 / (1 + math.exp(-1))
    expected = voxels([sure + (1 - sure) / 2, (1 - sure) / 2], [(1 - sure) / 2, sure + (1 - sure) / 2])
    torch.testing.assert_close(entropy_weighted_mean(first, second), expected)


def test_two_teachers_that_agree_are_left_as_they_are(case):
    probabilities = case[0].softmax(1)
    torch.testing.assert_close(entropy_weighted_mean(probabilities, probabilities), probabilities)


def test_the_ensemble_is_symmetric_sums_to_one_and_carries_no_gradient(case):
    first, second = (value.requires_grad_().softmax(1) for value in case)
    mean = entropy_weighted_mean(first, second)
    torch.testing.assert_close(mean, entropy_weighted_mean(second, first))
    torch.testing.assert_close(mean.sum(1), torch.ones(2, 3, 2, 5, dtype=torch.float64))
    assert not mean.requires_grad


def test_the_ensemble_does_not_depend_on_the_order_of_classes_or_voxels(case):
    first, second = (value.softmax(1) for value in case)
    mean, classes, order = entropy_weighted_mean(first, second), torch.tensor([3, 0, 2, 1]), torch.randperm(30)
    torch.testing.assert_close(entropy_weighted_mean(first[:, classes], second[:, classes]), mean[:, classes])
    torch.testing.assert_close(entropy_weighted_mean(moved(first, order), moved(second, order)), moved(mean, order))


def test_certain_teachers_that_contradict_each_other_give_a_half_each():
    mean = entropy_weighted_mean(voxels([1.0, 0.0, 0.0]), voxels([0.0, 0.0, 1.0]))
    torch.testing.assert_close(mean, voxels([0.5, 0.0, 0.5]))


def test_distillation_of_two_voxels_by_hand():
    target, student = voxels([0.5, 0.5], [0.2, 0.8]), voxels([0.25, 0.75], [0.2, 0.8])
    expected = (0.5 * math.log(2) + 0.5 * math.log(2 / 3)) / 2
    assert distillation(student.log(), target).item() == pytest.approx(expected, rel=1e-5)


def test_distillation_at_temperature_two_by_hand():
    """Square roots, normalised: the target 1/5, 4/5 becomes 1/3, 2/3; the student 1/2 stays; times 4."""
    loss = distillation(torch.zeros(1, 2, 1, 1, 1), voxels([0.2, 0.8]), temperature=2.0)
    expected = 4 * (math.log(2 / 3) / 3 + 2 * math.log(4 / 3) / 3)
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_a_student_that_says_the_same_costs_nothing(case, temperature):
    loss = distillation(case[0], case[0].softmax(1), temperature)
    torch.testing.assert_close(loss, torch.zeros_like(loss), atol=1e-9, rtol=0)


def test_distillation_keeps_its_value_under_shifts_and_permutations(case):
    student, target = case[0], case[1].softmax(1)
    loss, shift, order = distillation(student, target, 1.5), torch.randn(2, 1, 3, 2, 5), torch.randperm(30)
    classes = torch.tensor([3, 0, 2, 1])
    torch.testing.assert_close(distillation(student + shift, target, 1.5), loss)
    torch.testing.assert_close(distillation(moved(student, order), moved(target, order), 1.5), loss)
    torch.testing.assert_close(distillation(student[:, classes], target[:, classes], 1.5), loss)


def test_distillation_sends_no_gradient_to_the_teacher_and_the_right_one_to_the_student(case):
    student, target = (value[..., :2, :2, :2].clone().requires_grad_() for value in case)
    distillation(student, target.softmax(1)).backward()
    assert target.grad is None
    assert student.grad.any()
    fixed = target.detach().softmax(1)
    assert torch.autograd.gradcheck(lambda value: distillation(value, fixed, 1.5), student)


def test_certain_teachers_and_students_give_a_finite_loss_and_gradient():
    """Without a bound, log 0 of a certain teacher makes NaN."""
    logits = torch.tensor([1e4, -1e4]).reshape(1, 2, 1, 1, 1).requires_grad_()
    loss = distillation(logits, voxels([0.0, 1.0]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()
