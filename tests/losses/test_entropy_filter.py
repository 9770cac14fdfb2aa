from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from fewlabel.losses.entropy_filter import entropy_bounds, filtered_cross_entropy, filtered_dice, spread_sample
from fewlabel.losses.supervised import dice_cross_entropy


def filtered_dice_of_logits(logits, classes, mask, weight):
    return filtered_dice(logits.softmax(1), classes, mask, weight)


def filtered_cross_entropy_of_logits(logits, classes, mask, weight):
    return filtered_cross_entropy(logits.log_softmax(1), classes, mask, weight)


LOSSES = {"cross entropy": filtered_cross_entropy_of_logits, "dice": filtered_dice_of_logits}


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 3, 4, 5, generator=generator, dtype=torch.float64)
    classes = torch.randint(3, (2, 3, 4, 5), generator=generator)
    mask, weight = torch.rand(2, 2, 3, 4, 5, generator=generator, dtype=torch.float64).unbind()
    return logits, classes, mask > 0.5, weight


@pytest.mark.parametrize("length", [101, 150, 1003])
def test_a_sample_is_spread_over_all_voxels_without_repetition(length):
    torch.manual_seed(0)
    seen = torch.zeros(length)
    for _ in range(300):
        sample = spread_sample(length, 100, torch.device("cpu"))
        assert (sample.diff() > 0).all()
        seen[sample] += 1
    assert (seen > 0).all()
    assert spread_sample(7, 100, torch.device("cpu")).tolist() == list(range(7))


@pytest.mark.parametrize("keep", [0.5, 0.8, 1.0])
def test_the_bounds_keep_the_asked_share_of_lowest_entropies_of_each_class(keep):
    entropy = torch.randperm(1000).reshape(10, 10, 10) / 1000
    classes = (torch.arange(1000) % 10 > 6).long().reshape(10, 10, 10) * 2  # 700 of class 0, 300 of class 2
    bounds = entropy_bounds(entropy, classes, 3, keep)
    for value in (0, 2):
        assert (entropy[classes == value] <= bounds[value]).float().mean() == pytest.approx(keep, abs=2e-3)
    assert bounds[1] == -1


def test_a_small_class_is_taught_though_all_of_the_background_is_surer():
    entropy, classes = torch.tensor([0.1] * 90 + [0.5, 0.6] * 5), torch.tensor([0] * 90 + [1] * 10)
    together = entropy_bounds(entropy, torch.zeros_like(classes), 2, 0.8)
    apart = entropy_bounds(entropy, classes, 2, 0.5)
    assert (together.tolist(), apart.tolist()) == ([pytest.approx(0.1), -1], pytest.approx([0.1, 0.5]))


def test_of_many_voxels_a_sample_is_enough():
    torch.manual_seed(0)
    entropy = torch.rand(100_000)
    bound = entropy_bounds(entropy, torch.zeros(100_000, dtype=torch.long), 1, 0.5, most=5000)
    assert bound.item() == pytest.approx(0.5, abs=0.03)


def test_two_voxels_by_hand():
    """True classes' probabilities 3/4 (of weight 1/2) and 1/5 (of weight 1); then without the second."""
    foreground = torch.tensor([3 / 4, 4 / 5]).reshape(1, 1, 1, 1, 2)
    logits = torch.cat([1 - foreground, foreground], 1).log()
    classes, weight = torch.tensor([1, 0]).reshape(1, 1, 1, 2), torch.tensor([0.5, 1.0]).reshape(1, 1, 1, 2)
    both, first = torch.tensor([[True, True], [True, False]]).reshape(2, 1, 1, 1, 2)
    expected = (math.log(4 / 3) / 2 + math.log(5)) / 2
    assert filtered_cross_entropy(logits, classes, both, weight).item() == pytest.approx(expected)
    assert filtered_cross_entropy(logits, classes, first, weight).item() == pytest.approx(math.log(4 / 3) / 2)
    expected = 1 - (2 * 3 / 8 + 1) / (3 / 8 + 4 / 5 + 1 / 2 + 1)
    assert filtered_dice(logits.softmax(1), classes, both, weight).item() == pytest.approx(expected)
    expected = 1 - (2 * 3 / 8 + 1) / (3 / 8 + 1 / 2 + 1)
    assert filtered_dice(logits.softmax(1), classes, first, weight).item() == pytest.approx(expected)


def test_with_all_voxels_and_weights_of_one_both_are_the_loss_on_labels(case):
    logits, classes, mask, weight = case
    every = torch.ones_like(mask), torch.ones_like(weight)
    found = sum(loss(logits, classes, *every) for loss in LOSSES.values())
    torch.testing.assert_close(found, dice_cross_entropy(logits, classes[:, None]))


@pytest.mark.parametrize("name", LOSSES)
def test_certain_and_right_costs_nothing(name, case):
    _, classes, mask, weight = case
    logits = 1000.0 * functional.one_hot(classes, 3).movedim(-1, 1).double()
    assert LOSSES[name](logits, classes, mask, weight).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_not_selected_has_no_influence(name, case):
    logits, classes, mask, weight = case
    other = torch.where(mask[:, None], logits, torch.randn_like(logits))
    torch.testing.assert_close(LOSSES[name](other, classes, mask, weight), LOSSES[name](*case))


@pytest.mark.parametrize("name", LOSSES)
def test_adding_one_number_to_all_logits_of_a_voxel_changes_nothing(name, case):
    shift = torch.randn(2, 1, 3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(LOSSES[name](case[0] + shift, *case[1:]), LOSSES[name](*case))


@pytest.mark.parametrize("name", LOSSES)
def test_permuting_voxels_or_foreground_classes_on_both_sides_changes_nothing(name, case):
    logits, classes, mask, weight = case
    order, voxels = torch.tensor([0, 2, 1]), torch.randperm(60)
    expected = LOSSES[name](*case)
    torch.testing.assert_close(LOSSES[name](logits[:, order], order.argsort()[classes], mask, weight), expected)
    moved = [value.flatten(-3)[..., voxels].reshape(value.shape) for value in case]
    torch.testing.assert_close(LOSSES[name](*moved), expected)


@pytest.mark.parametrize("name", LOSSES)
def test_an_empty_mask_costs_nothing_and_has_a_gradient_of_zero(name, case):
    logits, classes, mask, weight = case
    logits.requires_grad_()
    loss = LOSSES[name](logits, classes, torch.zeros_like(mask), weight)
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_weights_get_no_gradient_and_logits_the_right_one(name, case):
    logits, classes, mask, weight = (value[:1, ..., :2, :2, :2] for value in case)
    logits, weight = logits.clone().requires_grad_(), weight.clone().requires_grad_()
    LOSSES[name](logits, classes, mask, weight).backward()
    assert weight.grad is None
    assert torch.autograd.gradcheck(lambda value: LOSSES[name](value, classes, mask, weight.detach()), logits)
