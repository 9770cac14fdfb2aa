"""The same seed gives the same weights: a number of docs/results.md can be had again, on the same kind of machine."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from monai.utils import set_determinism

from fewlabel.methods import METHODS, make_method
from fewlabel.methods.base import total
from fewlabel.networks import find, partner

STEPS = 6  # each method does each of its turns


def trained(name, network, sides, device):
    """Weights after some steps on made-up crops, with everything drawn anew from the seed."""
    set_determinism(7)
    builders = (partial(find(each), 3) for each in (network, partner(network)))
    method = make_method(name, *builders, 3).to(device).to(memory_format=torch.channels_last_3d).train()
    optimiser = torch.optim.AdamW([each for each in method.parameters() if each.requires_grad], lr=2e-3)
    image, weak, strong = torch.randn(3, 2, 1, *sides).to(device).unbind()
    labelled = {"image": image, "label": torch.randint(3, image.shape).to(device)}
    for _ in range(STEPS):
        with torch.autocast("cuda", torch.bfloat16, enabled=device == "cuda"):
            result = method.step(labelled, {"weak": weak, "strong": strong}, 1.0)
            loss = total(result, method.weights(1.0))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        method.after_step(1.0)
    return method.state_dict()


@pytest.fixture(autouse=True)
def _random_again():
    yield
    set_determinism(None)


def different(name, network, sides, device):
    """Names of the tensors that differ between two trainings of the same seed."""
    first, second = (trained(name, network, sides, device) for _ in range(2))
    return [key for key, value in first.items() if not torch.equal(value, second[key])]


@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_weights_on_a_cpu(name):
    assert different(name, "unet_small", (16, 16, 16), "cpu") == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("network", ["unet_large", "vnet"])
@pytest.mark.parametrize("name", METHODS)
def test_the_same_seed_gives_the_same_weights_on_a_gpu(name, network):
    assert different(name, network, (48, 64, 48), "cuda") == []
