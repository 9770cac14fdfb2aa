from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from fewlabel.networks import NETWORKS
from fewlabel.networks.feature_tap import FeatureTap

CHEAP = [name for name in NETWORKS if name not in ("vnet", "unet_large")]


@pytest.mark.parametrize("name", CHEAP)
def test_every_network_of_the_table_gives_features_at_a_stride_of_8(name):
    network = NETWORKS[name](3)
    tap = FeatureTap(network)
    logits, features = tap(network, torch.randn(2, 1, 32, 16, 48))
    assert logits.shape == (2, 3, 32, 16, 48)
    assert features.shape == (2, tap.channels, 4, 2, 6)
    assert tap.stride == 8
    assert tap.channels >= 32


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vnet", "unet_large"])
def test_the_large_networks_too(name):
    network = NETWORKS[name](3)
    assert FeatureTap(network).stride == 8


def test_the_logits_are_those_of_an_ordinary_pass_and_features_carry_gradient():
    network = NETWORKS["unet_small"](3)
    image = torch.randn(1, 1, 16, 16, 16)
    logits, features = FeatureTap(network)(network, image)
    assert torch.equal(logits, network(image))
    features.square().sum().backward()
    assert any(parameter.grad is not None for parameter in network.parameters())


def test_a_network_is_left_as_it_was():
    network = nn.Sequential(nn.Conv3d(1, 8, 3, stride=2, padding=1), nn.BatchNorm3d(8), nn.ConvTranspose3d(8, 2, 2, 2))
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    tap = FeatureTap(network)
    tap(network, torch.randn(1, 1, 8, 8, 8))
    assert network.training
    assert not any(module._forward_hooks for module in network.modules())
    assert before.keys() == network.state_dict().keys()
    fresh = FeatureTap(network.eval())
    assert not network.training
    assert fresh.name == tap.name


def test_a_tap_serves_a_copy_of_the_network():
    network = NETWORKS["unet_small"](2)
    tap, twin = FeatureTap(network), copy.deepcopy(network)
    image = torch.randn(1, 1, 16, 16, 16)
    torch.testing.assert_close(tap(twin, image), tap(network, image))


def test_without_the_wanted_stride_the_nearest_is_taken_and_the_widest_of_it():
    network = nn.Sequential(nn.Conv3d(1, 4, 1), nn.Conv3d(4, 6, 2, stride=2), nn.ConvTranspose3d(6, 3, 2, stride=2))
    tap = FeatureTap(network)
    assert (tap.stride, tap.channels, tap.name) == (2, 6, "1")


def test_a_network_without_features_is_refused():
    with pytest.raises(ValueError, match="no submodule"):
        FeatureTap(nn.Identity())
