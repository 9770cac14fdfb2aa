from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fewlabel.review import correction as module
from fewlabel.review.correction import correction, dice_matrix, overlaps

MAPS = arrays(np.uint8, (3, 4, 2), elements=st.integers(0, 3))
CLASSES = ["a", "b", "c"]


def compare(label, prediction):
    return correction(overlaps(label, prediction, 3), CLASSES)


@given(MAPS, MAPS)
def test_dice_is_that_of_each_class_alone_and_absent_classes_are_left_out(label, prediction):
    found = compare(label, prediction)
    for value, name in enumerate(CLASSES, 1):
        there, seen = label == value, prediction == value
        if not there.any() and not seen.any():
            assert name not in found.dice
        else:
            assert found.dice[name] == pytest.approx(2 * (there & seen).sum() / (there.sum() + seen.sum()))
    assert found.changed == (label != prediction).sum()
    assert found.mean == (pytest.approx(np.mean(list(found.dice.values()))) if found.dice else None)


@given(MAPS)
def test_nothing_to_correct_is_a_dice_of_one(label):
    found = compare(label, label)
    assert set(found.dice.values()) <= {1.0}
    assert found.changed == 0


@given(MAPS, MAPS)
def test_it_does_not_matter_which_of_the_two_was_first(label, prediction):
    first, second = compare(label, prediction), compare(prediction, label)
    assert first == second


def test_large_maps_are_counted_in_parts(monkeypatch):
    maps = np.random.default_rng(0).integers(0, 4, (2, 9, 8, 7)).astype(np.uint8)
    whole = overlaps(*maps, 3)
    monkeypatch.setattr(module, "_AT_ONCE", 11)
    np.testing.assert_array_equal(overlaps(*maps, 3), whole)


def test_a_class_of_the_label_against_each_of_the_prediction():
    label, prediction = np.array([1, 1, 2, 0]), np.array([2, 2, 0, 0])
    np.testing.assert_allclose(dice_matrix(overlaps(label, prediction, 2)), [[0, 1], [0, 0]])


def test_maps_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="shape"):
        overlaps(np.zeros((2, 2)), np.zeros((2, 3)), 1)
    with pytest.raises(ValueError, match="above 1"):
        overlaps(np.array([2]), np.array([0]), 1)
