from __future__ import annotations

import math

import pytest
import torch
from monai.losses import MaskedDiceLoss
from monai.networks.utils import one_hot

from fewlabel.losses.regions import in_regions, weighted_dice_cross_entropy
from fewlabel.losses.supervised import dice_cross_entropy


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 3, 4, 5, generator=generator, dtype=torch.float64)
    label = torch.randint(3, (2, 1, 3, 4, 5), generator=generator)
    return logits, label, torch.rand(2, 1, 3, 4, 5, generator=generator, dtype=torch.float64)


def certain(label, classes=3):
    return 1000.0 * one_hot(label, classes)


def test_two_voxels_by_hand():
    """Foreground 3/4 (is foreground, weight 1) and 1/5 (is not, weight 1/2): Dice 2.5 / (0.85 + 1 + 1)."""
    foreground = torch.tensor([3 / 4, 1 / 5]).reshape(1, 1, 1, 1, 2)
    logits = torch.cat([1 - foreground, foreground], 1).log()
    label, weight = torch.tensor([1, 0]).reshape(1, 1, 1, 1, 2), torch.tensor([1, 0.5]).reshape(1, 1, 1, 1, 2)
    expected = 1 - 2.5 / 2.85 + (math.log(4 / 3) + math.log(5 / 4) / 2) / 1.5
    assert weighted_dice_cross_entropy(logits, label, weight).item() == pytest.approx(expected)


def test_with_weights_of_one_it_is_the_supervised_loss(case):
    logits, label, weight = case
    plain = dice_cross_entropy(logits, label)
    torch.testing.assert_close(weighted_dice_cross_entropy(logits, label, torch.ones_like(weight)), plain)


def test_masked_dice_on_logits_the_loss_of_a_region_is_that_of_the_region_cut_out():
    """BCP's MaskedDiceLoss(softmax=True) masks logits, so that the outside counts as p = 1/C."""
    generator = torch.Generator().manual_seed(1)
    logits, label = torch.randn(1, 3, 4, 4, 8, generator=generator), torch.randint(3, (1, 1, 4, 4, 8))
    region = torch.zeros(1, 1, 4, 4, 8)
    region[..., :3] = 1
    cut = dice_cross_entropy(logits[..., :3], label[..., :3])
    torch.testing.assert_close(weighted_dice_cross_entropy(logits, label, region), cut)
    settings = {"include_background": False, "batch": True, "smooth_nr": 1.0, "smooth_dr": 1.0}
    right = MaskedDiceLoss(**settings)(logits.softmax(1), one_hot(label, 3), region)
    wrong = MaskedDiceLoss(**settings, softmax=True, to_onehot_y=True)(logits, label, region)
    assert wrong > right + 0.02
    entropy = torch.nn.functional.cross_entropy(logits[..., :3], label[:, 0, ..., :3])
    torch.testing.assert_close(weighted_dice_cross_entropy(logits, label, region) - entropy, right)


def test_certain_and_right_costs_nothing(case):
    _, label, weight = case
    assert weighted_dice_cross_entropy(certain(label), label, weight).item() == pytest.approx(0, abs=1e-6)


def test_voxels_of_weight_zero_cost_nothing_however_wrong_and_get_no_gradient(case):
    logits, label, weight = case
    weight = (weight > 0.5).double()
    other = torch.where(weight > 0, logits, 100 * torch.randn_like(logits)).requires_grad_()
    loss = weighted_dice_cross_entropy(other, label, weight)
    torch.testing.assert_close(loss, weighted_dice_cross_entropy(logits, label, weight))
    loss.backward()
    assert (other.grad * (1 - weight) == 0).all()


def test_an_empty_region_costs_nothing_and_has_a_gradient_of_zero(case):
    logits, label, weight = case
    logits.requires_grad_()
    loss = weighted_dice_cross_entropy(logits, label, torch.zeros_like(weight))
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()


def test_adding_one_number_to_all_logits_of_a_voxel_changes_nothing(case):
    logits, label, weight = case
    shift = torch.randn(2, 1, 3, 4, 5, dtype=torch.float64)
    moved = weighted_dice_cross_entropy(logits + shift, label, weight)
    torch.testing.assert_close(moved, weighted_dice_cross_entropy(logits, label, weight))


def test_permuting_voxels_changes_nothing(case):
    order = torch.randperm(60)
    moved = [value.flatten(-3)[..., order].reshape(value.shape) for value in case]
    torch.testing.assert_close(weighted_dice_cross_entropy(*moved), weighted_dice_cross_entropy(*case))


def test_permuting_foreground_classes_on_both_sides_changes_nothing(case):
    logits, label, weight = case
    order = torch.tensor([0, 2, 1])
    permuted = weighted_dice_cross_entropy(logits[:, order], order.argsort()[label], weight)
    torch.testing.assert_close(permuted, weighted_dice_cross_entropy(logits, label, weight))


def test_weights_get_no_gradient(case):
    logits, label, weight = case
    weighted_dice_cross_entropy(logits.requires_grad_(), label, weight.requires_grad_()).backward()
    assert weight.grad is None


def test_the_gradient_is_right(case):
    logits, label, weight = (value[..., :2, :2, :2] for value in case)
    logits = logits.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda value: weighted_dice_cross_entropy(value, label, weight), logits)


def test_several_regions_cost_what_each_costs_by_itself(case):
    logits, label, weight = case
    regions = [weight, (weight > 0.5).double(), torch.zeros_like(weight)]
    alone = [weighted_dice_cross_entropy(logits, label, region) for region in regions]
    torch.testing.assert_close(in_regions(logits, label, regions), alone)
    assert alone[0] != alone[1]
