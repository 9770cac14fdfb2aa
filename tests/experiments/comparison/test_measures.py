import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.spatial.distance import cdist
from skimage.metrics import hausdorff_distance

from experiments.comparison.measures import MEASURES, measure

SPACING = (0.7, 1.5, 4.0)


def cube(start, side=5, shape=(20, 18, 16), value=1):
    array = np.zeros(shape, np.int64)
    array[tuple(slice(first, first + side) for first in start)] = value
    return array


def measured(predicted, truth, spacing=SPACING, classes=("organ",)):
    return measure(torch.as_tensor(predicted), torch.as_tensor(truth), spacing, classes)


def surface_distances(first, second, spacing):
    """Distance in mm of each surface voxel of one mask to the nearest of the other, in both directions."""
    surfaces = [np.argwhere(mask & ~ndimage.binary_erosion(mask)) * np.array(spacing) for mask in (first, second)]
    table = cdist(*surfaces)
    return table.min(1), table.min(0)


def test_overlap_of_cubes_is_as_counted_by_hand():
    row = measured(cube((2, 2, 2)), cube((4, 2, 2)))[0]  # 3 of 5 layers are shared
    assert row["dice"] == pytest.approx(2 * 75 / 250)
    assert row["jaccard"] == pytest.approx(75 / 175)
    assert row["empty"] == ""


def test_a_perfect_prediction_has_overlap_1_and_distance_0():
    row = measured(cube((2, 3, 4)), cube((2, 3, 4)))[0]
    assert [row[name] for name in MEASURES] == [1, 1, 0, 0]


def test_masks_that_do_not_touch_have_overlap_0_and_a_distance():
    row = measured(cube((0, 0, 0)), cube((10, 10, 10)))[0]
    assert row["dice"] == row["jaccard"] == 0
    assert row["empty"] == ""
    assert row["hausdorff95"] > row["surface_distance"] > 0


SHAPES = {
    "shifted along the first axis": ((4, 4, 4), (7, 4, 4), 5),
    "shifted along the last axis": ((4, 4, 4), (4, 4, 6), 5),
    "shifted along all axes": ((3, 3, 3), (6, 5, 4), 5),
    "of another size": ((3, 3, 3), (4, 6, 5), 8),
    "at the border of the volume": ((0, 0, 0), (2, 1, 0), 6),
}


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), SPACING, (3.0, 0.5, 0.5)])
def test_distances_are_those_of_a_brute_force_search_in_mm(name, spacing):
    start, other, side = SHAPES[name]
    predicted, truth = cube(start), cube(other, side)
    row = measured(predicted, truth, spacing)[0]
    there, back = surface_distances(predicted == 1, truth == 1, spacing)
    assert row["hausdorff95"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), rel=1e-4)
    assert row["surface_distance"] == pytest.approx(np.concatenate([there, back]).mean(), rel=1e-4)


def test_95hd_is_no_larger_than_the_largest_distance():
    predicted, truth = cube((3, 3, 3)), cube((6, 5, 4))
    largest = hausdorff_distance(predicted * (1 - ndimage.binary_erosion(predicted)), truth)
    assert 0 < measured(predicted, truth, (1.0, 1.0, 1.0))[0]["hausdorff95"] <= largest + 1e-6


def test_distances_of_random_blobs_are_those_of_a_brute_force_search():
    noise = np.random.default_rng(0).normal(size=(2, 16, 14, 12))
    first, second = (ndimage.gaussian_filter(each, 2) > 0.02 for each in noise)
    row = measured(first.astype(np.int64), second.astype(np.int64))[0]
    there, back = surface_distances(first, second, SPACING)
    assert row["hausdorff95"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), rel=1e-4)
    assert row["surface_distance"] == pytest.approx(np.concatenate([there, back]).mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("predicted", "truth", "empty"),
    [
        (cube((0, 0, 0), 0), cube((2, 2, 2)), "prediction"),
        (cube((2, 2, 2)), cube((0, 0, 0), 0), "reference"),
        (cube((0, 0, 0), 0), cube((0, 0, 0), 0), "both"),
    ],
)
def test_what_cannot_be_had_of_an_empty_mask_is_nan_and_it_is_said_which_is_empty(predicted, truth, empty):
    row = measured(predicted, truth)[0]
    assert row["empty"] == empty
    assert math.isnan(row["hausdorff95"])
    assert math.isnan(row["surface_distance"])
    overlap = [row["dice"], row["jaccard"]]
    assert all(map(math.isnan, overlap)) if empty == "both" else overlap == [0, 0]


def test_each_class_is_measured_by_itself():
    predicted = np.maximum(cube((2, 2, 2)), cube((10, 10, 10), value=2))
    truth = np.maximum(cube((4, 2, 2)), cube((10, 10, 10), value=2))
    rows = measured(predicted, truth, classes=("liver", "kidney", "spleen"))
    assert [row["class"] for row in rows] == ["liver", "kidney", "spleen"]
    assert [row["dice"] for row in rows[:2]] == pytest.approx([0.6, 1.0])
    assert [row["empty"] for row in rows] == ["", "", "both"]
    alone = measured(predicted == 1, truth == 1)[0]
    assert [rows[0][name] for name in MEASURES] == pytest.approx([alone[name] for name in MEASURES])


def test_a_value_without_a_name_is_refused():
    with pytest.raises(ValueError, match="has the value 3, but the classes are liver, kidney"):
        measured(cube((2, 2, 2)), cube((2, 2, 2), value=3), classes=("liver", "kidney"))
