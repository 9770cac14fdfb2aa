"""A pass over the pool: what is missing first, then the stalest; it can be ended and goes on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from fewlabel.files import stamp
from fewlabel.networks import find
from fewlabel.plan import Plan
from fewlabel.predictions.pool import predict_pool
from fewlabel.predictions.predict import Eyes
from fewlabel.predictions.store import PredictionStore
from fewlabel.volumes.reading import write_volume

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 2, ("a",))


@pytest.fixture
def records(tmp_path):
    made = []
    for number in range(4):
        image = np.random.default_rng(number).normal(size=(16, 16, 16)).astype(np.float32)
        write_volume(tmp_path / f"{number}.nii", image, np.eye(4))
        made.append({"id": str(number), "image": str(tmp_path / f"{number}.nii")})
    return made


@pytest.fixture
def store(tmp_path):
    return PredictionStore(tmp_path / "predictions", PLAN)


class Ticks:
    """A clock that moves by a second whenever it is asked."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1
        return self.now


def run(store, records, version, seconds=math.inf, seed=0):
    torch.manual_seed(seed)
    network = find("unet_small")(2)
    return predict_pool(Eyes(network, [network], PLAN, 0.25), store, PLAN, records, version, "cpu", seconds, Ticks())


def labels(store, records):
    return {record["id"]: store.get(record["id"], stamp(record["image"])).labels for record in records}


def test_every_case_is_predicted_once_by_a_version(store, records):
    first = run(store, records, 1)
    assert (first.done, first.of) == (4, 4)
    assert math.isnan(first.changed)
    before = labels(store, records)
    again = run(store, records, 1, seed=1)
    assert again.done == 4
    after = labels(store, records)
    assert len(before) == 4
    assert all(np.array_equal(after[case], before[case]) for case in before)


def test_a_scan_that_was_replaced_by_another_is_predicted_again_and_compared_with_nothing(store, records):
    run(store, records, 1)
    other = np.random.default_rng(9).integers(0, 99, (16, 16, 16)).astype(np.int16)
    write_volume(records[0]["image"], other, np.eye(4))
    found = run(store, records, 1, seed=1)
    assert found.done == 4
    assert math.isnan(found.changed)
    assert store.heads["0"].source == stamp(records[0]["image"])


def test_a_pass_that_time_ended_goes_on_with_what_is_missing_then_with_the_stalest(store, records):
    assert run(store, records[:2], 1).done == 2
    assert run(store, records, 2, seconds=2.5).done == 2  # the two that had no prediction
    assert {store.heads[case].version for case in "23"} == {2}
    assert {store.heads[case].version for case in "01"} == {1}
    assert run(store, records, 2).done == 4


def test_it_tells_how_much_of_the_foreground_changed(store, records):
    run(store, records, 1)
    assert run(store, records, 2).changed == 0
    assert 0 < run(store, records, 3, seed=1).changed <= 1


def test_scans_that_cannot_be_read_are_left_out(store, records):
    with open(records[1]["image"], "r+b") as file:
        file.truncate(400)
    records[2]["image"] += ".gone.nii"
    found = run(store, records, 1)
    assert (found.done, found.of) == (2, 4)
    assert store.usable() == {"0", "3"}
