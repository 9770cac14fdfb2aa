from __future__ import annotations

import pytest
import torch
from torch import nn

from fewlabel.methods.base import total
from fewlabel.methods.bcp import BidirectionalCopyPaste


class CountedNetwork(nn.Module):
    """Keeps the crops that it sees."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv3d(1, 2, 1)
        self.seen = []

    def forward(self, image):
        self.seen.append(image)
        return self.head(image)

    @property
    def crops(self):
        return sum(len(image) for image in self.seen)


def build(**settings):
    torch.manual_seed(0)
    return BidirectionalCopyPaste(CountedNetwork, 2, **settings)


@pytest.fixture
def method():
    return build()


@pytest.fixture
def batches():
    """Labelled crops are positive and unlabelled ones negative, so that each voxel tells where it is from."""
    torch.manual_seed(1)
    image, weak, strong = (torch.rand(3, 2, 1, 6, 6, 6) + 0.1).unbind()
    return {"image": image, "label": (image > 0.6).long()}, {"weak": -weak, "strong": -strong}


def say(network, value):
    """Make a network say class 1 everywhere with this logit against its negative."""
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.copy_(torch.tensor([-value, value]))


def test_both_mixtures_together_hold_every_voxel_of_both_sets_once(method, batches):
    labelled, unlabelled = batches
    method.step(labelled, unlabelled, 1.0)
    plain, inward, outward = method.student.seen[0].split(2)
    assert torch.equal(plain, labelled["image"])
    inside = inward < 0
    assert inside.sum() == 2 * 4**3  # two thirds of each side
    assert torch.equal(torch.where(inside, inward, outward), unlabelled["strong"])
    assert torch.equal(torch.where(inside, outward, inward), labelled["image"])


def test_before_the_start_labelled_crops_are_pasted_into_each_other_and_the_teacher_rests(method, batches):
    step = method.step(*batches, progress=0.2)
    assert step.losses["pseudo"] == method.weights(0.2)["pseudo"] == 0
    assert (method.student.crops, method.teacher.network.crops) == (4, 0)
    image, mixture = method.student.seen[0].split(2)
    assert ((mixture == image) | (mixture == image.flip(0))).all()
    assert ((mixture != image).flatten(1).sum(1) == 4**3).all()


def test_later_the_student_sees_three_times_the_crops_and_the_teacher_the_weak_ones(method, batches):
    method.step(*batches, progress=1.0)
    assert (method.student.crops, method.teacher.network.crops) == (6, 2)
    assert torch.equal(method.teacher.network.seen[0], batches[1]["weak"])


def test_true_labels_count_in_their_region_alone(method, batches):
    """A student that is right about class 1 where labels are true pays nothing, whatever the rest holds."""
    labelled, unlabelled = batches
    say(method.student, 50.0)
    say(method.teacher.network, -50.0)
    losses = method.step({**labelled, "label": torch.ones_like(labelled["label"])}, unlabelled, 1.0).losses
    assert losses["copy_paste"].item() == pytest.approx(0, abs=1e-5)
    assert losses["pseudo"] > 10


def test_only_confident_voxels_count_as_pseudo_labels(method, batches):
    say(method.teacher.network, 0.1)
    assert method.step(*batches, progress=1.0).losses["pseudo"] == 0
    say(method.teacher.network, 5.0)
    assert method.step(*batches, progress=1.0).losses["pseudo"] > 0


def test_weights_of_zero_leave_supervised_training_and_its_cost(batches):
    method = build(copy_paste=0.0, pseudo=0.0)
    step = method.step(*batches, progress=1.0)
    assert total(step, method.weights(1.0)) == step.losses["supervised"]
    assert (method.student.crops, method.teacher.network.crops) == (2, 0)


def test_sets_of_different_size_are_paired_as_far_as_they_go(method, batches):
    labelled, unlabelled = batches
    method.step(labelled, {name: view[:1] for name, view in unlabelled.items()}, 1.0)
    assert method.student.crops == 2 + 2
    step = method.step({name: value[:1] for name, value in labelled.items()}, unlabelled, 1.0)
    assert step.logits.shape[0] == 1


def test_what_is_published_is_the_teacher(method):
    assert method.deployed is method.teacher.network
