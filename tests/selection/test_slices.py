"""Slices worth looking at, on the image's own grid however it is stored."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from fewlabel.selection.slices import AXES, worst_slices

SHAPE = (20, 24, 16)


def blob(*centres):
    """Uncertainty with one voxel cube of side 3 at each centre, stronger the earlier it is named."""
    values = np.zeros(SHAPE, np.float32)
    for strength, centre in enumerate(reversed(centres), 1):
        values[tuple(slice(index - 1, index + 2) for index in centre)] = strength
    return values


def test_the_worst_slices_are_found_on_each_axis():
    found = worst_slices(blob((4, 6, 3), (15, 18, 12)), np.eye(4), np.eye(4), SHAPE, most=2)
    for axis, name in enumerate(AXES):
        first, second = found["slices"][name]
        assert abs(first - (4, 6, 3)[axis]) <= 1
        assert abs(second - first) >= 1


def test_points_lie_in_the_middle_of_what_is_uncertain():
    found = worst_slices(blob((4, 6, 3)), np.eye(4), np.eye(4), SHAPE, most=1)
    point = found["points"]["axial"][0]
    assert point[:2] == pytest.approx([4, 6], abs=0.1)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "SAR", "PIR"])
def test_the_image_s_own_slices_are_meant_however_it_is_stored(codes):
    spacing = np.diag([1.0, 2.0, 3.0, 1.0])
    spacing[:3, 3] = [-5, 7, 11]
    uncertain = blob((4, 6, 3))
    source = nibabel.Nifti1Image(uncertain, spacing)
    wanted = nibabel.orientations.axcodes2ornt(codes)
    turned = source.as_reoriented(nibabel.orientations.ornt_transform(nibabel.io_orientation(spacing), wanted))
    found = worst_slices(uncertain, spacing, turned.affine, turned.shape, most=1)
    stored = turned.get_fdata()
    order = np.argsort(nibabel.io_orientation(turned.affine)[:, 0])
    for axis, name in enumerate(AXES):
        own = int(order[axis])
        assert np.take(stored, found["slices"][name][0], own).sum() > 0
        voxel = np.linalg.inv(turned.affine) @ [*found["points"][name][0], 1]
        assert stored[tuple(np.round(voxel[:3]).astype(int))] > 0


def test_certain_scans_have_no_such_slices():
    found = worst_slices(np.zeros(SHAPE, np.float32), np.eye(4), np.eye(4), SHAPE)
    assert found["slices"] == found["points"] == {name: [] for name in AXES}


def test_slices_are_inside_the_image():
    uncertain = blob((18, 22, 14))
    found = worst_slices(uncertain, np.diag([1.2, 1.2, 1.2, 1.0]), np.eye(4), SHAPE)
    assert all(0 <= index < side for name, side in zip(AXES, SHAPE, strict=True) for index in found["slices"][name])
