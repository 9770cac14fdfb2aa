from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from fewlabel.networks import NETWORKS
from fewlabel.networks.features import find_tap, with_features

# (channels, stride) of the taps for full resolution and for stride 8.
EXPECTED = {
    "unet_small": ((16, 2), (96, 8)),
    "unet": ((32, 2), (192, 8)),
    "unet_large": ((64, 2), (256, 8)),
    "segresnet": ((8, 1), (64, 8)),
    "dynunet": ((16, 1), (128, 8)),
    "basic_unet": ((16, 1), (64, 8)),
    "vnet": ((16, 1), (128, 8)),
    "resnet_vnet": ((16, 1), (128, 8)),
}


def test_every_network_of_the_table_is_expected_here():
    assert EXPECTED.keys() == NETWORKS.keys()


@pytest.mark.parametrize("name", EXPECTED)
def test_features_have_the_channels_and_the_grid_of_their_tap(name):
    network = NETWORKS[name](3)
    taps = [find_tap(network, stride) for stride in (1, 8)]
    assert tuple((tap.channels, tap.stride) for tap in taps) == EXPECTED[name]
    with torch.no_grad():
        logits, features = with_features(network.eval(), torch.randn(2, 1, 32, 16, 16), *taps)
        assert logits.shape == (2, 3, 32, 16, 16)
        for tap, found in zip(taps, features, strict=True):
            assert found.shape == (2, tap.channels, 32 // tap.stride, 16 // tap.stride, 16 // tap.stride)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv3d(1, 6, 3, padding=1), nn.BatchNorm3d(6), nn.ReLU(), nn.Dropout(), nn.Conv3d(6, 2, 1)
    ).train()


def test_looking_for_a_tap_leaves_the_network_as_it_was(network):
    network[3].eval()
    before = copy.deepcopy(network.state_dict())
    find_tap(network, 1)
    assert [module.training for module in network] == [True, True, True, False, True]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_gradient_flows_from_features_and_logits(network):
    logits, (features,) = with_features(network, torch.randn(2, 1, 4, 4, 4), find_tap(network, 1))
    torch.testing.assert_close(network[4](features), logits)
    features.square().sum().backward()
    assert network[0].weight.grad.abs().sum() > 0
    assert network[4].weight.grad is None
    assert not any(module._forward_pre_hooks for module in network.modules())


def test_a_tap_serves_a_copy_of_the_network(network):
    tap, twin = find_tap(network, 1), copy.deepcopy(network).eval()
    image = torch.randn(1, 1, 4, 4, 4)
    torch.testing.assert_close(twin[4](with_features(twin, image, tap)[1][0]), twin(image))


def test_what_has_as_many_channels_as_classes_is_a_feature_only_where_there_is_nothing_else():
    head = nn.Conv3d(2, 2, 1)
    assert find_tap(nn.Sequential(nn.Conv3d(1, 4, 1), nn.Conv3d(4, 2, 1), head), 1).layer == "1"
    assert find_tap(nn.Sequential(nn.Conv3d(1, 2, 1), head), 1).layer == "1"


def test_a_network_without_convolutions_is_refused():
    with pytest.raises(ValueError, match="3-D convolutions"):
        find_tap(nn.Identity(), 1)
