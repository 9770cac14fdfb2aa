from __future__ import annotations

import re

import numpy as np
import pytest

from fewlabel.review.alignment import SIDE, Alignment, extents, working_pair


@pytest.fixture
def blocks():
    label = np.zeros((20, 24, 18), np.uint8)
    label[3:9, 4:12, 5:9] = 1
    label[9:12, 4:9, 5:14] = 2
    return label


def test_every_translation_has_the_dice_of_really_moving_the_label(tools, blocks):
    prediction = tools.predict(blocks, 0.8)
    pair = working_pair(blocks, prediction, np.eye(4))
    best, as_it_is = Alignment(pair).moves(None)
    assert as_it_is.dice == pytest.approx(tools.mean_dice(blocks, prediction, 2), abs=1e-5)
    for offset in ((2, -1, 3), (-3, 4, 0)):
        moved = tools.shift(blocks, offset)
        found = Alignment(working_pair(moved, blocks, np.eye(4))).moves(None)[0]
        assert found.shift == tuple(-o for o in offset)
        assert found.dice == pytest.approx(1, abs=1e-5)
    assert best.dice >= as_it_is.dice


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, -1)])
def test_mirroring_about_the_middle_of_the_scan_is_found_exactly(blocks, axis, signs):
    pair = working_pair(np.flip(blocks, axis), blocks, np.diag([*signs, 1.0]))
    about_centre = [move for move in Alignment(pair).moves(axis) if move.about_centre]
    assert about_centre[0].dice == pytest.approx(1, abs=1e-5)


def test_maps_are_turned_to_right_anterior_superior(blocks):
    affine = np.zeros((4, 4))
    affine[:, :] = [[0, 0, -2, 0], [3, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    pair = working_pair(blocks, blocks, affine)
    np.testing.assert_array_equal(pair.axes, np.diag([2.0, 3, 1]))
    inside = blocks[3:12, 4:12, 5:14].transpose(2, 0, 1)[::-1]
    np.testing.assert_array_equal(pair.label, inside)


def test_large_scans_are_worked_on_coarsely(tools):
    label = np.zeros((512, 512, 200), np.uint8)
    label[60:450, 100:400, 20:180] = 1
    label[200:260, 200:260, 60:90] = 2
    affine, moved = np.diag([0.7, 0.7, 1.5, 1]), np.roll(label, 100, 1)
    assert max(working_pair(moved, label, affine).label.shape) <= SIDE
    (flag,) = tools.flags(moved, label, affine)
    match = re.search(r"shifted by (\d+) mm towards the front \(anterior\)", flag["reason"])
    assert int(match[1]) == pytest.approx(70, abs=3.5)  # a coarse voxel is 4.9 mm here


def test_an_empty_map_has_no_pair(blocks):
    assert working_pair(np.zeros_like(blocks), np.zeros_like(blocks), np.eye(4)) is None
    assert working_pair(blocks, np.zeros_like(blocks), np.eye(4)) is None


def test_stray_voxels_do_not_make_a_structure_longer(blocks):
    before = extents(blocks)
    blocks[0, 0, 0] = blocks[-1, -1, -1] = 1
    np.testing.assert_array_equal(extents(blocks), before)
