"""Maps of uncertainty against errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments.checks.map import overlap


def volumes():
    truth = np.zeros((20, 20, 10), np.uint8)
    truth[5:12, 5:12, 3:7] = 1
    predicted = np.roll(truth, 1, axis=0)
    return predicted, truth


def test_a_map_of_the_errors_finds_all_of_them():
    predicted, truth = volumes()
    found = overlap((predicted != truth).astype(float), predicted, truth)
    assert found.correlation == pytest.approx(1)
    assert found.top == 1
    assert found.dice == pytest.approx(6 / 7)


def test_a_perfect_map_without_ties_has_the_best_correlation():
    predicted, truth = volumes()
    wrong = predicted != truth
    found = overlap(wrong + 0.5 * np.random.default_rng(0).random(truth.shape), predicted, truth)
    assert found.correlation == pytest.approx(found.best, abs=1e-3)
    assert found.best < 0.5


def test_a_map_that_says_the_same_everywhere_finds_as_many_as_chance():
    predicted, truth = volumes()
    found = overlap(np.zeros(truth.shape), predicted, truth)
    assert found.top == pytest.approx(0.05, abs=0.05)


def test_a_map_of_what_is_right_is_worse_than_chance():
    predicted, truth = volumes()
    found = overlap((predicted == truth).astype(float), predicted, truth)
    assert found.correlation < 0
    assert found.top == 0


def test_where_nothing_is_wrong_there_is_nothing_to_find():
    _, truth = volumes()
    found = overlap(np.zeros(truth.shape), truth, truth)
    assert math.isnan(found.correlation)
    assert found.dice == 1
