"""The grid is the one that ITK shows: compared with SimpleITK, and with nibabel where both forms agree."""

import importlib.util
import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest

from fewlabel.volumes.geometry import corner_distance, shear_of
from fewlabel.volumes.reading import Volume, read_grid, read_label, read_volume, same_grid, write_volume

_specification = importlib.util.spec_from_file_location("two_forms", Path(__file__).with_name("two_forms.py"))
forms = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(forms)
CODES = list(itertools.product(forms.CODES, (0, 1, 2)))


@pytest.mark.parametrize("name", forms.SFORMS)
@pytest.mark.parametrize(("sform_code", "qform_code"), CODES)
def test_the_grid_is_itks_for_every_combination_of_codes(tmp_path, name, sform_code, qform_code):
    path = forms.write(tmp_path / "scan.nii", forms.SFORMS[name], sform_code, forms.QFORM, qform_code)
    shown = forms.shown_by_itk(path)
    if shown is None:
        assert not sform_code == qform_code == 0
        assert name == "flat" or not read_grid(path).opens
        return
    np.testing.assert_allclose(read_volume(path).affine, shown, rtol=0, atol=1e-12)
    np.testing.assert_allclose(read_grid(path).affine, shown, rtol=0, atol=1e-12)
    assert read_grid(path).opens


@pytest.mark.parametrize("seed", range(120))
def test_the_grid_is_itks_for_any_two_forms(tmp_path, seed):
    random = np.random.default_rng(seed)

    def axes():
        turned = forms.turn(*random.uniform(-180, 180, 3)) if seed % 3 else np.eye(3)[random.permutation(3)]
        return turned @ np.diag(random.choice([-1, 1], 3))

    spacing = np.full(3, 1.5) if seed % 2 else random.uniform(0.5, 3, 3)
    qform = forms.affine(axes(), spacing, random.uniform(-50, 50, 3))
    sform = qform @ np.diag([*random.choice([-1, 1], 3), 1])
    if seed % 5 == 0:
        sform = forms.affine(axes(), spacing, qform[:3, 3])
    sform[:3, 3] += random.choice([0, 0, 2.5])
    path = forms.write(tmp_path / "scan.nii", sform, int(random.integers(1, 5)), qform, int(random.integers(1, 3)))
    np.testing.assert_allclose(read_volume(path).affine, forms.shown_by_itk(path), rtol=0, atol=1e-12)


@pytest.mark.parametrize("pixdim", [(-0.9, 1.2, 2.5), (0.9, 1.2, -2.5), (0, 1.2, 2.5), (1.8, 2.4, 5)])
@pytest.mark.parametrize("codes", [(0, 0), (1, 0), (0, 1), (1, 1), (2, 1)])
@pytest.mark.parametrize("unit", [0, 1, 2, 3])
def test_voxel_size_and_unit_are_taken_as_itk_takes_them(tmp_path, pixdim, codes, unit):
    sform = forms.SFORMS["turned"]
    path = forms.write(tmp_path / "scan.nii", sform, codes[0], forms.QFORM, codes[1], pixdim, unit)
    shown = forms.shown_by_itk(path)
    np.testing.assert_allclose(read_volume(path).affine, shown, atol=1e-6 * np.abs(shown).max())


@pytest.mark.parametrize("codes", [(1, 0), (0, 1), (1, 1), (2, 1), (4, 2)])
def test_the_grid_is_nibabels_where_both_forms_agree(tmp_path, codes):
    path = forms.write(tmp_path / "scan.nii", forms.QFORM, codes[0], forms.QFORM, codes[1])
    np.testing.assert_allclose(read_volume(path).affine, nibabel.load(path).affine, atol=1e-5)
    assert read_volume(path).notes == ()
    assert read_grid(path).unshown == ""


def test_two_forms_that_differ_are_reported_with_the_distance_and_the_one_that_counts(tmp_path):
    path = forms.write(tmp_path / "scan.nii", forms.SFORMS["moved"], 4, forms.QFORM, 1)
    assert read_volume(path).notes == (
        "scan.nii: Its sform and qform differ by up to 3.6 mm; the qform counts, as in Slicer.",
    )
    path = forms.write(tmp_path / "scan.nii", forms.SFORMS["moved"], 1, forms.QFORM, 1)
    assert "the sform counts" in read_volume(path).notes[0]


