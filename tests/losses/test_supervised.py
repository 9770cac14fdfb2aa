from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from fewlabel.losses.supervised import dice_cross_entropy


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 3, 4, 5, generator=generator, dtype=torch.float64)
    return logits, torch.randint(3, (2, 1, 3, 4, 5), generator=generator)


def certain(label, classes=3):
    """Logits that leave no doubt of a label B1DHW."""
    return 100.0 * functional.one_hot(label[:, 0].long(), classes).movedim(-1, 1)


def test_two_voxels_by_hand():
    """Foreground probabilities 3/4 (is foreground) and 1/5 (is not): Dice (2 * 3/4 + 1) / (19/20 + 1 + 1)."""
    foreground = torch.tensor([3 / 4, 1 / 5]).reshape(1, 1, 1, 1, 2)
    logits = torch.cat([1 - foreground, foreground], 1).log()
    label = torch.tensor([1, 0]).reshape(1, 1, 1, 1, 2)
    expected = 1 - 2.5 / 2.95 + (math.log(4 / 3) + math.log(5 / 4)) / 2
    assert dice_cross_entropy(logits, label).item() == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64, torch.float32])
def test_certain_and_right_costs_nothing_in_any_label_type(case, dtype):
    label = case[1].to(dtype)
    assert dice_cross_entropy(certain(label), label).item() == pytest.approx(0, abs=1e-6)


def test_an_empty_foreground_that_is_predicted_costs_nothing():
    label = torch.zeros(1, 1, 4, 4, 4)
    assert dice_cross_entropy(certain(label), label).item() == pytest.approx(0, abs=1e-6)


def test_an_absent_class_is_pushed_down_wherever_it_is_predicted():
    logits = torch.zeros(1, 3, 4, 4, 4, requires_grad=True)
    loss = dice_cross_entropy(logits, torch.ones(1, 1, 4, 4, 4))
    loss.backward()
    assert torch.isfinite(loss)
    assert (logits.grad[:, 2] > 0).all()
    assert (logits.grad[:, 1] < 0).all()


def test_adding_one_number_to_all_logits_of_a_voxel_changes_nothing(case):
    logits, label = case
    shift = torch.randn(2, 1, 3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(dice_cross_entropy(logits + shift, label), dice_cross_entropy(logits, label))


def test_permuting_voxels_changes_nothing(case):
    order = torch.randperm(60)
    moved = [value.flatten(-3)[..., order].reshape(value.shape) for value in case]
    torch.testing.assert_close(dice_cross_entropy(*moved), dice_cross_entropy(*case))


def test_permuting_foreground_classes_on_both_sides_changes_nothing(case):
    logits, label = case
    order = torch.tensor([0, 2, 1])
    permuted = dice_cross_entropy(logits[:, order], order.argsort()[label])
    torch.testing.assert_close(permuted, dice_cross_entropy(logits, label))


def test_the_gradient_is_right(case):
    logits, label = (value[..., :2, :2, :2] for value in case)
    logits = logits.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda value: dice_cross_entropy(value, label), logits)
