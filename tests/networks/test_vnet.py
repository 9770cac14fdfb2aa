from __future__ import annotations

import pytest
import torch
from torch import nn

from fewlabel.networks.resnet_vnet import BasicBlock, ResNetVNet
from fewlabel.networks.vnet import VNet

PUBLISHED = {VNet: 9.45e6, ResNetVNet: 17.93e6}


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("kind", PUBLISHED)
def test_it_has_as_many_parameters_as_published(kind, norm):
    assert sum(value.numel() for value in kind(norm=norm).parameters()) == pytest.approx(PUBLISHED[kind], rel=0.001)


def test_the_encoder_of_the_resnet_has_as_many_parameters_as_published():
    network = ResNetVNet(norm="batch")
    encoder = [*network.stem.parameters(), *network.stages.parameters()]
    assert sum(value.numel() for value in encoder) == pytest.approx(15.86e6, rel=0.001)


@pytest.mark.parametrize("kind", PUBLISHED)
def test_normalisation_and_dropout_are_what_is_asked_for(kind):
    modules = list(kind(norm="batch", dropout=0.25).modules())
    assert not any(isinstance(module, nn.InstanceNorm3d) for module in modules)
    assert [module.p for module in modules if isinstance(module, nn.Dropout3d)] == [0.25]
    assert not any(isinstance(module, nn.BatchNorm3d) for module in kind().modules())


def test_dropout_acts_after_the_coarsest_and_after_the_finest_stage():
    network = VNet().train()
    seen = []
    network.decoder.dropout.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape)))
    network(torch.randn(1, 1, 32, 16, 16))
    assert seen == [(1, 256, 2, 1, 1), (1, 16, 32, 16, 16)]


def test_a_block_of_the_resnet_begins_as_the_identity():
    features = torch.rand(1, 4, 4, 4, 4)  # not negative, so that the rectifier leaves it
    assert torch.equal(BasicBlock(4, 4, 1, "instance")(features), features)


@pytest.mark.parametrize("kind", PUBLISHED)
def test_a_crop_is_segmented_alike_whatever_shares_its_batch_in_use(kind):
    torch.manual_seed(0)
    network = kind(out_channels=3).eval()
    one, other = torch.randn(2, 1, 1, 32, 32, 32).unbind()  # fewer coarse voxels: rounding is amplified
    with torch.no_grad():
        torch.testing.assert_close(network(torch.cat([one, other]))[:1], network(one), rtol=1e-3, atol=1e-4)
