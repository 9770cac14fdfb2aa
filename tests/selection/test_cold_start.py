"""Typical scans first, hard ones the sooner the more they agree."""

from __future__ import annotations

import numpy as np
import pytest

from fewlabel.selection.cold_start import _Signals
from fewlabel.selection.features import Geometry


def cloud(count=40, outliers=3):
    """Scans on a line in many dimensions, and some far from all others."""
    random = np.random.default_rng(0)
    points = {f"{number:02}": random.normal(size=12).tolist() for number in range(count)}
    return points | {f"outlier-{number}": (10 + 20 * random.normal(size=12)).tolist() for number in range(outliers)}


def test_the_middle_is_typical_and_what_the_main_components_cannot_say_is_hard():
    random = np.random.default_rng(0)
    line = np.outer(random.normal(size=60), np.ones(6)) + 0.01 * random.normal(size=(60, 6))
    line[7] += np.array([1, -1, 1, -1, 1, -1])  # off the line
    geometry = Geometry({str(number): each.tolist() for number, each in enumerate(line)})
    signals = _Signals.of(geometry)
    assert signals.hard.argmax() == 7
    middle = np.abs(line.mean(1) - np.median(line.mean(1))).argsort()[:10]
    assert signals.typical[middle].mean() > 0.6


def test_outliers_wait(make, images):
    known = cloud()
    batch = make("cold_start", known=known)({"count": 5}, images(known))["batch"]
    assert not [answer for answer in batch if answer["id"].startswith("outlier")]


def test_difficulty_counts_more_with_more_labels_and_where_hard_scans_are_typical():
    signals = [_Signals(np.array([0.5]), np.array([0.5]), alignment) for alignment in (-1.0, 0.0, 1.0)]
    assert [each.weight(0) for each in signals] == [0, 0, 0]
    weights = [each.weight(8) for each in signals]
    assert weights == sorted(weights)
    assert signals[1].weight(8) < signals[1].weight(100) < 1


def test_the_reason_has_the_numbers_of_its_scan(make, images):
    known = cloud()
    strategy = make("cold_start", known=known)
    answer = strategy({}, images(known))
    signals = _Signals.of(strategy.features.geometry())
    number = list(known).index(answer["id"])
    assert f"more typical than {signals.typical[number]:.0%}" in answer["reason"]
    assert f"harder to reconstruct than {signals.hard[number]:.0%}" in answer["reason"]
    assert "of the 43 scans read so far" in answer["reason"]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_scans_are_enough(make, images, count):
    known = {case: [float(number)] for number, case in enumerate("abc"[:count])}
    assert make("cold_start", known=known)({}, images("abcd"))["id"] in "abcd"


def test_scans_that_are_all_alike_are_offered_all_the_same(make, images):
    assert make("cold_start", known={case: [1.0, 2.0] for case in "abc"})({}, images("abc"))["id"] in "abc"
