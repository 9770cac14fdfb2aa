from __future__ import annotations

import math

import pytest
import torch

from fewlabel.losses.propagation import propagate, propagation_loss, token_grid


@pytest.fixture
def case():
    """Queries, keys and probabilities of three classes on a grid of 2 x 3 x 4."""
    generator = torch.Generator().manual_seed(0)
    queries, keys = torch.randn(2, 2, 5, 2, 3, 4, generator=generator, dtype=torch.float64).unbind()
    return queries, keys, torch.randn(2, 3, 2, 3, 4, generator=generator, dtype=torch.float64).softmax(1)


def moved(value, order):
    return value.flatten(2)[..., order].reshape(value.shape)


def test_two_voxels_by_hand():
    """Features of length 1: q1·k1 = log 3, q1·k2 = 0, so weights 3/4 and 1/4; the second takes half of each."""
    queries = torch.tensor([math.log(3), 0.0]).reshape(1, 1, 1, 1, 2)
    keys = torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 1, 2)
    probabilities = torch.tensor([[1.0, 0.2], [0.0, 0.8]]).reshape(1, 2, 1, 1, 2)
    expected = torch.tensor([[3 / 4 + 0.2 / 4, 0.6], [0.8 / 4, 0.4]]).reshape(1, 2, 1, 1, 2)
    torch.testing.assert_close(propagate(queries, keys, probabilities), expected)


def test_corrmatch_normalisation_what_is_propagated_is_a_convex_combination_of_probabilities(case):
    """CorrMatch normalises over the destinations: what arrives at a voxel then does not sum to 1."""
    queries, keys, probabilities = case
    result = propagate(queries * 10, keys, probabilities)
    torch.testing.assert_close(result.sum(1), torch.ones(2, 2, 3, 4, dtype=torch.float64))
    flat, source = result.flatten(2), probabilities.flatten(2)
    assert (flat <= source.max(2, keepdim=True).values + 1e-12).all()
    assert (flat >= source.min(2, keepdim=True).values - 1e-12).all()
    likeness = (10 * queries.flatten(2)).transpose(1, 2) @ keys.flatten(2) / math.sqrt(5)
    torch.testing.assert_close(flat, source @ likeness.softmax(2).transpose(1, 2))
    planted = source @ likeness.softmax(1).transpose(1, 2)
    assert (planted.sum(1) - 1).abs().max() > 0.1


def test_voxels_that_all_say_the_same_are_left_as_they_are(case):
    same = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).reshape(1, 3, 1, 1, 1).expand(2, 3, 2, 3, 4)
    torch.testing.assert_close(propagate(case[0], case[1], same), same)


def test_permuting_voxels_permutes_what_is_propagated(case):
    order = torch.randperm(24)
    result = propagate(*(moved(value, order) for value in case))
    torch.testing.assert_close(result, moved(propagate(*case), order))


def test_permuting_classes_permutes_what_is_propagated(case):
    queries, keys, probabilities = case
    torch.testing.assert_close(propagate(queries, keys, probabilities.flip(1)), propagate(*case).flip(1))


def test_each_crop_is_by_itself(case):
    together = propagate(*case)[:1]
    torch.testing.assert_close(together, propagate(*(value[:1] for value in case)))


def test_the_probabilities_get_no_gradient_queries_and_keys_the_right_one(case):
    queries, keys, probabilities = (value[:1, :, :1, :2, :2].clone().requires_grad_() for value in case)
    propagate(queries, keys, probabilities).square().sum().backward()
    assert probabilities.grad is None
    fixed = probabilities.detach()
    assert torch.autograd.gradcheck(lambda one, other: propagate(one, other, fixed), (queries, keys))


def test_the_loss_of_two_voxels_by_hand():
    propagated = torch.tensor([[0.25, 0.5], [0.75, 0.5]]).reshape(1, 2, 1, 1, 2)
    classes = torch.tensor([1, 0]).reshape(1, 1, 1, 2)
    weight = torch.tensor([1.0, 0.5]).reshape(1, 1, 1, 2)
    expected = (math.log(4 / 3) + math.log(2) / 2) / 1.5
    assert propagation_loss(propagated, classes, weight).item() == pytest.approx(expected)


def test_certain_and_right_costs_nothing_on_a_coarser_grid_too():
    classes = torch.ones(1, 8, 8, 8, dtype=torch.long)
    propagated = torch.tensor([0.0, 1.0, 0.0]).reshape(1, 3, 1, 1, 1).expand(1, 3, 2, 2, 2)
    assert propagation_loss(propagated, classes, torch.ones(1, 8, 8, 8)) == 0


def test_on_a_coarser_grid_it_is_the_cross_entropy_of_the_nearest_tokens(case):
    generator = torch.Generator().manual_seed(0)
    classes = torch.randint(3, (2, 4, 6, 8), generator=generator)
    weight = torch.rand(2, 4, 6, 8, generator=generator, dtype=torch.float64)
    fine = torch.nn.functional.interpolate(case[2], scale_factor=2, mode="nearest")
    entropy = torch.nn.functional.nll_loss(fine.log(), classes, reduction="none")
    expected = (weight * entropy).sum() / weight.sum()
    torch.testing.assert_close(propagation_loss(case[2], classes, weight), expected)


def test_a_class_that_is_not_propagated_at_all_gives_a_finite_loss():
    propagated = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1, 1).requires_grad_()
    loss = propagation_loss(propagated, torch.ones(1, 1, 1, 1), torch.ones(1, 1, 1, 1))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(propagated.grad).all()


def test_an_empty_mask_costs_nothing_and_has_a_gradient_of_zero(case):
    probabilities = case[2].clone().requires_grad_()
    loss = propagation_loss(probabilities, torch.zeros(2, 4, 6, 8), torch.zeros(2, 4, 6, 8, dtype=torch.bool))
    loss.backward()
    assert loss == 0
    assert (probabilities.grad == 0).all()


def test_the_gradient_of_the_loss_is_right(case):
    probabilities = case[2][:1, :, :1, :2, :2].clone().requires_grad_()
    classes = torch.randint(3, (1, 2, 4, 4), generator=torch.Generator().manual_seed(0))
    weight = torch.ones(1, 2, 4, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda value: propagation_loss(value, classes, weight), probabilities)


@pytest.mark.parametrize("size", [(5, 6, 5), (14, 14, 10), (16, 16, 16), (40, 3, 9)])
def test_the_grid_of_tokens_is_bounded_and_kept_where_it_is_small(size):
    grid = token_grid(size, 1000)
    assert math.prod(grid) <= 1000
    assert all(0 < side <= whole for side, whole in zip(grid, size, strict=True))
    assert grid == size if math.prod(size) <= 1000 else math.prod(grid) > 800