@pytest.mark.parametrize("degrees", [5, 15])
def test_a_gantry_tilt_that_slicer_cannot_show_is_said_with_angle_and_distance(tmp_path, degrees):
    sform = forms.tilted(degrees)
    path = forms.write(tmp_path / "scan.nii", sform, 1, forms.affine(np.eye(3)), 1)
    grid = read_grid(path)
    far = (6 - 0.5) * forms.SPACING[2] * np.tan(np.radians(degrees))
    assert f"deviates by {degrees}.0 degrees" in grid.unshown
    assert f"up to {far:.1f} mm" in grid.unshown
    assert grid.opens


def test_a_tilted_scan_without_a_qform_is_reported_not_to_open_and_keeps_its_geometry_for_others(tmp_path):
    path = forms.write(tmp_path / "scan.nii", forms.tilted(15), 1, forms.QFORM, 0)
    assert forms.shown_by_itk(path) is None
    grid = read_grid(path)
    assert grid.unshown.startswith("Slicer cannot open it")
    assert not grid.opens
    np.testing.assert_allclose(read_volume(path).affine, nibabel.load(path).affine, atol=1e-5)


def test_nifti_2_is_read_and_reported_not_to_open(tmp_path):
    nibabel.save(nibabel.Nifti2Image(np.arange(120, dtype=np.int16).reshape(4, 5, 6), forms.QFORM), tmp_path / "a.nii")
    assert forms.shown_by_itk(tmp_path / "a.nii") is None
    grid = read_grid(tmp_path / "a.nii")
    assert "NIfTI-2" in grid.unshown
    assert not grid.opens
    np.testing.assert_allclose(read_volume(tmp_path / "a.nii").affine, forms.QFORM, atol=1e-5)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.nrrd"])
def test_the_grid_of_a_header_is_the_grid_of_the_file(tmp_path, name):
    write_volume(tmp_path / name, np.arange(120, dtype=np.int16).reshape(4, 5, 6), forms.QFORM)
    grid, volume = read_grid(tmp_path / name), read_volume(tmp_path / name)
    assert grid.shape == volume.array.shape
    np.testing.assert_array_equal(grid.affine, volume.affine)


@pytest.mark.parametrize("name", ["equal", "turned", "mirrored", "half a turn", "swapped"])
@pytest.mark.parametrize("extension", [".nii", ".nii.gz", ".nrrd"])
def test_what_is_written_lies_where_itk_shows_it(tmp_path, name, extension):
    path = tmp_path / f"label{extension}"
    write_volume(path, np.ones((4, 5, 6), np.uint8), forms.SFORMS[name])
    np.testing.assert_allclose(forms.shown_by_itk(path), forms.SFORMS[name], atol=1e-4)
    np.testing.assert_allclose(read_label(path).affine, forms.SFORMS[name], atol=1e-4)


def test_a_sheared_grid_is_kept_when_written_and_never_shown_elsewhere(tmp_path):
    sheared = forms.tilted(15)
    for name in ("label.nii.gz", "label.nrrd"):
        write_volume(tmp_path / name, np.ones((4, 5, 6), np.uint8), sheared)
        np.testing.assert_allclose(read_label(tmp_path / name).affine, sheared, atol=1e-5)
    assert forms.shown_by_itk(tmp_path / "label.nii.gz") is None
    np.testing.assert_allclose(forms.shown_by_itk(tmp_path / "label.nrrd"), sheared, atol=1e-5)
    assert "submit its labels as .nrrd" in read_grid(tmp_path / "label.nrrd").unshown
    assert shear_of(sheared) == pytest.approx(15)


def test_grids_are_the_same_while_no_corner_is_a_tenth_of_a_voxel_off():
    one = Volume(np.zeros((100, 100, 50)), forms.QFORM)

    def moved(by):
        return Volume(one.array, forms.affine(forms.turn(5, 10, 20), origin=(10 + by, -20, 30)))

    assert same_grid(one, moved(0.09 * 0.9))
    assert not same_grid(one, moved(0.11 * 0.9))
    assert corner_distance((100, 100, 50), one.affine, moved(3).affine) == pytest.approx(3)
    scaled = Volume(one.array, one.affine @ np.diag([1.0009, 1, 1, 1]))  # 0.09 voxels at the far end
    assert same_grid(one, scaled)
    assert not same_grid(one, Volume(one.array, one.affine @ np.diag([1.0012, 1, 1, 1])))
    assert not same_grid(one, Volume(np.zeros((100, 100, 51)), one.affine))
