"""The modules that can be taken away: each is named with arguments that do take it away."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from fewlabel.methods import METHODS, make_method

MODULES = [(name, module) for name, method in METHODS.items() for module in method.switches]


class SmallNetwork(nn.Module):
    """Features at half the side, batch norm, sharp predictions: confident teachers."""

    def __init__(self, classes):
        super().__init__()
        self.features = nn.Sequential(nn.Conv3d(1, 6, 2, stride=2), nn.BatchNorm3d(6), nn.LeakyReLU())
        self.head = nn.ConvTranspose3d(6, classes, 2, stride=2)

    def forward(self, image):
        return 5 * self.head(self.features(image))


def make(name, **settings):
    torch.manual_seed(0)
    return make_method(name, lambda: SmallNetwork(3), lambda: SmallNetwork(3), 3, **settings).train()


def without(name, module):
    """The method without a module, begun with the same weights as ``make(name)``."""
    made = make(name, **METHODS[name].switches[module])
    begun = make(name).state_dict()
    kept = {key: begun[key] for key in made.state_dict() if key in begun}
    made.load_state_dict(kept, strict=False)
    return made


def switched_off(name, module):
    """Terms whose weight is 0 without the module."""
    whole, less = make(name).weights(1.0), without(name, module).weights(1.0)
    return {term for term, weight in whole.items() if weight != 0 and less[term] == 0}


@pytest.fixture
def course(trial):
    """Callable (method, steps): loss terms of a few steps, each with random numbers of its own."""
    return lambda method, steps=7: trial.train(method, *trial.batches(), steps, progress=1.0, rate=0.02)


def test_the_methods_of_the_two_papers_name_their_modules():
    assert {"dual_network", "dtlp"} <= {name for name, _ in MODULES}


@pytest.mark.parametrize(("name", "module"), MODULES)
def test_a_method_learns_without_each_of_its_modules(course, name, module):
    for losses in course(without(name, module), steps=3):
        assert losses.keys() == METHODS[name].trains.keys()
        assert all(torch.isfinite(torch.tensor(loss)) for loss in losses.values())


TERMS = [each for each in MODULES if switched_off(*each)]
OTHERS = [each for each in MODULES if each not in TERMS]


@pytest.mark.parametrize(("name", "module"), TERMS)
def test_a_module_that_is_a_term_gets_weight_0_and_counted_for_something_before(course, name, module):
    whole = course(make(name))
    for progress in (0.0, 0.5, 1.0):
        weights = without(name, module).weights(progress)
        assert all(weights[term] == 0 for term in switched_off(name, module))
    for term in switched_off(name, module):
        assert any(losses[term] != 0 for losses in whole), term


@pytest.mark.parametrize(("name", "module"), OTHERS)
def test_a_module_that_is_no_term_changes_what_steps_from_the_same_start_give(course, name, module):
    assert course(make(name)) == course(make(name))  # or a difference would say nothing
    assert course(make(name)) != course(without(name, module))


def test_no_two_modules_of_a_method_are_switched_off_by_the_same_arguments():
    for name, method in METHODS.items():
        arguments = [json.dumps(settings, sort_keys=True) for settings in method.switches.values()]
        assert len(set(arguments)) == len(arguments), name


@pytest.mark.parametrize(("name", "module"), MODULES)
def test_arguments_from_a_file_do_the_same(course, name, module):
    """A comparison hands them over as JSON, which has lists and no tuples."""
    settings = json.loads(json.dumps(METHODS[name].switches[module]))
    assert course(make(name, **settings), 3) == course(make(name, **METHODS[name].switches[module]), 3)
