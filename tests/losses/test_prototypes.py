from __future__ import annotations

import math

import pytest
import torch

from fewlabel.losses.prototypes import at_most_per_class, class_means, prototype_contrast


@pytest.fixture
def case():
    """Features of 2 volumes with 30 voxels, prototypes of 3 classes, which of them are known, classes, weights."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 4, 30, generator=generator, dtype=torch.float64)
    prototypes = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    classes = torch.randint(3, (2, 30), generator=generator)
    weight = torch.rand(2, 30, generator=generator, dtype=torch.float64)
    return features, prototypes, torch.tensor([True] * 3), classes, weight


def test_means_of_classes_by_hand():
    features = torch.tensor([[[1.0, 3.0, 5.0, 9.0], [0.0, 2.0, 4.0, 9.0]]])
    classes, mask = torch.tensor([[1, 1, 0, 0]]), torch.tensor([[True, True, True, False]])
    means, known = class_means(features, classes, mask, 3)
    assert means.tolist() == [[5, 4], [2, 1], [0, 0]]
    assert known.tolist() == [True, True, False]


def test_means_carry_no_gradient(case):
    features, _, _, classes, weight = case
    assert not class_means(features.requires_grad_(), classes, weight > 0.5, 3)[0].requires_grad


def test_means_of_an_empty_mask_are_zero_and_not_known(case):
    features, _, _, classes, weight = case
    means, known = class_means(features, classes, weight < 0, 3)
    assert (means == 0).all()
    assert not known.any()


def test_at_most_so_many_of_a_class_in_a_volume_are_kept_and_all_where_there_are_fewer():
    torch.manual_seed(0)
    classes = torch.tensor([[0] * 20 + [1] * 3 + [2] * 7, [2] * 30])
    mask = torch.ones(2, 30) > 0
    mask[0, :5] = False
    kept = at_most_per_class(classes, mask, 3, 6)
    assert not (kept & ~mask).any()
    assert [[(kept[b] & (classes[b] == c)).sum().item() for c in range(3)] for b in range(2)] == [[6, 3, 6], [0, 0, 6]]
    assert torch.equal(at_most_per_class(classes, mask, 3, 30), mask)


def test_two_voxels_by_hand():
    """Along their own prototype and across both: -ln(e² / (e² + 1)) of weight 1/2, and ln 2; temperature 1/2."""
    features = torch.tensor([[[3.0, 0.0], [0.0, 0.0], [0.0, 2.0]]])
    prototypes = torch.tensor([[5.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    weight = torch.tensor([[0.5, 1.0]])
    found = prototype_contrast(features, prototypes, torch.tensor([True, True]), torch.tensor([[0, 1]]), weight, 0.5)
    assert found.item() == pytest.approx((math.log(1 + math.exp(-2)) / 2 + math.log(2)) / 2)


def test_lengths_of_features_and_prototypes_do_not_matter(case):
    features, prototypes, *rest = case
    expected = prototype_contrast(*case, 0.1)
    torch.testing.assert_close(prototype_contrast(7 * features, 0.1 * prototypes, *rest, 0.1), expected)


def test_it_falls_as_prototypes_move_apart(case):
    """The published term is the distance of the prototypes, to be made small."""
    _, _, _, classes, weight = case
    apart, near = torch.eye(3, dtype=torch.float64), torch.eye(3, dtype=torch.float64) + 2
    losses = [
        prototype_contrast(centres[classes].movedim(-1, 1), centres, torch.ones(3) > 0, classes, weight, 0.1)
        for centres in (apart, near)
    ]
    assert losses[0] < 1e-3 < losses[1]


def test_permuting_voxels_or_classes_on_both_sides_changes_nothing(case):
    features, prototypes, known, classes, weight = case
    order, voxels = torch.tensor([2, 0, 1]), torch.randperm(30)
    expected = prototype_contrast(*case, 0.1)
    permuted = prototype_contrast(features, prototypes[order], known, order.argsort()[classes], weight, 0.1)
    torch.testing.assert_close(permuted, expected)
    moved = prototype_contrast(features[..., voxels], prototypes, known, classes[:, voxels], weight[:, voxels], 0.1)
    torch.testing.assert_close(moved, expected)


def test_a_class_without_a_prototype_neither_pulls_nor_pushes(case):
    features, prototypes, _, classes, weight = case
    known = torch.tensor([True, True, False])
    expected = prototype_contrast(
        features, prototypes[:2], known[:2], classes.clamp_max(1), weight * (classes < 2), 0.1
    )
    torch.testing.assert_close(prototype_contrast(features, prototypes, known, classes, weight, 0.1), expected)


def test_nothing_selected_and_nothing_known_cost_nothing_and_have_a_gradient_of_zero(case):
    features, prototypes, known, classes, weight = case
    features.requires_grad_()
    for loss in (
        prototype_contrast(features, prototypes, known, classes, torch.zeros_like(weight), 0.1),
        prototype_contrast(features, torch.zeros_like(prototypes), ~known, classes, weight, 0.1),
    ):
        (gradient,) = torch.autograd.grad(loss, features)
        assert loss == 0
        assert (gradient == 0).all()


def test_features_of_length_zero_stay_finite(case):
    features = torch.zeros_like(case[0]).requires_grad_()
    prototype_contrast(features, *case[1:], 0.1).backward()
    assert torch.isfinite(features.grad).all()


def test_prototypes_and_weights_get_no_gradient_and_features_the_right_one(case):
    features, prototypes, known, classes, weight = case
    features, prototypes, weight = (value.clone().requires_grad_() for value in (features, prototypes, weight))
    prototype_contrast(features, prototypes, known, classes, weight, 0.1).backward()
    assert prototypes.grad is None
    assert weight.grad is None
    rest = prototypes.detach(), known, classes, weight.detach()
    assert torch.autograd.gradcheck(lambda value: prototype_contrast(value, *rest, 0.5), features)
