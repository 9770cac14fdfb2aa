from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from fewlabel.methods.base import total
from fewlabel.methods.cps import CrossPseudoSupervision


class CountedNetwork(nn.Module):
    """One prediction for every voxel; counts the crops that it sees."""

    def __init__(self, logits=(0.0, 0.0)):
        super().__init__()
        self.head = nn.Conv3d(1, 2, 1)
        nn.init.zeros_(self.head.weight)
        self.head.bias.data = torch.tensor(logits)
        self.crops = 0

    def forward(self, image):
        self.crops += len(image)
        return self.head(image)


def make(first=(0.0, 1.0), second=(2.0, 0.0), **settings):
    return CrossPseudoSupervision(
        lambda: CountedNetwork(first), 2, build_second=lambda: CountedNetwork(second), **settings
    )


def test_each_network_learns_the_class_that_the_other_names(batches):
    loss = make().step(*batches, 1.0).losses["cross_pseudo"]
    logits = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    torch.testing.assert_close(loss, functional.cross_entropy(logits, torch.tensor([0, 1]), reduction="sum"))


def test_with_a_threshold_only_the_confident_network_teaches(batches):
    loss = make(threshold=0.8).step(*batches, 1.0).losses["cross_pseudo"]
    torch.testing.assert_close(loss, functional.cross_entropy(torch.tensor([[0.0, 1.0]]), torch.tensor([0])))


def test_labels_alone_are_learnt_first_at_the_cost_of_labels_alone(batches):
    method = make()
    step = method.step(*batches, progress=0.3)
    assert step.losses["cross_pseudo"] == method.weights(0.3)["cross_pseudo"] == 0
    assert (method.first.crops, method.second.crops) == (2, 2)
    method.step(*batches, progress=0.5)
    assert (method.first.crops, method.second.crops) == (6, 6)


def test_a_weight_of_zero_turns_the_term_off(batches):
    method = make(cross_pseudo=0.0)
    step = method.step(*batches, progress=1.0)
    assert total(step, method.weights(1.0)) == step.losses["supervised"]


def test_without_a_second_builder_both_networks_are_of_one_kind_but_not_the_same():
    method = CrossPseudoSupervision(lambda: nn.Conv3d(1, 2, 1), 2)
    assert not torch.equal(method.first.weight, method.second.weight)


def test_what_is_published_is_the_mean_of_both_unless_one_is_better(batches):
    method = make().eval()
    image = batches[0]["image"]
    expected = (method.first(image).softmax(1) + method.second(image).softmax(1)) / 2
    torch.testing.assert_close(method.deployed(image).softmax(1), expected)
    assert list(method.candidates) == ["mean", "first", "second"]
    assert method.candidates["second"] is method.second
