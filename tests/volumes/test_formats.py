import contextlib
import gzip
import struct
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fewlabel.volumes import formats
from fewlabel.volumes.reading import (
    UnreadableVolume,
    read_label,
    read_volume,
    write_volume,
)


def ramp(shape: tuple[int, ...] = (4, 5, 6), dtype: type = np.int16) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nrrd"])
def test_one_flipped_byte_of_compressed_voxels_is_found(tmp_path, name, refusal_of, oblique):
    write_volume(tmp_path / name, np.random.default_rng(0).integers(0, 9, (9, 9, 9), np.uint8), oblique)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) * 3 // 4] ^= 0x10
    (tmp_path / name).write_bytes(data)
    refusal_of(tmp_path / name)


@pytest.mark.parametrize("size", [0, -3])
def test_an_axis_without_voxels_is_refused(tmp_path, size, save, refusal_of):
    data = bytearray(save(tmp_path / "scan.nii", ramp()).read_bytes())
    struct.pack_into("<h", data, 42, size)
    (tmp_path / "scan.nii").write_bytes(data)
    assert "axis" in refusal_of(tmp_path / "scan.nii")


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_a_header_that_claims_an_absurd_size_is_refused_before_memory_is_asked_for(tmp_path, name, save, refusal_of):
    data = bytearray(save(tmp_path / "scan.nii", ramp()).read_bytes())
    struct.pack_into("<3h", data, 42, 32000, 32000, 32000)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert "32000" in refusal_of(tmp_path / name)


def test_a_file_that_unpacks_to_far_more_than_its_header_says_is_refused(tmp_path, save, refusal_of):
    data = save(tmp_path / "scan.nii", ramp()).read_bytes()
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(data + b"\0" * (formats._SLACK + 2)))
    assert "more data" in refusal_of(tmp_path / "scan.nii.gz")


@pytest.mark.parametrize("fault", [0.0, np.nan])
def test_axes_that_span_no_volume_are_refused(tmp_path, fault, refusal_of, oblique):
    affine = oblique.copy()
    image = nibabel.Nifti1Image(ramp(), oblique)
    affine[:3, 1] = fault
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
        image.header[name] = affine[row]
    (tmp_path / "scan.nii").write_bytes(bytes(image.header.binaryblock) + b"\0" * 4 + ramp().tobytes("F"))
    assert "geometry" in refusal_of(tmp_path / "scan.nii")


def test_the_scaling_of_the_header_is_honoured(tmp_path, oblique):
    image = nibabel.Nifti1Image(ramp(), oblique)
    image.header.set_slope_inter(0.5, -10)
    nibabel.save(image, tmp_path / "scan.nii.gz")
    header = nibabel.load(tmp_path / "scan.nii.gz")
    np.testing.assert_allclose(read_volume(tmp_path / "scan.nii.gz").array, header.get_fdata())


