import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fewlabel.plan import Plan
from fewlabel.published import Published
from fewlabel.training.validation import Validator, dice_of_published, may_replace, mean_dice
from fewlabel.volumes.reading import write_volume

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 1, ("organ", "tumour"))


class Bright(nn.Module):
    """Calls what is brighter than 0 class 1."""

    def forward(self, image):
        return torch.cat([-image, image, torch.full_like(image, -1e3)], 1)


def record(folder, name, label):
    write_volume(folder / f"{name}.nii.gz", (label * 100.0 - 20).astype(np.float32), np.eye(4))
    write_volume(folder / f"{name}-label.nii.gz", label, np.eye(4))
    return {"id": name, "image": str(folder / f"{name}.nii.gz"), "label": str(folder / f"{name}-label.nii.gz")}


@pytest.fixture
def label():
    array = np.zeros((20, 20, 20), np.uint8)
    array[5:15, 5:15, 5:15] = 1
    return array


def test_dice_is_of_whole_volumes_and_nan_for_a_class_that_is_nowhere(tmp_path, label):
    dice = Validator([record(tmp_path, "a", label)], PLAN, "cpu")(Bright())
    assert dice["organ"] == 1
    assert math.isnan(dice["tumour"])
    assert mean_dice(dice) == 1


def test_the_dice_of_each_case_is_kept_with_its_id(tmp_path, label):
    records = [record(tmp_path, name, label) for name in "abc"]
    write_volume(records[1]["label"], 2 * label, np.eye(4))
    (tmp_path / "c.nii.gz").write_bytes(b"no image")
    measured = Validator(records, PLAN, "cpu")(Bright())
    assert measured.cases == {"a": [1.0, None], "b": [None, 0.0]}


def test_a_false_positive_far_away_counts(tmp_path, label):
    case = record(tmp_path, "a", label)
    image = label * 100.0 - 20
    image[:3, :10, :10] = 80
    write_volume(tmp_path / "a.nii.gz", image.astype(np.float32), np.eye(4))
    assert Validator([case], PLAN, "cpu")(Bright())["organ"] == pytest.approx(2000 / 2300, abs=1e-3)


def test_an_unreadable_case_is_reported_once_and_the_others_are_measured(tmp_path, label):
    cases = [record(tmp_path, name, label) for name in "ab"]
    (tmp_path / "a.nii.gz").write_bytes(b"no image")
    reported = []
    validator = Validator(cases, PLAN, "cpu", report=lambda *problem: reported.append(problem))
    assert validator(Bright())["organ"] == validator(Bright())["organ"] == 1
    assert [case for case, _ in reported] == ["a"]


def test_where_no_case_can_be_read_there_is_no_dice(tmp_path, label):
    case = record(tmp_path, "a", label)
    (tmp_path / "a.nii.gz").write_bytes(b"no image")
    assert Validator([case], PLAN, "cpu")(Bright()) == {}
    assert Validator([], PLAN, "cpu")(Bright()) == {}


def test_it_beats_before_every_pass_and_leaves_the_network_as_it_was(tmp_path, label):
    network, beats, passes = Bright().train(), [], []
    network.register_forward_hook(lambda *_: passes.append(len(beats)))
    Validator([record(tmp_path, "a", label)], PLAN, "cpu")(network, lambda: beats.append(1))
    assert passes == list(range(1, len(passes) + 1))
    assert len(passes) > 1
    assert network.training


def test_only_so_many_volumes_are_held_in_memory(tmp_path, label):
    validator = Validator([record(tmp_path, name, label) for name in "abc"], PLAN, "cpu", most=2)
    assert validator(Bright()) == pytest.approx(validator(Bright()), nan_ok=True)
    assert len(validator._held) == 2


def test_a_published_model_is_measured_by_name_after_the_order_of_the_classes_changed(tmp_path, label):
    validator = Validator([record(tmp_path, "a", label)], PLAN, "cpu")
    assert dice_of_published(Published(Bright(), PLAN, {}), validator)["organ"] == 1
    other = Validator([record(tmp_path, "b", 2 * label)], replace(PLAN, classes=("tumour", "organ")), "cpu")
    dice = dice_of_published(Published(Bright(), PLAN, {}), other)
    assert dice["organ"] == 1
    assert math.isnan(dice["tumour"])
    foreign = Validator([record(tmp_path, "c", label)], replace(PLAN, classes=("organ", "vessel")), "cpu")
    assert dice_of_published(Published(Bright(), PLAN, {}), foreign) is None


@pytest.mark.parametrize(
    ("candidate", "published", "allowed"),
    [
        ({"a": 0.5}, None, True),
        ({}, {"a": 0.9}, True),
        ({"a": 0.5}, {"a": 0.5}, True),
        ({"a": 0.4}, {"a": 0.5}, False),
        ({"a": 0.4, "b": 0.9}, {"a": 0.5, "b": 0.7}, True),
        ({"a": math.nan}, {"a": math.nan}, True),
    ],
)
def test_a_model_is_replaced_by_one_that_is_not_worse(candidate, published, allowed):
    assert may_replace(candidate, published) is allowed


class Moody(Bright):
    """Right in evaluation mode alone, as a network with dropout is."""

    def forward(self, image):
        return -super().forward(image) if self.training else super().forward(image)


def test_a_network_is_measured_in_evaluation_mode(tmp_path, label):
    network = Moody().train()
    assert Validator([record(tmp_path, "a", label)], PLAN, "cpu")(network)["organ"] == 1
    assert network.training


def test_the_mean_is_over_the_classes_that_were_measured():
    assert mean_dice({"a": 0.6, "b": math.nan, "c": None}) == pytest.approx(0.6)
    assert mean_dice({"a": 0.6, "b": 0.2}) == pytest.approx(0.4)
    assert math.isnan(mean_dice({"a": math.nan}))
