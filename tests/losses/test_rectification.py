from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from fewlabel.losses.rectification import confident_disagreement, rectification


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 3, 4, 5, generator=generator, dtype=torch.float64)
    label = torch.randint(3, (2, 1, 3, 4, 5), generator=generator)
    return logits, label, torch.rand(2, 3, 4, 5, generator=generator) > 0.5


def volume(*rows):
    """Probabilities of a few voxels, a row for each class."""
    return torch.tensor(rows).reshape(1, len(rows), 1, 1, -1)


def test_they_disagree_where_classes_differ_and_one_of_them_is_confident():
    first = volume([0.6, 0.6, 0.50, 0.1], [0.4, 0.4, 0.45, 0.2], [0.0, 0.0, 0.05, 0.7])
    second = volume([0.4, 0.7, 0.40, 0.5], [0.6, 0.3, 0.55, 0.4], [0.0, 0.0, 0.05, 0.1])
    for pair in ((first, second), (second, first)):
        assert confident_disagreement(*pair, 0.6).flatten().tolist() == [True, False, False, True]


def test_two_voxels_by_hand():
    """True classes 1 and 0 with probabilities 3/4 and 4/5; with both voxels, then with the first alone."""
    probabilities, label = volume([1 / 4, 4 / 5], [3 / 4, 1 / 5]), torch.tensor([1, 0]).reshape(1, 1, 1, 1, 2)
    both, first = torch.tensor([[True, True], [True, False]]).reshape(2, 1, 1, 1, 2)
    assert rectification(probabilities, label, both).item() == pytest.approx((2 / 16 + 2 / 25) / 2)
    assert rectification(probabilities, label, first).item() == pytest.approx(2 / 16)


def test_certain_and_right_costs_nothing(case):
    _, label, mask = case
    assert rectification(functional.one_hot(label[:, 0], 3).movedim(-1, 1).double(), label, mask) == 0


def test_permuting_voxels_or_classes_on_both_sides_changes_nothing(case):
    logits, label, mask = case
    order, voxels = torch.tensor([2, 0, 1]), torch.randperm(60)
    expected = rectification(logits.softmax(1), label, mask)
    permuted = rectification(logits[:, order].softmax(1), order.argsort()[label], mask)
    torch.testing.assert_close(permuted, expected)
    moved = [value.flatten(-3)[..., voxels].reshape(value.shape) for value in (logits.softmax(1), label, mask)]
    torch.testing.assert_close(rectification(*moved), expected)


def test_adding_one_number_to_all_logits_of_a_voxel_changes_nothing(case):
    logits, label, mask = case
    shifted = (logits + torch.randn(2, 1, 3, 4, 5, dtype=torch.float64)).softmax(1)
    torch.testing.assert_close(rectification(shifted, label, mask), rectification(logits.softmax(1), label, mask))


def test_an_empty_mask_costs_nothing_and_has_a_gradient_of_zero(case):
    logits = case[0].requires_grad_()
    loss = rectification(logits.softmax(1), case[1], torch.zeros_like(case[2]))
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_the_gradient_is_right(case):
    logits, label, mask = (value[:1, ..., :2, :2, :2] for value in case)
    logits = logits.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda value: rectification(value.softmax(1), label, mask), logits)
