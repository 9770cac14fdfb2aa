"""What each term counts for: as much as its argument says, and enough to matter."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from fewlabel.methods import METHODS, make_method

# What the published comparisons were measured with: a change of these is a change of the results.
MEASURED = {
    "supervised": {"supervised": 1.0},
    "mean_teacher": {"supervised": 1.0, "consistency": 1.0},
    "uamt": {"supervised": 1.0, "consistency": 0.1},
    "cps": {"supervised": 1.0, "cross_pseudo": 1.0},
    "bcp": {"supervised": 1.0, "copy_paste": 1.0, "pseudo": 0.5},
    "dual_network": {
        **{"supervised": 1.0, "rectification": 0.5, "cross_pseudo": 1.0, "cross_pseudo_dice": 1.0},
        **{"divergence": 1.0, "cosine": 0.5, "contrast": 0.1},
    },
    "dtlp": {
        **{"supervised": 1.0, "denoising": 1.0, "cutmix": 1.0, "masking": 0.1, "reconstruction": 0.02},
        **{"distillation": 0.1, "propagation": 0.05},
    },
}
LEAST = 1e-3  # of the gradient of the labelled term, for a term that has a part in what is learnt


class SmallNetwork(nn.Module):
    """Features at half the side; sharp predictions: confident teachers."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv3d(1, 6, 2, stride=2), nn.BatchNorm3d(6), nn.LeakyReLU())
        self.head = nn.ConvTranspose3d(6, 3, 2, stride=2)

    def forward(self, image):
        return 5 * self.head(self.features(image))


def make(name, **settings):
    torch.manual_seed(0)
    return make_method(name, SmallNetwork, SmallNetwork, 3, **settings).train()


ARGUMENTS = [
    (name, term)
    for name, method in METHODS.items()
    for term in method.trains
    if term in inspect.signature(method).parameters
]


def test_every_method_that_was_measured_is_there():
    assert METHODS.keys() >= MEASURED.keys()


@pytest.mark.parametrize("name", MEASURED)
def test_at_the_end_of_a_training_the_weights_are_those_that_were_measured(name):
    assert make(name).weights(1.0) == pytest.approx(MEASURED[name])


@pytest.mark.parametrize(("name", "term"), ARGUMENTS)
def test_the_weight_of_a_term_is_the_argument_of_its_name(name, term):
    plain, given = make(name).weights(1.0), make(name, **{term: 3.0}).weights(1.0)
    assert given == pytest.approx({**plain, term: 3.0})


@pytest.mark.parametrize("name", METHODS)
def test_pool_terms_grow_from_nothing_and_labelled_ones_stay(name):
    method = make(name)
    course = [method.weights(progress / 50) for progress in range(51)]
    for term in method.trains:
        values = [weights[term] for weights in course]
        if term in method.labelled_terms:
            assert len(set(values)) == 1, term
        else:
            assert values[0] == 0, term
            assert values == sorted(values), term
            assert len(set(values)) > 4, term


@pytest.mark.parametrize("name", METHODS)
def test_no_term_is_too_small_to_matter(trial, name):
    """Over a few steps, so that what comes in turns has its turn."""
    method, most = make(name), {}
    weights, trained = method.weights(1.0), [each for each in method.parameters() if each.requires_grad]
    for number in range(3):
        for term, loss in trial.step(method, *trial.batches(), seed=number).losses.items():
            if loss.requires_grad:
                parts = torch.autograd.grad(weights[term] * loss, trained, allow_unused=True, retain_graph=True)
                norm = sum(float(part.square().sum()) for part in parts if part is not None) ** 0.5
                most[term] = max(most.get(term, 0.0), norm)
        method.after_step(0.0)
    assert most.keys() == method.trains.keys()
    assert {term for term, norm in most.items() if norm < LEAST * most["supervised"]} == set()
