import pytest
import torch

from fewlabel.export.single import better_alone, members
from fewlabel.export.source import Options, Source
from fewlabel.published import load_published

ALONE = {"first": [0.9, 0.1], "second": [0.7, 0.5]}


def test_the_better_network_of_a_mean_becomes_a_model_with_its_own_dice(publish):
    model = load_published(publish("unet_small+unet", alone=ALONE).model)
    alone = better_alone(model)
    assert alone.plan.network == alone.card["network"] == "unet"
    assert alone.card["validation"] == {"organ": 0.7, "tumour": 0.5}
    assert "alone" not in alone.card
    image = torch.randn(1, 1, 16, 24, 16)
    with torch.no_grad():
        assert torch.equal(alone.network(image), model.network.networks[1](image))


def test_only_a_usable_one_is_taken(publish):
    model = load_published(publish("unet_small+unet", alone=ALONE).model)
    assert better_alone(model, lambda name: name == "unet_small").card["validation"] == {"organ": 0.9, "tumour": 0.1}
    assert better_alone(model, lambda name: False) is model


@pytest.mark.parametrize("alone", [None, {}, {"first": [0.9, 0.1]}])
def test_where_none_was_measured_alone_the_first_is_taken_as_not_validated(publish, alone):
    model = load_published(publish("unet_small+unet", alone=alone).model)
    assert [member.mean for member in members(model)] == [None, None]
    card = better_alone(model).card
    assert (card["network"], card["validated"], card["validation"]) == ("unet_small", False, {})


def test_one_network_stays_as_it_is(publish):
    model = load_published(publish().model)
    assert members(model) == []
    assert better_alone(model) is model


def test_all_exports_of_one_choice_are_of_the_same_network(publish, scans):
    workspace, image = publish("unet_small+unet_small", alone=ALONE), dict(scans)["small"]
    with Source(workspace) as both, Source(workspace, options=Options(single=True)) as one:
        assert one.model.plan.network == "unet_small"
        assert (one.segment(image).labels != both.segment(image).labels).any()
