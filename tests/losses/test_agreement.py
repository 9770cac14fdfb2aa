from __future__ import annotations

import math

import pytest
import torch

from fewlabel.losses.agreement import agreement_weights, cosine_distance, divergence, masked_squared_error


@pytest.fixture
def case():
    """Logits of two networks and a mask."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 2, 3, 3, 4, 5, generator=generator, dtype=torch.float64).unbind()
    return first, second, torch.rand(2, 3, 4, 5, generator=generator) > 0.5


def squared_error(first, second, mask=None):
    return masked_squared_error(first.softmax(1), second.softmax(1), torch.ones_like(first[:, 0]) > 0)


PAIRS = {
    "divergence": lambda logits, target: divergence(target.log_softmax(1), logits.log_softmax(1)).mean(),
    "weights": lambda logits, target: 1 - agreement_weights(logits.log_softmax(1), target.log_softmax(1)).mean(),
    "cosine": lambda logits, target: cosine_distance(logits.softmax(1), target.softmax(1)),
    "squared error": squared_error,
}
LEARNING = {name: loss for name, loss in PAIRS.items() if name != "weights"}


def two_voxels(*foreground):
    """Log-probabilities of two voxels with these foreground probabilities."""
    values = torch.tensor(foreground, dtype=torch.float64).reshape(1, 1, 1, 1, 2)
    return torch.cat([1 - values, values], 1).log()


def test_divergence_of_two_voxels_by_hand():
    """Target 1/2 against 1/4: ½ ln(½ / ¾) + ½ ln(½ / ¼) = ½ ln(4/3); then equal."""
    found = divergence(two_voxels(1 / 2, 1 / 5), two_voxels(1 / 4, 1 / 5)).flatten()
    assert found.tolist() == pytest.approx([math.log(4 / 3) / 2, 0])


def test_weights_of_two_voxels_by_hand():
    """1/2 and 1/4: D = ½ (½ ln(4/3)) + ½ (¾ ln(3/2) + ¼ ln(1/2)) = 1/8 ln 3."""
    found = agreement_weights(two_voxels(1 / 2, 1 / 5), two_voxels(1 / 4, 1 / 5)).flatten()
    assert found.tolist() == pytest.approx([math.exp(-math.log(3) / 8), 1])


def test_cosine_distance_of_two_voxels_by_hand():
    """(1/2, 1/2) and (1/5, 4/5): cosine 0.5 / (√0.5 √0.68); then equal."""
    found = PAIRS["cosine"](two_voxels(1 / 2, 1 / 5), two_voxels(4 / 5, 1 / 5)).item()
    assert found == pytest.approx((1 - 0.5 / math.sqrt(0.5 * 0.68)) / 2)


def test_squared_error_of_two_voxels_by_hand():
    """Differences 1/2 and 1/5 in both classes; with both voxels, then with the first alone."""
    pair = two_voxels(3 / 4, 1 / 5).softmax(1), two_voxels(1 / 4, 2 / 5).softmax(1)
    both, first = torch.tensor([[True, True], [True, False]]).reshape(2, 1, 1, 1, 2)
    assert masked_squared_error(*pair, both).item() == pytest.approx((2 * 0.25 + 2 * 0.04) / 2)
    assert masked_squared_error(*pair, first).item() == pytest.approx(2 * 0.25)


@pytest.mark.parametrize("name", PAIRS)
def test_saying_the_same_costs_nothing_and_something_else_does(name, case):
    assert PAIRS[name](case[0], case[0].clone()).item() == pytest.approx(0, abs=1e-12)
    assert PAIRS[name](case[0], case[1]) > 0.01


@pytest.mark.parametrize("name", PAIRS)
def test_adding_one_number_to_all_logits_of_a_voxel_changes_nothing(name, case):
    first, second, _ = case
    shift = torch.randn(2, 1, 3, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(PAIRS[name](first + shift, second - 2 * shift), PAIRS[name](first, second))


@pytest.mark.parametrize("name", PAIRS)
def test_permuting_voxels_or_classes_on_both_sides_changes_nothing(name, case):
    first, second, _ = case
    order, voxels = torch.tensor([2, 0, 1]), torch.randperm(60)
    expected = PAIRS[name](first, second)
    torch.testing.assert_close(PAIRS[name](first[:, order], second[:, order]), expected)
    moved = [logits.flatten(2)[..., voxels].reshape(logits.shape) for logits in (first, second)]
    torch.testing.assert_close(PAIRS[name](*moved), expected)


@pytest.mark.parametrize("name", LEARNING)
def test_the_target_gets_no_gradient_and_the_learner_the_right_one(name, case):
    logits, target = (value[:1, ..., :2, :2, :2].clone().requires_grad_() for value in case[:2])
    LEARNING[name](logits, target).backward()
    assert target.grad is None
    assert logits.grad.abs().sum() > 0
    assert torch.autograd.gradcheck(lambda value: LEARNING[name](value, target.detach()), logits)


def test_weights_carry_no_gradient(case):
    assert not agreement_weights(*(each.requires_grad_().log_softmax(1) for each in case[:2])).requires_grad


@pytest.mark.parametrize("name", PAIRS)
def test_extreme_logits_stay_finite(name, case):
    first, second = (1e4 * logits.float() for logits in case[:2])
    first.requires_grad_()
    loss = PAIRS[name](first, second)
    assert torch.isfinite(loss)
    if name in LEARNING:
        loss.backward()
        assert torch.isfinite(first.grad).all()


def test_an_empty_mask_costs_nothing_and_has_a_gradient_of_zero(case):
    logits = case[0].requires_grad_()
    loss = masked_squared_error(logits.softmax(1), case[1].softmax(1), torch.zeros_like(case[2]))
    loss.backward()
    assert loss == 0
    assert (logits.grad == 0).all()
