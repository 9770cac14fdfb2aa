from __future__ import annotations

import pytest
import torch

from fewlabel.losses.reconstruction import feature_distance, hide_voxels


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 2, 6, 3, 2, 5, generator=generator).unbind()


def test_two_voxels_by_hand():
    """Directions 45 degrees apart, 2 - √2, and opposite, 4; lengths do not matter."""
    features = torch.tensor([[3.0, 0.0], [2.0, 0.0]]).T.reshape(1, 2, 1, 1, 2)
    target = torch.tensor([[1.0, 1.0], [-5.0, 0.0]]).T.reshape(1, 2, 1, 1, 2)
    assert feature_distance(features, target).item() == pytest.approx((2 - 2**0.5 + 4) / 2, rel=1e-5)


def test_the_same_features_cost_nothing_whatever_their_scale(case):
    assert feature_distance(case[0], case[0]) == 0
    assert feature_distance(case[0], 7 * case[0]).item() == pytest.approx(0, abs=1e-10)


def test_permuting_voxels_or_channels_on_both_sides_changes_nothing(case):
    loss, order = feature_distance(*case), torch.randperm(30)
    moved = [value.flatten(-3)[..., order].reshape(value.shape) for value in case]
    torch.testing.assert_close(feature_distance(*moved), loss)
    torch.testing.assert_close(feature_distance(*(value.flip(1) for value in case)), loss)


def test_the_target_gets_no_gradient(case):
    features, target = (value.requires_grad_() for value in case)
    feature_distance(features, target).backward()
    assert target.grad is None
    assert features.grad.any()


def test_features_of_zero_give_a_finite_bounded_gradient(case):
    features = torch.zeros_like(case[0]).requires_grad_()
    feature_distance(features, case[1]).backward()
    assert torch.isfinite(features.grad).all()
    assert features.grad.abs().max() < 1e3


def test_the_gradient_is_right():
    features, target = torch.rand(2, 1, 3, 2, 1, 2, dtype=torch.float64) + 0.5
    features.requires_grad_()
    assert torch.autograd.gradcheck(lambda value: feature_distance(value, target), features)


def test_hidden_voxels_are_zero_in_all_channels_and_the_others_stay():
    features = torch.rand(2, 4, 20, 20, 20) + 1
    result = hide_voxels(features, 0.5, torch.Generator().manual_seed(0))
    hidden = (result == 0).all(1, keepdim=True)
    assert torch.equal(result, features * ~hidden)
    assert hidden.float().mean().item() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(("share", "kept"), [(0.0, True), (1.0, False)])
def test_nothing_or_everything_can_be_hidden(case, share, kept):
    assert torch.equal(hide_voxels(case[0], share), case[0] * kept)
