from __future__ import annotations

import math

import pytest
import torch

from fewlabel.methods import METHODS, make_method
from fewlabel.networks import find, partner
from fewlabel.plan import Plan
from fewlabel.published import load_published, save_published
from fewlabel.training.validation import best_candidate, published_plan

NETWORK = "unet_small"


def plan(network=NETWORK):
    return Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, network, 2, ("a", "b"))


def test_the_best_candidate_has_the_highest_mean_dice():
    measured = {"mean": {"a": 0.5, "b": 0.7}, "first": {"a": 0.7, "b": 0.6}, "second": {"a": 0.1, "b": math.nan}}
    assert best_candidate(measured) == ("first", measured["first"])


@pytest.mark.parametrize("dice", [{}, {"a": math.nan}])
def test_the_first_candidate_is_taken_where_nothing_was_measured(dice):
    assert best_candidate({"mean": dice, "first": dice, "second": dice}) == ("mean", dice)


def test_a_published_plan_names_the_network_that_is_published():
    names = {role: published_plan(plan("vnet"), role).network for role in ("network", "first", "second", "mean")}
    assert names == {"network": "vnet", "first": "vnet", "second": "resnet_vnet", "mean": "vnet+resnet_vnet"}


@pytest.mark.parametrize("name", METHODS)
def test_every_candidate_can_be_published_and_predicts_the_same_when_loaded(name, tmp_path):
    torch.manual_seed(0)
    builders = (lambda name=name: find(name)(3) for name in (NETWORK, partner(NETWORK)))
    method = make_method(name, *builders, 3).eval()
    image = torch.randn(1, 1, 16, 16, 16)
    assert torch.equal(next(iter(method.candidates.values()))(image), method.deployed(image))
    for role, network in method.candidates.items():
        save_published(tmp_path / "model.pt", network, published_plan(plan(), role), {"candidate": role})
        loaded = load_published(tmp_path / "model.pt")
        with torch.no_grad():
            torch.testing.assert_close(loaded.network(image), network(image))


def test_only_methods_with_two_networks_get_a_second_builder():
    def second():
        torch.manual_seed(0)
        return find("unet_small")(2)

    for name, method in METHODS.items():
        made = make_method(name, lambda: find("unet")(2), second, 2)
        assert hasattr(made, "second") == method.needs_second
        if method.needs_second:
            assert torch.equal(next(made.second.parameters()), next(second().parameters()))
