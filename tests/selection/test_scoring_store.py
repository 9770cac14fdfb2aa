"""Scores and the store of predictions: nothing is predicted twice, and older versions keep their ranks."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn

from fewlabel.plan import Plan
from fewlabel.predictions.pool import Keeper
from fewlabel.predictions.predict import Eyes
from fewlabel.predictions.store import PredictionStore
from fewlabel.selection.scoring import score_cases
from fewlabel.volumes.reading import write_volume

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 1, ("organ",))


@pytest.fixture
def records(tmp_path):
    for number in range(6):
        image = np.random.default_rng(number).normal(size=(18, 17, 16)).astype(np.float32)
        write_volume(tmp_path / f"{number}.nii.gz", image, np.eye(4))
    return [{"id": str(number), "image": str(tmp_path / f"{number}.nii.gz")} for number in range(6)]


def members(crops):
    torch.manual_seed(0)
    network = nn.Conv3d(1, 2, 3, padding=1)
    with torch.no_grad():
        return [network(crops).softmax(1)]


def score(records, path, version=1, **more):
    return score_cases(members, PLAN, records, path, version, 10.0, "cpu", **more)


def read(path):
    return json.loads(path.read_text(), parse_constant=lambda constant: pytest.fail(constant))


class Counted(nn.Conv3d):
    """A network of one convolution that counts how often it is asked."""

    def __init__(self):
        super().__init__(1, 2, 3, padding=1)
        self.asked = 0

    def forward(self, crops):
        self.asked += 1
        return super().forward(crops)


@pytest.fixture
def keep(tmp_path):
    """Callable (version): a keeper with a network that counts, all with one store."""
    torch.manual_seed(0)
    network = Counted().eval()
    store = PredictionStore(tmp_path / "predictions", PLAN)
    return lambda version=1: Keeper(Eyes(network, [network], PLAN), store, PLAN, version, "cpu")


def kept_scores(records, path, keeper, **more):
    score_cases(
        lambda crops: pytest.fail("asked"), PLAN, records, path, keeper.version, 10.0, "cpu", keeper=keeper, **more
    )
    return read(path)["cases"]


def test_nothing_is_predicted_twice_by_one_version(records, tmp_path, keep):
    keeper = keep()
    first = kept_scores(records, tmp_path / "scores.json", keeper)
    asked = keeper.eyes.deployed.asked
    assert asked
    assert kept_scores(records, tmp_path / "others.json", keeper) == first
    assert keeper.eyes.deployed.asked == asked
    kept_scores(records, tmp_path / "scores.json", keep(2))
    assert keeper.eyes.deployed.asked == 2 * asked


def test_a_store_that_is_only_read_serves_its_version_and_no_other(records, tmp_path, keep):
    keeper = keep()
    expected = kept_scores(records[:4], tmp_path / "scores.json", keeper)
    for version, predicted in ((1, 2), (2, 6)):
        asked = []

        def watched(crops, asked=asked):
            asked.append(crops)
            return [torch.full((len(crops), 2, *crops.shape[2:]), 0.5)]

        path = tmp_path / f"{version}.json"
        score_cases(watched, PLAN, records, path, version, 10.0, "cpu", store=keeper.store)
        assert len({tuple(crops.flatten()[:5].tolist()) for crops in asked}) >= predicted
        found = read(path)["cases"]
        assert (found["0"] == expected["0"]) == (version == 1)
        assert set(keeper.store.heads) == set("0123")


def test_the_prediction_of_a_replaced_scan_is_not_scored(records, tmp_path, keep):
    path = tmp_path / "scores.json"
    before = kept_scores(records, path, keep())
    image = np.random.default_rng(9).normal(size=(18, 17, 16)).astype(np.float32)
    write_volume(tmp_path / "3.nii.gz", image, np.eye(4))
    after = kept_scores(records, path, keep())
    assert after["3"] != before["3"]
    assert after["2"] == before["2"]


def test_what_is_stored_gives_the_same_score_as_the_members_but_for_rounding(records, tmp_path, keep):
    keeper = keep()
    network = keeper.eyes.deployed
    found = kept_scores(records, tmp_path / "scores.json", keeper)
    score_cases(lambda crops: [network(crops).softmax(1)], PLAN, records, tmp_path / "direct.json", 1, 10.0, "cpu")
    for case, said in read(tmp_path / "direct.json")["cases"].items():
        assert found[case]["score"] == pytest.approx(said["score"], abs=0.01)
        assert found[case]["parts"]["organ"] == pytest.approx(said["parts"]["organ"], abs=0.01)


def test_the_part_is_as_uncertain_as_its_region_or_more(records, tmp_path):
    score(records, tmp_path / "scores.json")
    for said in read(tmp_path / "scores.json")["cases"].values():
        assert said["classes"].keys() == said["parts"].keys()
        assert all(said["parts"][name] >= said["classes"][name] for name in said["classes"])


@pytest.fixture
def half(records, tmp_path, monkeypatch):
    """Callable (): the cases after all were scored by version 1 and three by version 2."""
    path, asked = tmp_path / "scores.json", []
    score(records, path)
    score(records, path, version=2, ends=lambda: len(asked) > 2 or asked.append(1))
    return path


def test_older_scores_stay_with_their_version_and_rank_until_they_are_made_again(records, half):
    cases = read(half)["cases"]
    assert sorted(said["version"] for said in cases.values()) == [1, 1, 1, 2, 2, 2]
    assert read(half)["done"] == 3
    old = [said for said in cases.values() if said["version"] == 1]
    assert all(0 < said["standing"]["score"] < 1 for said in old)
    assert all(0 < said["before"]["score"] < 1 for said in cases.values() if said["version"] == 2)
    kept = {case: said["standing"] for case, said in cases.items() if said["version"] == 1}
    asked = []
    score(records, half, version=3, ends=lambda: bool(asked) or asked.append(1))
    later = read(half)["cases"]
    assert all(later[case]["standing"] == standing for case, standing in kept.items() if later[case]["version"] == 1)
    score(records, half, version=3)
    assert {said["version"] for said in read(half)["cases"].values()} == {3}


@pytest.mark.parametrize("changed", [{"classes": ("other",)}, {"spacing": (2.0, 2.0, 2.0)}])
def test_older_scores_of_another_plan_are_not_kept(records, half, changed):
    plan = dataclasses.replace(PLAN, **changed)
    score_cases(members, plan, records, half, 3, 10.0, "cpu", ends=lambda: True)
    assert read(half)["cases"] == {}


def test_scores_of_labelled_cases_are_not_kept(records, half):
    score(records[:2], half, version=3, ends=lambda: True)
    assert set(read(half)["cases"]) == {"0", "1"}


def test_cases_without_a_prediction_come_first_then_those_with_the_oldest(records, tmp_path, keep):
    kept_scores(records[:2], tmp_path / "scores.json", keep(2))
    kept_scores(records[2:4], tmp_path / "scores.json", keep(1))
    order = []

    class Noting(Keeper):
        def __call__(self, record, image):
            order.append(record["id"])
            return super().__call__(record, image)

    known = keep(3)
    kept_scores(records, tmp_path / "scores.json", Noting(known.eyes, known.store, PLAN, 3, "cpu"))
    assert [set(order[:2]), set(order[2:4]), set(order[4:])] == [{"4", "5"}, {"2", "3"}, {"0", "1"}]
