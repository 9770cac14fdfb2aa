from __future__ import annotations

import math

import pytest
import torch

from fewlabel.losses.pseudo_labels import confident_classes, masked_cross_entropy


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 3, 4, 5, generator=generator, dtype=torch.float64)
    classes = torch.randint(3, (2, 3, 4, 5), generator=generator)
    return logits, classes, torch.rand(2, 3, 4, 5, generator=generator) > 0.5


def test_two_voxels_by_hand():
    """Probabilities 3/4 and 1/5 of the true classes; with both voxels, then with the first alone."""
    probabilities = torch.tensor([[3 / 4, 4 / 5], [1 / 4, 1 / 5]]).reshape(1, 2, 1, 1, 2)
    classes = torch.tensor([0, 1]).reshape(1, 1, 1, 2)
    both, first = torch.tensor([True, True]), torch.tensor([True, False])
    loss = masked_cross_entropy(probabilities.log(), classes, both.reshape(1, 1, 1, 2))
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(5)) / 2)
    loss = masked_cross_entropy(probabilities.log(), classes, first.reshape(1, 1, 1, 2))
    assert loss.item() == pytest.approx(math.log(4 / 3))


def test_certain_and_right_costs_nothing(case):
    _, classes, mask = case
    logits = 1000.0 * torch.nn.functional.one_hot(classes, 3).movedim(-1, 1)
    assert masked_cross_entropy(logits, classes, mask) == 0


def test_adding_one_number_to_all_logits_of_a_voxel_changes_nothing(case):
    logits, classes, mask = case
    shift = torch.randn(2, 1, 3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(
        masked_cross_entropy(logits + shift, classes, mask), masked_cross_entropy(logits, classes, mask)
    )


def test_permuting_voxels_changes_nothing(case):
    logits, classes, mask = case
    order = torch.randperm(60)
    moved = [value.flatten(-3)[..., order].reshape(value.shape) for value in case]
    torch.testing.assert_close(masked_cross_entropy(*moved), masked_cross_entropy(logits, classes, mask))


def test_permuting_classes_on_both_sides_changes_nothing(case):
    logits, classes, mask = case
    order = torch.tensor([2, 0, 1])
    permuted = masked_cross_entropy(logits[:, order], order.argsort()[classes], mask)
    torch.testing.assert_close(permuted, masked_cross_entropy(logits, classes, mask))


def test_it_equals_the_mean_over_the_selected_voxels(case):
    logits, classes, mask = case
    selected = torch.nn.functional.cross_entropy(logits.movedim(1, -1)[mask], classes[mask])
    torch.testing.assert_close(masked_cross_entropy(logits, classes, mask), selected)


def test_an_empty_mask_costs_nothing_and_has_a_gradient_of_zero(case):
    logits, classes, mask = case
    logits.requires_grad_()
    loss = masked_cross_entropy(logits, classes, torch.zeros_like(mask))
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_the_gradient_is_right(case):
    logits, classes, mask = (value[:1, ..., :2, :2, :2] for value in case)
    logits = logits.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda value: masked_cross_entropy(value, classes, mask), logits)


def test_confident_classes_are_those_at_or_above_the_threshold():
    probabilities = torch.tensor([[0.81, 0.5, 0.25], [0.19, 0.5, 0.75]]).reshape(1, 2, 1, 1, 3)
    classes, mask = confident_classes(probabilities, 0.75)
    assert classes.flatten().tolist()[::2] == [0, 1]
    assert mask.flatten().tolist() == [True, False, True]


def test_pseudo_labels_carry_no_gradient(case):
    probabilities = case[0].requires_grad_().softmax(1)
    assert not any(value.requires_grad for value in confident_classes(probabilities, 0.5))
