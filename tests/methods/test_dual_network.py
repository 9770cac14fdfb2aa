from __future__ import annotations

import pytest
import torch
from torch import nn

from fewlabel.methods.base import total
from fewlabel.methods.dual_network import DualNetwork
from fewlabel.methods.prototypes import Evidence, PrototypeContrast

CROP = (8, 8, 8)


class Strided(nn.Sequential):
    """Features at half the resolution, as MONAI's UNet."""

    def __init__(self, channels=6):
        super().__init__(nn.Conv3d(1, channels, 2, 2), nn.LeakyReLU(), nn.ConvTranspose3d(channels, 3, 2, 2))


class Plain(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Conv3d(1, 4, 3, padding=1), nn.LeakyReLU(), nn.Conv3d(4, 3, 1))


def make(**settings):
    torch.manual_seed(0)
    return DualNetwork(Strided, 3, build_second=Plain, **settings)


@pytest.fixture
def batches():
    generator = torch.Generator().manual_seed(1)
    image, weak, strong = torch.randn(3, 2, 1, *CROP, generator=generator).unbind()
    label = torch.bucketize(image, torch.tensor([-0.5, 0.5]))
    return {"image": image, "label": label}, {"weak": weak, "strong": strong}


TERMS = ("rectification", "cross_pseudo", "cross_pseudo_dice", "divergence", "cosine", "contrast")


@pytest.mark.parametrize("term", TERMS)
def test_a_weight_of_zero_turns_a_term_off(term, batches):
    method = make(**{term: 0.0})
    assert method.weights(1.0)[term] == 0
    step = method.step(*batches, 1.0)
    assert torch.isfinite(total(step, method.weights(1.0)))
    assert step.losses.keys() == method.trains.keys()


def test_without_its_unlabelled_terms_it_costs_as_much_as_labels_alone(batches):
    method = make(**dict.fromkeys(TERMS[1:], 0.0))
    crops = []
    method.first.register_forward_pre_hook(lambda module, inputs: crops.append(len(inputs[0])))
    method.step(*batches, 1.0)
    assert crops == [2]


@pytest.mark.parametrize(
    ("settings", "term"),
    [
        ({"keep": (0.1, 0.1)}, "cross_pseudo"),
        ({"most_entropy": 0.2}, "cross_pseudo"),
        ({"keep": (0.1, 0.1), "per_class": False}, "cross_pseudo"),
        ({"agreement": False}, "cross_pseudo"),
        ({"winner_share": 0.0}, "cosine"),
        ({"threshold": 0.99}, "rectification"),
        ({"voxels_per_class": 3}, "contrast"),
    ],
)
def test_each_setting_has_an_effect(settings, term, batches):
    defaults = {"keep": (1.0, 1.0), "most_entropy": 1.0, "threshold": 0.0}
    found = []
    for chosen in (defaults, {**defaults, **settings}):
        method = make(**chosen)
        torch.manual_seed(2)
        found.append(method.step(*batches, 1.0).losses[term].item())
    assert found[0] != found[1]


def test_in_mixed_precision_everything_is_finite(batches):
    method = make()
    with torch.autocast("cpu", torch.bfloat16):
        step = method.step(*batches, 1.0)
        loss = total(step, method.weights(1.0))
    loss.backward()
    assert all(torch.isfinite(loss) for loss in step.losses.values())
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


def test_the_same_seed_gives_the_same_losses(batches):
    found = []
    for _ in range(2):
        method = make()
        torch.manual_seed(3)
        found.append(method.step(*batches, 1.0).losses)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_the_better_network_is_known_by_a_running_mean_of_the_labelled_losses(batches):
    method = make()
    seen = []
    for _ in range(4):
        method.step(batches[0], None, 0.0)
        with torch.no_grad():
            method.second[2].bias.add_(torch.tensor([0.0, 3.0, 0.0]))
        seen.append(method.labelled_loss.clone())
    first = [average[0] for average in seen]
    torch.testing.assert_close(torch.stack(first), first[0].expand(4))  # it did not change
    assert seen[3][1] > seen[0][1]


def contrast(network, labelled, classes, sure, agreed, features, module=None):
    module = module or PrototypeContrast([network], 3)
    evidence = Evidence(labelled, classes, sure, agreed, torch.ones(classes.shape))
    return module, module([features], evidence)


def test_prototypes_are_means_over_labelled_and_reliable_agreed_voxels_kept_as_a_moving_average():
    """One channel; two labelled voxels (2, 4) of class 1, unlabelled ones 6 (reliable, agreed) and 100 (not)."""
    network = nn.Conv3d(1, 3, 1)
    features = torch.tensor([[2.0, 4.0], [6.0, 100.0]]).reshape(2, 1, 2, 1, 1)
    label, classes = torch.ones(2, 1, 2, 1, 1, dtype=torch.long)
    sure, agreed = torch.tensor([[True, True], [True, False]]).reshape(2, 1, 2, 1, 1)
    module, _ = contrast(network, label, classes, sure, agreed, features)
    assert module.means_0.flatten().tolist() == [0, 4, 0]
    assert module.known_0.tolist() == [False, True, False]
    contrast(network, label, classes, sure, agreed, features + 1, module)
    assert module.means_0.flatten().tolist() == pytest.approx([0, 4.01, 0])


def test_where_nothing_is_uncertain_the_contrast_is_zero():
    label = torch.randint(3, (1, 2, 2, 2))
    every = torch.ones_like(label) > 0
    _, loss = contrast(nn.Conv3d(1, 3, 1), label, label, every, every, torch.randn(2, 1, 2, 2, 2))
    assert loss == 0


def test_the_features_of_a_coarser_grid_meet_the_labels_of_their_position():
    """Class 1 on one side, class 2 on the other; features at half the resolution, -5 and 5."""
    label = torch.ones(1, 8, 4, 4, dtype=torch.long)
    label[:, 4:] = 2
    features = torch.full((2, 1, 4, 2, 2), -5.0)
    features[:, :, 2:] = 5
    every = torch.ones_like(label) > 0
    module, _ = contrast(nn.Conv3d(1, 3, 1), label, label, every, every, features)
    assert module.means_0.flatten().tolist() == [0, -5, 5]
