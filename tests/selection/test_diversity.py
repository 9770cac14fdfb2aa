"""Picking cases that differ."""

from __future__ import annotations

import numpy as np
import pytest

from fewlabel.selection.diversity import Picker, standardised
from fewlabel.selection.features import Geometry

GEOMETRY = Geometry({"a": [0.0], "b": [0.001], "c": [2.0], "taken": [4.0]})


def picker(cases="abc", taken=(), free=None, count=2):
    return Picker(GEOMETRY, list(cases), list(taken), np.ones(len(cases), bool) if free is None else free, count)


def test_the_highest_utility_comes_first_and_its_double_last():
    it = picker(count=3)
    assert [it.pick(np.array([1.0, 0.9, 0.1])) for _ in range(3)] == [0, 2, 1]


def test_a_case_that_is_not_free_is_not_picked_and_the_mask_is_not_changed():
    free = np.array([False, True, True])
    assert picker(free=free).pick(np.array([9.0, 0.0, -9.0])) == 1
    assert free.tolist() == [False, True, True]


def test_the_rest_of_the_order_is_by_utility():
    it = picker("abc")
    it.pick(np.array([0.0, 1.0, 0.5]))
    assert it.order(np.array([0.0, 1.0, 0.5])) == [1, 2, 0]


def test_scans_without_features_are_neither_near_nor_far():
    assert picker(["new", "c"], taken=["taken"]).relative(np.array([0])).tolist() == [1.0]


def test_standardised_scores_do_not_depend_on_their_scale_and_keep_what_is_unknown():
    values = np.array([0.1, 0.2, np.nan, 0.4])
    assert standardised(values * 0.01)[[0, 1, 3]] == pytest.approx(standardised(values)[[0, 1, 3]])
    assert np.isnan(standardised(values)[2])
    assert standardised(np.full(3, 0.3)).tolist() == pytest.approx([0.0] * 3)
