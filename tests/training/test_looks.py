"""What a training that goes on publishes: nothing that was good in one look only."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fewlabel.methods import METHODS
from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan
from fewlabel.published import load_published, read_card
from fewlabel.training.looks import LookPublisher
from fewlabel.training.ongoing_progress import OngoingProgress
from fewlabel.training.validation import Measured

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 1, ("organ",))


class FixedValidator:
    """Measures these Dice values one after the other; NaN-free, or nothing at all."""

    def __init__(self, *values):
        self.values, self.records, self.plan = list(values), [{"id": "v"}] if values else [], PLAN

    def __call__(self, network, beat=None):
        return Measured({"organ": self.values.pop(0)} if self.records else {})


@pytest.fixture
def look(tmp_path):
    """Callable (values): after as many looks, their versions (0: none), and the publisher."""

    def run(*values, looks=None):
        publisher = LookPublisher(
            tmp_path / "model.pt",
            PLAN,
            FixedValidator(*values),
            OngoingProgress(tmp_path / "progress.json", validation_cases=["v"] if values else []),
            {"method": "supervised", "labelled": 4, "unlabelled": 9},
            "cpu",
        )
        method = METHODS["supervised"](lambda: NETWORKS["unet_small"](2), 2)
        versions = []
        for _ in range(looks or len(values)):
            for parameter in method.parameters():
                nn.init.normal_(parameter, std=0.1)
            publisher.consider(method, 1.0, lambda: None)
            versions.append(read_card(publisher.path)["version"] if publisher.path.exists() else 0)
        return versions, publisher, method

    return run


def test_a_candidate_replaces_the_model_when_two_successive_ones_were_not_worse(look):
    assert look(0.5, 0.6, 0.55)[0] == [1, 1, 2]


def test_a_single_good_look_publishes_nothing(look):
    assert look(0.5, 0.9, 0.4, 0.9, 0.45)[0] == [1, 1, 1, 1, 1]


def test_the_dice_that_is_reported_is_that_of_the_last_weights_and_never_a_maximum(look):
    versions, publisher, _ = look(0.5, 0.9, 0.6)
    assert versions == [1, 1, 2]
    assert publisher.progress.snapshot()["best_metric"] == 0.6
    assert publisher.progress.snapshot()["published_dice"] == 0.6
    assert load_published(publisher.path).card["validation"] == {"organ": 0.6}


def test_a_worse_one_is_reported_and_not_published(look):
    versions, publisher, _ = look(0.8, 0.3)
    assert versions == [1, 1]
    assert publisher.progress.snapshot()["best_metric"] == 0.3
    assert publisher.progress.snapshot()["published_dice"] == 0.8


def test_where_nothing_can_be_validated_the_last_is_published_and_flagged(look):
    versions, publisher, method = look(looks=3)
    assert versions == [1, 2, 3]
    assert not read_card(publisher.path)["validated"]
    published = load_published(publisher.path).network.state_dict()
    assert all(torch.equal(published[key], value) for key, value in method.deployed.state_dict().items())


def test_after_new_labels_no_look_of_before_counts(look):
    _, publisher, method = look(0.5, 0.7)
    publisher.validator = FixedValidator(0.55, 0.6, 0.6)  # the first: of the published one, on other cases
    publisher.begin_anew(lambda: None)
    assert publisher.progress.snapshot()["published_dice"] == 0.55
    publisher.consider(method, 1.0, lambda: None)
    assert read_card(publisher.path)["version"] == 1
    publisher.consider(method, 1.0, lambda: None)
    assert read_card(publisher.path)["version"] == 2


def test_released_is_called_for_each_new_model(look):
    _, publisher, method = look(0.5)
    report = []
    publisher.released = report.append
    publisher.validator = FixedValidator(0.6, 0.6)
    publisher.consider(method, 1.0, lambda: None)
    assert report == []
    publisher.consider(method, 1.0, lambda: None)
    assert report == [method]
