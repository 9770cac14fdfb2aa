"""The target of a loss counts, voxel by voxel and class by class: for every loss that has one."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from fewlabel.losses.agreement import cosine_distance, divergence, masked_squared_error
from fewlabel.losses.ensemble import distillation
from fewlabel.losses.entropy_filter import filtered_cross_entropy, filtered_dice
from fewlabel.losses.propagation import propagation_loss
from fewlabel.losses.prototypes import prototype_contrast
from fewlabel.losses.pseudo_labels import masked_cross_entropy
from fewlabel.losses.reconstruction import feature_distance
from fewlabel.losses.rectification import rectification
from fewlabel.losses.regions import weighted_dice_cross_entropy
from fewlabel.losses.supervised import dice_cross_entropy

SHAPE = (2, 3, 2, 2)
CLASSES = 3
EVERY = torch.ones(SHAPE, dtype=torch.bool)
ONES = torch.ones(SHAPE)


def soft(classes):
    """Probabilities that are nearly certain of these classes."""
    return (8.0 * functional.one_hot(classes, CLASSES).movedim(-1, 1)).softmax(1)


def flat(values):
    return values.flatten(2) if values.ndim == 5 else values.flatten(1)


LOSSES = {
    "dice_cross_entropy": lambda z, y: dice_cross_entropy(z, y[:, None]),
    "weighted_dice_cross_entropy": lambda z, y: weighted_dice_cross_entropy(z, y[:, None], ONES[:, None]),
    "rectification": lambda z, y: rectification(z.softmax(1), y[:, None], EVERY),
    "masked_cross_entropy": lambda z, y: masked_cross_entropy(z, y, EVERY),
    "filtered_cross_entropy": lambda z, y: filtered_cross_entropy(z.log_softmax(1), y, EVERY, ONES),
    "filtered_dice": lambda z, y: filtered_dice(z.softmax(1), y, EVERY, ONES),
    "propagation_loss": lambda z, y: propagation_loss(z.softmax(1), y, EVERY),
    "divergence": lambda z, y: divergence(soft(y).log(), z.log_softmax(1)).mean(),
    "cosine_distance": lambda z, y: cosine_distance(z.softmax(1), soft(y)),
    "masked_squared_error": lambda z, y: masked_squared_error(z.softmax(1), soft(y), EVERY),
    "distillation": lambda z, y: distillation(z, soft(y)),
    "feature_distance": lambda z, y: feature_distance(z, soft(y)),
    "prototype_contrast": lambda z, y: prototype_contrast(
        flat(z), torch.eye(CLASSES), torch.ones(CLASSES) > 0, flat(y), flat(ONES), 0.5
    ),
}
# Those that count foreground classes alone: a voxel of background weighs by what is predicted there.
WITHOUT_BACKGROUND = {"filtered_dice"}


@pytest.fixture
def truth():
    torch.manual_seed(0)
    return torch.randint(CLASSES, SHAPE)


def saying(classes, sharpness=6.0):
    return sharpness * functional.one_hot(classes, CLASSES).movedim(-1, 1).float()


@pytest.mark.parametrize("name", LOSSES)
def test_the_right_classes_cost_less_than_any_others(name, truth):
    loss = LOSSES[name]
    right = loss(saying(truth), truth)
    for turn in (1, 2):
        assert right < 0.5 * loss(saying((truth + turn) % CLASSES), truth)
        assert right < 0.5 * loss(saying(truth), (truth + turn) % CLASSES)


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_said_being_the_same_another_target_costs_something_else_at_every_voxel(name, truth):
    loss = LOSSES[name]
    logits = saying(truth, 3.0)
    plain = loss(logits, truth)
    for voxel in range(truth.numel()):
        other = truth.flatten().clone()
        other[voxel] = (other[voxel] + 1) % CLASSES
        assert loss(logits, other.reshape(SHAPE)) > plain + 1e-4


@pytest.mark.parametrize("name", LOSSES)
def test_a_step_against_the_gradient_raises_the_class_that_is_right(name, truth):
    """Also where another class is thought more likely; of what is scaled to length 1, nearly everywhere."""
    torch.manual_seed(1)
    logits = torch.randn(SHAPE[0], CLASSES, *SHAPE[1:], requires_grad=True)
    (gradient,) = torch.autograd.grad(LOSSES[name](logits, truth), logits)
    towards = -gradient.gather(1, truth[:, None])[:, 0]
    counted = truth > 0 if name in WITHOUT_BACKGROUND else EVERY
    assert (towards[counted] > 0).float().mean() > 0.9


@pytest.mark.parametrize("name", LOSSES)
def test_learning_ends_with_the_target(name, truth):
    torch.manual_seed(1)
    logits = torch.randn(SHAPE[0], CLASSES, *SHAPE[1:], requires_grad=True)
    optimiser = torch.optim.Adam([logits], 0.3)
    for _ in range(60):
        optimiser.zero_grad()
        LOSSES[name](logits, truth).backward()
        optimiser.step()
    assert (logits.argmax(1) == truth).float().mean() > 0.95


@pytest.mark.parametrize("mask", ["masked_cross_entropy", "masked_squared_error", "rectification", "filtered"])
def test_of_a_mask_only_what_is_true_counts(mask, truth):
    wrong, right = saying((truth + 1) % CLASSES), saying(truth)
    selected = torch.zeros(SHAPE, dtype=torch.bool)
    selected[0] = True
    losses = {
        "masked_cross_entropy": lambda z: masked_cross_entropy(z, truth, selected),
        "masked_squared_error": lambda z: masked_squared_error(z.softmax(1), soft(truth), selected),
        "rectification": lambda z: rectification(z.softmax(1), truth[:, None], selected),
        "filtered": lambda z: filtered_cross_entropy(z.log_softmax(1), truth, selected, ONES),
    }
    loss = losses[mask]
    for first, second, costs in ((right, wrong, False), (wrong, right, True)):
        assert (loss(torch.stack([first[0], second[1]])) > 0.1) == costs
