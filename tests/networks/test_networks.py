from __future__ import annotations

import pytest
import torch

from fewlabel.networks import NETWORKS, divisor, find, partner

# Without dropout, which makes training differ from use, and small.
CHEAP = [name for name in NETWORKS if name not in ("vnet", "resnet_vnet", "unet_large")]


@pytest.mark.parametrize("name", CHEAP)
def test_a_crop_is_segmented_alike_whatever_shares_its_batch_and_in_use_as_in_training(name):
    torch.manual_seed(0)
    side = divisor(name)
    network = NETWORKS[name](2).train()
    one, other = torch.randn(2, 1, 1, 2 * side, side, side).unbind()
    with torch.no_grad():
        together = network(torch.cat([one, 100 * other]))[:1]
        torch.testing.assert_close(together, network(one), rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(together, network.eval()(one), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", CHEAP)
def test_two_networks_of_one_name_are_independent(name):
    first, second = NETWORKS[name](2), NETWORKS[name](2)
    memory = {value.data_ptr() for value in first.parameters()}
    assert not memory & {value.data_ptr() for value in second.parameters()}


def test_joined_names_mean_the_mean_of_the_probabilities():
    torch.manual_seed(0)
    network = find("unet_small+unet")(3).eval()
    image = torch.randn(1, 1, 16, 8, 8)
    with torch.no_grad():
        expected = sum(each(image).softmax(1) for each in network.networks) / 2
        torch.testing.assert_close(network(image).softmax(1), expected)
        torch.testing.assert_close(network(image).exp(), expected)


def test_a_mean_needs_crops_that_suit_all_its_networks():
    assert (divisor("unet"), divisor("unet+unet_large")) == (8, 16)


def test_the_second_network_of_a_v_net_is_the_resnet_v_net_and_of_others_one_of_their_kind():
    assert (partner("vnet"), partner("unet")) == ("resnet_vnet", "unet")


def test_an_unknown_name_is_refused():
    with pytest.raises(KeyError):
        find("unet+nothing")