def test_nifti_2_big_endian_and_sheared_files_are_read(tmp_path, save, oblique):
    nibabel.save(nibabel.Nifti2Image(ramp(), oblique), tmp_path / "two.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "two.nii.gz").array, ramp())
    big = nibabel.Nifti1Image(ramp(), oblique, nibabel.Nifti1Header(endianness=">"))
    nibabel.save(big, tmp_path / "big.nii")
    np.testing.assert_array_equal(read_volume(tmp_path / "big.nii").array, ramp())
    sheared = np.array([[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1.0]])
    np.testing.assert_allclose(read_volume(save(tmp_path / "shear.nii", ramp(), sheared)).affine, sheared)


def test_a_file_without_orientation_lies_where_itk_puts_it(tmp_path):
    image = nibabel.Nifti1Image(ramp(), None)
    image.header.set_zooms((1, 2, 3))
    (tmp_path / "scan.nii").write_bytes(image.to_bytes())
    volume = read_volume(tmp_path / "scan.nii")
    itk = SimpleITK.ReadImage(str(tmp_path / "scan.nii"))
    point = np.array(itk.TransformIndexToPhysicalPoint((3, 2, 5))) * (-1, -1, 1)
    np.testing.assert_allclose((volume.affine @ (3, 2, 5, 1))[:3], point)
    assert "orientation" in volume.notes[0]


def test_another_unit_of_length_becomes_mm(tmp_path):
    image = nibabel.Nifti1Image(ramp(), np.diag([0.001, 0.002, 0.003, 1]))
    image.header.set_xyzt_units("meter")
    (tmp_path / "scan.nii").write_bytes(image.to_bytes())
    np.testing.assert_allclose(read_volume(tmp_path / "scan.nii").spacing, (1, 2, 3), rtol=1e-5)


def test_a_mask_stored_with_a_slope_below_one_is_rounded_not_emptied(tmp_path, oblique):
    image = nibabel.Nifti1Image((ramp() % 3).astype(np.int16), oblique)
    data = bytearray(image.to_bytes())
    struct.pack_into("<2f", data, 112, 0.99999997, 0.0)
    (tmp_path / "label.nii").write_bytes(data)
    label = read_label(tmp_path / "label.nii")
    np.testing.assert_array_equal(label.array, ramp() % 3)
    assert label.array.dtype == np.uint8


def write_nrrd(path: Path, array: np.ndarray, **fields: object) -> Path:
    header = {
        "space": "left-posterior-superior",
        "space directions": np.diag([1.0, 2.0, 3.0]),
        "space origin": np.array([10.0, 20.0, 30.0]),
    }
    header.update({name.replace("_", " "): value for name, value in fields.items()})
    nrrd.write(str(path), array, {name: value for name, value in header.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (-1, -1, 1)),
        ("right-anterior-superior", (1, 1, 1)),
        ("RAS", (1, 1, 1)),
        ("left-anterior-superior", (-1, 1, 1)),
    ],
)
def test_the_space_of_an_nrrd_file_is_honoured(tmp_path, space, signs):
    volume = read_volume(write_nrrd(tmp_path / "scan.nrrd", ramp(), space=space))
    np.testing.assert_allclose(volume.affine[:3, 3], np.multiply(signs, (10, 20, 30)))
    np.testing.assert_allclose(np.diag(volume.affine)[:3], np.multiply(signs, (1, 2, 3)))


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
def test_a_segmentation_of_one_layer_is_read(tmp_path, encoding):
    array = (ramp() % 3).astype(np.uint8)
    path = write_nrrd(tmp_path / "scan.seg.nrrd", array, encoding=encoding, Segment0_Name="liver")
    np.testing.assert_array_equal(read_label(path).array, array)


def layered(path: Path, layers: int) -> Path:
    directions = np.vstack([[np.nan] * 3, np.eye(3)])
    array = (ramp((layers, 4, 5, 6)) % 2).astype(np.uint8)
    return write_nrrd(path, array, space_directions=directions, kinds=["list", "domain", "domain", "domain"])


def test_a_segmentation_of_several_layers_is_refused_and_of_one_listed_layer_read(tmp_path, refusal_of):
    assert "overlap" in refusal_of(layered(tmp_path / "scan.seg.nrrd", 2), read_label)
    assert read_label(layered(tmp_path / "one.seg.nrrd", 1)).array.shape == (4, 5, 6)


@pytest.mark.parametrize("field", ["data file", "datafile", "Data File"])
def test_a_header_that_names_another_file_of_the_server_is_refused(tmp_path, field, refusal_of):
    secret = tmp_path / "secret.raw"
    secret.write_bytes(ramp().tobytes("F"))
    path = tmp_path / "scan.nrrd"
    path.write_text(
        f"NRRD0004\ntype: int16\ndimension: 3\nsizes: 4 5 6\nendian: little\nencoding: raw\n{field}: {secret}\n\n"
    )
    assert "another file" in refusal_of(path)


def test_a_header_that_names_a_pair_of_files_is_refused(tmp_path, refusal_of, oblique):
    nibabel.save(nibabel.Nifti1Pair(ramp(), oblique), tmp_path / "scan.img")
    (tmp_path / "scan.hdr").rename(tmp_path / "scan.nii")
    assert "another file" in refusal_of(tmp_path / "scan.nii")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offset=st.integers(0, 400), value=st.integers(0, 255), extension=st.sampled_from([".nii", ".nrrd"]))
def test_any_damaged_header_is_read_or_refused_in_words(tmp_path, offset, value, extension, oblique):
    path = tmp_path / f"scan{extension}"
    if not (tmp_path / f"good{extension}").exists():
        write_volume(tmp_path / f"good{extension}", ramp(), oblique)
    data = bytearray((tmp_path / f"good{extension}").read_bytes())
    data[offset % len(data)] = value
    path.write_bytes(data)
    # Any other error, a warning included, fails the test.
    with contextlib.suppress(UnreadableVolume):
        volume = read_volume(path)
        assert volume.array.ndim == 3
        assert np.isfinite(volume.array).all()
        assert np.isfinite(volume.affine).all()
