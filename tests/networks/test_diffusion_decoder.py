from __future__ import annotations

import pytest
import torch
from monai.networks.utils import one_hot

from fewlabel.losses.supervised import dice_cross_entropy
from fewlabel.networks.diffusion_decoder import DiffusionDecoder


def decoder(classes=3, **settings):
    torch.manual_seed(0)
    return DiffusionDecoder(classes, **settings)


def decide(network, classes, logit):
    """Make it say class 1 everywhere, with this logit against 0 for the others."""
    head = network.network.out[2].conv
    torch.nn.init.zeros_(head.weight)
    with torch.no_grad():
        head.bias.copy_(logit * one_hot(torch.ones(1, 1, 1), classes).flatten().repeat_interleave(network.patch**3))


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_it_samples_logits_on_the_grid_of_the_image_without_gradient(steps):
    logits = decoder(steps=steps).sample(torch.randn(2, 1, 16, 8, 24))
    assert logits.shape == (2, 3, 16, 8, 24)
    assert not logits.requires_grad


@pytest.mark.parametrize(("classes", "cap"), [(2, 0.881), (4, 0.711), (14, 0.362)])
def test_clamped_x0_the_confidence_of_the_last_step_is_not_capped(classes, cap):
    """A&D defect 1: softmax of an output clamped to -1..1 reaches these caps and no more."""
    network = decoder(classes)
    decide(network, classes, 20.0)
    probabilities = network.sample(torch.randn(1, 1, 8, 8, 8)).softmax(1)
    assert (probabilities[:, 1] > 0.999).all()
    assert torch.tensor([1.0, *[-1.0] * (classes - 1)]).softmax(0)[0].item() == pytest.approx(cap, abs=1e-3)


def test_what_is_returned_is_the_raw_output_of_the_last_step_without_added_noise():
    network = decoder(steps=2)
    decide(network, 3, 4.0)
    outputs = []
    network.network.register_forward_hook(lambda _, __, output: outputs.append(output))
    logits = network.sample(torch.randn(1, 1, 8, 8, 8))
    assert len(outputs) == 2
    assert (logits[:, 1] == 4).all()
    assert (logits[:, ::2] == 0).all()


def test_the_map_that_a_step_goes_on_from_is_within_the_range_of_label_maps():
    """Logits, far outside -1..1, are not taken for the clean map: a step would otherwise blow up."""
    network = decoder(steps=2)
    decide(network, 3, 500.0)
    inputs = []
    network.network.register_forward_pre_hook(lambda _, arguments: inputs.append(arguments[0]))
    network.sample(torch.zeros(1, 1, 8, 8, 8))
    assert inputs[1].abs().max() < 6


def test_sampling_starts_at_full_noise_and_ends_before_none_is_left():
    assert decoder(steps=1).times == [999]
    assert decoder(steps=2).times == [999, 499]
    assert decoder(steps=4).times == [999, 749, 499, 249]


def test_with_a_seed_a_sample_is_the_same_each_time():
    network, image = decoder(), torch.randn(1, 1, 8, 8, 8)
    torch.nn.init.normal_(network.network.out[2].conv.weight)
    assert torch.equal(network.sample(image, seed=3), network.sample(image, seed=3))
    assert not torch.equal(network.sample(image, seed=3), network.sample(image, seed=4))
    assert not torch.equal(network.sample(image), network.sample(image))


def test_every_parameter_is_trained():
    network = decoder()
    torch.nn.init.normal_(network.network.out[2].conv.weight)
    dice_cross_entropy(
        network.denoise(torch.randn(2, 1, 8, 8, 8), torch.ones(2, 1, 8, 8, 8)), torch.ones(2, 1, 8, 8, 8)
    ).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_prediction_depends_on_image_noise_and_time():
    network = decoder()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    image, noisy = torch.randn(1, 1, 8, 8, 8), torch.randn(1, 3, 8, 8, 8)
    time = torch.tensor([500])
    plain = network(image, noisy, time)
    for other in (network(image + 1, noisy, time), network(image, -noisy, time), network(image, noisy, time // 2)):
        assert not torch.allclose(plain, other, atol=1e-3)


@pytest.mark.slow
def test_it_learns_to_segment_from_noise():
    network, image = decoder(2, channels=(16, 32), patch=2), torch.randn(4, 1, 8, 8, 8)
    image = torch.nn.functional.avg_pool3d(image, 3, 1, 1) * 4
    label = (image > 0).long()
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    for _ in range(300):
        optimiser.zero_grad()
        dice_cross_entropy(network.denoise(image, label), label).backward()
        optimiser.step()
    assert (network.sample(image, seed=0).argmax(1, keepdim=True) == label).float().mean() > 0.9
