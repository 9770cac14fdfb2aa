"""Faults of the published code of the dual network, one test each.

``test_fault_2_N`` is row N of the list of faults that came with this method's specification. Rows 15, 16 and 18 are
of dead code, data loading and evaluation, which this method has no part in.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from fewlabel.losses.entropy_filter import filtered_cross_entropy
from fewlabel.losses.prototypes import prototype_contrast
from fewlabel.methods.base import total
from fewlabel.methods.dual_network import DualNetwork
from fewlabel.training.trainer import dice_of_crops

CROP = (4, 4, 4)


class Fixed(nn.Module):
    """Gives logits that a test sets, the same for every voxel, and remembers its inputs."""

    def __init__(self, logits):
        super().__init__()
        self.convolution = nn.Conv3d(1, 4, 1)
        self.head = nn.Conv3d(4, len(logits), 1)
        nn.init.zeros_(self.head.weight)
        self.head.bias.data = torch.tensor(logits)
        self.seen = []

    def forward(self, image):
        self.seen.append(image)
        return self.head(self.convolution(image))


class Small(nn.Sequential):
    def __init__(self, classes):
        super().__init__(nn.Conv3d(1, 6, 3, padding=1), nn.LeakyReLU(), nn.Conv3d(6, classes, 1))


def small(classes=3, **settings):
    torch.manual_seed(0)
    return DualNetwork(lambda: Small(classes), classes, **settings)


def fixed(first, second, **settings):
    torch.manual_seed(0)
    return DualNetwork(lambda: Fixed(first), len(first), build_second=lambda: Fixed(second), **settings)


def batches(classes=3, labelled=2, unlabelled=2):
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(labelled, 1, *CROP, generator=generator)
    weak = torch.randn(unlabelled, 1, *CROP, generator=generator)
    label = torch.randint(classes, image.shape, generator=generator)
    return {"image": image, "label": label}, {"weak": weak, "strong": weak + 1}


def losses(method, classes=3, progress=1.0, **sizes):
    return method.step(*batches(classes, **sizes), progress).losses


def reached(method, loss):
    """Submodules that a term sends gradient to."""
    method.zero_grad()
    loss.backward()
    return {name.split(".")[0] for name, p in method.named_parameters() if p.grad is not None and p.grad.any()}


def test_fault_2_1_the_entropy_filtered_loss_has_a_gradient():
    for term in ("cross_pseudo", "cross_pseudo_dice"):
        method = small(most_entropy=1.0)
        assert reached(method, losses(method)[term]) == {"first", "second"}


def test_fault_2_2_cross_entropy_is_of_logits_and_not_of_probabilities():
    """Both certain and of one mind cost nothing; after a second softmax it would be ln(1 + 2/e) each."""
    assert losses(fixed([0.0, 90.0, 0.0], [0.0, 90.0, 0.0]))["cross_pseudo"] < 1e-6


def test_fault_2_3_the_contrast_has_a_gradient():
    method = small()
    assert reached(method, losses(method)["contrast"]) == {"first", "second", "prototypes"}


def test_fault_2_4_entropy_of_logits_is_not_used():
    """Negative logits, whose own logarithm is NaN, are a sure prediction; nothing is NaN, all is taught."""
    method = fixed([-9.0, -1.0, -9.0], [-9.0, -1.0, -9.0])
    assert all(torch.isfinite(loss) for loss in losses(method).values())
    predicted = method.first(torch.zeros(1, 1, *CROP)).log_softmax(1)
    assert method.reliable(predicted, predicted.argmax(1), 1.0).all()


@pytest.mark.parametrize(("progress", "kept"), [(0.2, 0.5), (0.6, 0.65), (1.0, 0.8)])
def test_fault_2_5_the_highest_entropies_are_dropped_and_more_is_kept_as_training_goes_on(progress, kept):
    sharpness = torch.linspace(1, 9, 100)
    logs = torch.stack([sharpness, torch.zeros(100), torch.zeros(100)]).log_softmax(0)
    logs = logs[None, :, :, None, None]
    sure = small().reliable(logs, logs.argmax(1), progress).flatten()
    assert sure.float().mean() == pytest.approx(kept, abs=0.011)
    assert torch.equal(sure, torch.arange(100) >= 100 - sure.sum())  # the sharpest


def test_fault_2_6_a_network_is_taught_the_class_of_the_sure_one_and_never_the_or_of_both():
    """First says 1, second says 2; 1 | 2 = 3 would be another class. Only the first is sure, so only it teaches."""
    first, second = [0.0, 9.0, 0.0, 0.0], [0.0, 0.0, 0.5, 0.0]
    found = losses(fixed(first, second, agreement=False), classes=4)["cross_pseudo"]
    expected = functional.cross_entropy(torch.tensor([second]), torch.tensor([1]))
    torch.testing.assert_close(found, expected)


def test_fault_2_7_the_loss_is_a_plain_mean_over_the_selected_voxels():
    """Of voxels that all cost the same, it does not matter how many are selected."""
    logs, classes = torch.full((1, 2, 10, 1, 1), 0.5).log(), torch.zeros(1, 10, 1, 1, dtype=torch.long)
    for selected in (1, 2, 10):
        mask = (torch.arange(10) < selected).reshape(1, 10, 1, 1)
        loss = filtered_cross_entropy(logs, classes, mask, torch.ones(1, 10, 1, 1))
        assert loss.item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("term", ["cross_pseudo", "cross_pseudo_dice", "divergence", "cosine"])
def test_fault_2_8_both_networks_learn_and_with_the_gate_the_worse_one_whichever_it_is(term):
    method = small(most_entropy=1.0)
    assert reached(method, losses(method)[term]) == {"first", "second"}
    for worse in ("first", "second"):
        method = small(most_entropy=1.0, winner_share=0.0)
        method.labelled_loss.copy_(torch.tensor([9.0, 0.0] if worse == "first" else [0.0, 9.0]))
        method.steps.fill_(1000)
        assert reached(method, losses(method)[term]) == {worse}


def test_fault_2_9_the_temperature_matters():
    found = {temperature: losses(small(temperature=temperature))["contrast"].item() for temperature in (0.1, 0.5, 5.0)}
    assert len(set(found.values())) == 3


def test_fault_2_10_prototypes_of_different_classes_are_driven_apart():
    torch.manual_seed(0)
    features = torch.randn(1, 4, 20).requires_grad_()
    classes = (torch.arange(20) % 2)[None]

    def centres():
        return torch.stack([functional.normalize(features, dim=1)[0, :, classes[0] == c].mean(1) for c in (0, 1)])

    before = functional.cosine_similarity(*centres(), dim=0)
    for _ in range(50):
        loss = prototype_contrast(features, centres(), torch.ones(2) > 0, classes, torch.ones(1, 20), 0.1)
        (gradient,) = torch.autograd.grad(loss, features)
        features.data -= gradient
    assert functional.cosine_similarity(*centres(), dim=0) < before - 0.1


def test_fault_2_11_unlabelled_terms_wait_for_the_labels_and_then_grow():
    method = small()
    early, late = method.weights(0.19), method.weights(0.4)
    for name in method.ramped:
        grown = [method.weights(progress / 100)[name] for progress in range(101)]
        assert grown == sorted(grown)
        assert early[name] == 0 < late[name] == grown[-1]
    assert early["supervised"] == 1
    step = method.step(*batches(), progress=0.1)
    assert all(step.losses[name] == 0 for name in method.ramped)


def test_fault_2_12_one_batch_does_not_change_which_network_is_the_better():
    method = small()
    labelled, unlabelled = batches()
    for _ in range(50):
        method.step(labelled, None, 0.5)
    usual = method.labelled_loss.clone()
    method.step({**labelled, "label": 2 - labelled["label"]}, unlabelled, 0.5)
    assert (method.labelled_loss - usual).abs().max() < 0.05 * usual.min()


def test_fault_2_13_the_networks_see_different_views_of_a_crop_and_both_kinds_in_time():
    method = fixed([0.0, 1.0, 0.0], [0.0, 1.0, 0.0])
    labelled, unlabelled = batches(unlabelled=8)
    for network in method.member_networks:
        network.seen.clear()
    torch.manual_seed(0)
    method.step(labelled, unlabelled, 1.0)
    first, second = (network.seen[0] for network in method.member_networks)
    assert len(method.first.seen) == len(method.second.seen) == 1  # one pass each
    assert torch.equal(first[:2], labelled["image"])
    assert torch.equal(second[:2], labelled["image"])
    weak = [torch.equal(crop, view) for crop, view in zip(first[2:], unlabelled["weak"], strict=True)]
    assert 0 < sum(weak) < 8
    both = torch.stack([first[2:], second[2:]])
    torch.testing.assert_close(both.amin(0), unlabelled["weak"])
    torch.testing.assert_close(both.amax(0), unlabelled["strong"])


@pytest.mark.parametrize("classes", [2, 5])
def test_fault_2_14_any_number_of_classes_and_any_batch_sizes_are_possible(classes):
    method = small(classes)
    step = method.step(*batches(classes, labelled=3, unlabelled=1), 1.0)
    assert step.logits.shape == (3, classes, *CROP)
    assert torch.isfinite(total(step, method.weights(1.0)))


def test_fault_2_17_an_empty_prediction_is_not_perfect():
    nothing = torch.zeros(1, 2, *CROP)
    nothing[:, 0] = 9
    label = torch.zeros(1, 1, *CROP)
    label[..., 0] = 1
    assert dice_of_crops(nothing, label) == 0
    assert losses(fixed([9.0, 0.0], [9.0, 0.0]), classes=2)["supervised"] > 2  # Dice and cross entropy of two networks
