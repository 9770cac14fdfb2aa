"""Which features choose the first cases best: the measure itself."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.checks.features import centres, label_dice, nearest, representatives
from fewlabel.selection.features import Geometry


def test_labels_are_alike_by_their_mean_dice_over_classes():
    first = np.array([1, 1, 2, 0])
    assert label_dice(first, first) == 1
    assert label_dice(first, np.array([1, 0, 2, 0])) == pytest.approx((2 / 3 + 1) / 2)
    assert label_dice(first, np.array([0, 0, 0, 0])) == 0


def test_the_nearest_of_the_chosen_counts_for_the_cases_that_are_not():
    alike = {("a", "b"): 0.5, ("b", "a"): 0.5, ("a", "c"): 0.9, ("c", "a"): 0.9, ("b", "c"): 0.1, ("c", "b"): 0.1}
    assert nearest(["a"], alike, "abc") == pytest.approx(0.7)
    assert nearest(["a", "b"], alike, "abc") == pytest.approx(0.9)


def test_k_centre_takes_the_odd_one_and_representatives_do_not():
    known = {str(number): [float(number % 3), 0.0] for number in range(12)} | {"odd": [1.0, 9.0]}
    geometry = Geometry(known)
    odd = geometry.index["odd"]
    assert odd in centres(geometry, 2)
    assert odd not in representatives(geometry, 2)
