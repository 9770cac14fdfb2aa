"""All that a step changes is in the state dict, so that a training that was interrupted goes on as it would have."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from fewlabel.methods import METHODS, make_method


def build():
    return nn.Sequential(nn.Conv3d(1, 6, 3, padding=1), nn.BatchNorm3d(6), nn.LeakyReLU(), nn.Conv3d(6, 3, 1))


def make(name, seed):
    torch.manual_seed(seed)
    return make_method(name, build, build, 3).train()


@pytest.fixture
def go_on(trial):
    """Callable (method, steps, first): losses of some steps, with plain gradient descent."""
    return lambda method, steps, first=0: trial.train(
        method, *trial.batches(), steps, progress=1.0, rate=0.05, first=first
    )


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_was_saved_and_loaded_has_the_losses_that_it_would_have_had(go_on, name):
    method = make(name, seed=0)
    go_on(method, 4)
    twin = make(name, seed=5)
    twin.load_state_dict(copy.deepcopy(method.state_dict()), strict=True)
    assert go_on(method, 4, first=4) == go_on(twin, 4, first=4)


@pytest.mark.parametrize("name", METHODS)
def test_the_published_network_is_independent_of_what_is_learnt_later(go_on, name):
    method = make(name, seed=0)
    published = {key: value.clone() for key, value in method.deployed.state_dict().items()}
    go_on(method, 2)
    assert any(not torch.equal(value, published[key]) for key, value in method.deployed.state_dict().items())
