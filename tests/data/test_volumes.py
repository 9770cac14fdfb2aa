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

from fewlabel.data import formats
from fewlabel.data.volumes import (
    EXTENSIONS,
    UnreadableVolume,
    read_label,
    read_volume,
    same_grid,
    write_volume,
)
from fewlabel.data.volumes import Volume as FewLabelVolume
from fewlabel.errors import Refusal

OBLIQUE = np.array([[0.8, -0.36, 0.0, -12.0], [0.6, 0.48, 0.0, 7.5], [0.0, 0.0, 3.0, 40.0], [0.0, 0.0, 0.0, 1.0]])


def ramp(shape: tuple[int, ...] = (4, 5, 6), dtype: type = np.int16) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


def save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    nibabel.save(nibabel.Nifti1Image(array, OBLIQUE if affine is None else affine), path)
    return path


def refusal_of(path: Path, read=read_volume) -> str:
    with pytest.raises(UnreadableVolume) as caught:
        read(path)
    message = str(caught.value)
    assert path.name in message
    assert message.count(".") >= 2, "says what to do as well"
    return message


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_what_is_written_is_read_back_in_the_same_place(tmp_path, extension, dtype):
    path = tmp_path / f"scan{extension}"
    write_volume(path, ramp(dtype=dtype), OBLIQUE)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, ramp())
    np.testing.assert_allclose(volume.affine, OBLIQUE, atol=1e-5)
    np.testing.assert_allclose(volume.spacing, (1.0, 0.6, 3.0), atol=1e-5)
    assert volume.array.dtype == np.float32
    assert volume.notes == ()


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_itk_sees_what_is_written_in_the_same_place(tmp_path, extension):
    write_volume(tmp_path / f"scan{extension}", ramp(), OBLIQUE)
    image = SimpleITK.ReadImage(str(tmp_path / f"scan{extension}"))
    lps = np.array(image.TransformIndexToPhysicalPoint((3, 2, 5)))
    np.testing.assert_allclose(lps * (-1, -1, 1), (OBLIQUE @ (3, 2, 5, 1))[:3], atol=1e-4)
    assert image[3, 2, 5] == ramp()[3, 2, 5]


def test_both_transforms_and_the_unit_are_written(tmp_path):
    write_volume(tmp_path / "scan.nii.gz", ramp(), OBLIQUE)
    header = nibabel.load(tmp_path / "scan.nii.gz").header
    assert header["sform_code"] == header["qform_code"] == 1
    assert header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("shape", [(4, 5, 6, 2), (4, 5, 6, 1, 3)])
def test_several_frames_or_channels_are_refused(tmp_path, shape):
    assert "frames or channels" in refusal_of(save(tmp_path / "scan.nii.gz", ramp(shape)))


def test_empty_extra_dimensions_are_dropped_with_a_note(tmp_path):
    volume = read_volume(save(tmp_path / "scan.nii.gz", ramp((4, 5, 6, 1, 1))))
    assert volume.array.shape == (4, 5, 6)
    assert "dropped" in volume.notes[0]


def test_a_flat_picture_is_refused(tmp_path):
    assert "3-D" in refusal_of(save(tmp_path / "scan.nii", ramp((4, 5))))


def test_colours_and_complex_numbers_are_refused(tmp_path):
    colours = np.zeros((4, 5, 6), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "colours" in refusal_of(save(tmp_path / "colours.nii.gz", colours))
    assert "complex" in refusal_of(save(tmp_path / "complex.nii.gz", ramp().astype(np.complex64)))


def test_a_constant_image_is_refused_and_a_constant_label_is_legal(tmp_path):
    path = save(tmp_path / "scan.nii.gz", np.full((4, 5, 6), 7, dtype=np.int16))
    assert "constant" in refusal_of(path)
    assert read_label(path).array.min() == 7
    assert not read_label(save(tmp_path / "empty.nii.gz", np.zeros((4, 5, 6), dtype=np.uint8))).array.any()


def test_voxels_that_are_not_finite_become_the_smallest_value_with_a_note(tmp_path):
    array = ramp(dtype=np.float32) + 3
    array[0, 0, :3] = np.nan, np.inf, -np.inf
    volume = read_volume(save(tmp_path / "scan.nii.gz", array))
    np.testing.assert_array_equal(volume.array[0, 0, :3], [6, 6, 6])
    assert "3 voxel(s)" in volume.notes[0]
    assert "not finite" in refusal_of(tmp_path / "scan.nii.gz", read_label)


def test_an_image_without_any_finite_voxel_is_refused(tmp_path):
    path = save(tmp_path / "scan.nii.gz", np.full((4, 5, 6), np.nan, dtype=np.float32))
    assert "finite" in refusal_of(path)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.nrrd"])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_file_is_refused(tmp_path, name, kept):
    write_volume(tmp_path / name, np.random.default_rng(0).integers(0, 9, (9, 9, 9), np.uint8), OBLIQUE)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * kept)])
    refusal_of(tmp_path / name)
    refusal_of(tmp_path / name, read_label)


@pytest.mark.parametrize("name", ["scan.nii.gz", "scan.nrrd"])
def test_one_flipped_byte_of_compressed_voxels_is_found(tmp_path, name):
    write_volume(tmp_path / name, np.random.default_rng(0).integers(0, 9, (9, 9, 9), np.uint8), OBLIQUE)
    data = bytearray((tmp_path / name).read_bytes())
    data[len(data) * 3 // 4] ^= 0x10
    (tmp_path / name).write_bytes(data)
    refusal_of(tmp_path / name)


@pytest.mark.parametrize("extension", EXTENSIONS)
@pytest.mark.parametrize("content", [b"abc", b"\x1f\x8b\x08", b"NRRD0004\n", b"\x00" * 400, b"<html></html>" * 60])
def test_what_is_no_image_is_refused(tmp_path, extension, content):
    path = tmp_path / f"scan{extension}"
    path.write_bytes(content)
    refusal_of(path)
    refusal_of(path, read_label)


def test_other_kinds_of_file_folders_and_missing_files_are_refused(tmp_path):
    (tmp_path / "scan.jpg").write_bytes(b"abc")
    assert ".nii.gz" in refusal_of(tmp_path / "scan.jpg")
    (tmp_path / "folder.nii").mkdir()
    refusal_of(tmp_path / "folder.nii")
    assert "does not exist" in refusal_of(tmp_path / "none.nii")


def test_a_wrong_extension_is_named(tmp_path):
    save(tmp_path / "scan.nii", ramp()).rename(tmp_path / "scan.nii.gz")
    assert "end with .nii" in refusal_of(tmp_path / "scan.nii.gz")
    save(tmp_path / "other.nii.gz", ramp()).rename(tmp_path / "other.nii")
    assert "end with .nii.gz" in refusal_of(tmp_path / "other.nii")


@pytest.mark.parametrize("size", [0, -3])
def test_an_axis_without_voxels_is_refused(tmp_path, size):
    data = bytearray(save(tmp_path / "scan.nii", ramp()).read_bytes())
    struct.pack_into("<h", data, 42, size)
    (tmp_path / "scan.nii").write_bytes(data)
    assert "axis" in refusal_of(tmp_path / "scan.nii")


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz"])
def test_a_header_that_claims_an_absurd_size_is_refused_before_memory_is_asked_for(tmp_path, name):
    data = bytearray(save(tmp_path / "scan.nii", ramp()).read_bytes())
    struct.pack_into("<3h", data, 42, 32000, 32000, 32000)
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    assert "32000" in refusal_of(tmp_path / name)


def test_a_file_that_unpacks_to_far_more_than_its_header_says_is_refused(tmp_path):
    data = save(tmp_path / "scan.nii", ramp()).read_bytes()
    (tmp_path / "scan.nii.gz").write_bytes(gzip.compress(data + b"\0" * (formats._SLACK + 2)))
    assert "more data" in refusal_of(tmp_path / "scan.nii.gz")


@pytest.mark.parametrize("fault", [0.0, np.nan])
def test_axes_that_span_no_volume_are_refused(tmp_path, fault):
    affine = OBLIQUE.copy()
    image = nibabel.Nifti1Image(ramp(), OBLIQUE)
    affine[:3, 1] = fault
    for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
        image.header[name] = affine[row]
    (tmp_path / "scan.nii").write_bytes(bytes(image.header.binaryblock) + b"\0" * 4 + ramp().tobytes("F"))
    assert "geometry" in refusal_of(tmp_path / "scan.nii")


def test_the_scaling_of_the_header_is_honoured(tmp_path):
    image = nibabel.Nifti1Image(ramp(), OBLIQUE)
    image.header.set_slope_inter(0.5, -10)
    nibabel.save(image, tmp_path / "scan.nii.gz")
    header = nibabel.load(tmp_path / "scan.nii.gz")
    np.testing.assert_allclose(read_volume(tmp_path / "scan.nii.gz").array, header.get_fdata())


def test_nifti_2_big_endian_and_sheared_files_are_read(tmp_path):
    nibabel.save(nibabel.Nifti2Image(ramp(), OBLIQUE), tmp_path / "two.nii.gz")
    np.testing.assert_array_equal(read_volume(tmp_path / "two.nii.gz").array, ramp())
    big = nibabel.Nifti1Image(ramp(), OBLIQUE, nibabel.Nifti1Header(endianness=">"))
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


def test_a_mask_stored_with_a_slope_below_one_is_rounded_not_emptied(tmp_path):
    image = nibabel.Nifti1Image((ramp() % 3).astype(np.int16), OBLIQUE)
    data = bytearray(image.to_bytes())
    struct.pack_into("<2f", data, 112, 0.99999997, 0.0)
    (tmp_path / "label.nii").write_bytes(data)
    label = read_label(tmp_path / "label.nii")
    np.testing.assert_array_equal(label.array, ramp() % 3)
    assert label.array.dtype == np.uint8


@pytest.mark.parametrize(
    ("values", "words"),
    [((-1, 0), "0 to 255"), ((0, 256), "0 to 255"), ((0.0, 0.4), "whole numbers")],
)
def test_labels_that_are_no_class_numbers_are_refused(tmp_path, values, words):
    array = np.full((4, 5, 6), values[0], dtype=np.float32)
    array[0] = values[1]
    assert words in refusal_of(save(tmp_path / "label.nii.gz", array), read_label)


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


def test_a_segmentation_of_several_layers_is_refused_and_of_one_listed_layer_read(tmp_path):
    assert "overlap" in refusal_of(layered(tmp_path / "scan.seg.nrrd", 2), read_label)
    assert read_label(layered(tmp_path / "one.seg.nrrd", 1)).array.shape == (4, 5, 6)


@pytest.mark.parametrize("field", ["data file", "datafile", "Data File"])
def test_a_header_that_names_another_file_of_the_server_is_refused(tmp_path, field):
    secret = tmp_path / "secret.raw"
    secret.write_bytes(ramp().tobytes("F"))
    path = tmp_path / "scan.nrrd"
    path.write_text(
        f"NRRD0004\ntype: int16\ndimension: 3\nsizes: 4 5 6\nendian: little\nencoding: raw\n{field}: {secret}\n\n"
    )
    assert "another file" in refusal_of(path)


def test_a_header_that_names_a_pair_of_files_is_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(ramp(), OBLIQUE), tmp_path / "scan.img")
    (tmp_path / "scan.hdr").rename(tmp_path / "scan.nii")
    assert "another file" in refusal_of(tmp_path / "scan.nii")


def test_the_same_grid_is_told_from_a_shifted_one(tmp_path):
    one = FewLabelVolume(ramp(), OBLIQUE)
    near, far = OBLIQUE.copy(), OBLIQUE.copy()
    near[0, 3] += 1e-4
    far[0, 3] += 0.5
    assert same_grid(one, FewLabelVolume(ramp(), near))
    assert not same_grid(one, FewLabelVolume(ramp(), far))
    assert not same_grid(one, FewLabelVolume(ramp((4, 5, 7)), OBLIQUE))


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    write_volume(tmp_path / "scan.nii.gz", ramp(), OBLIQUE)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fewlabel.workspace.os.replace", full)
    with pytest.raises(Refusal, match="No space left"):
        write_volume(tmp_path / "scan.nii.gz", ramp() + 1, OBLIQUE)
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii.gz").array, ramp())
    assert [file.name for file in tmp_path.iterdir()] == ["scan.nii.gz"]


def test_only_what_can_be_read_again_is_written(tmp_path):
    for name, array in (("a.jpg", ramp()), ("a.nii", ramp((4, 5))), ("a.nii", ramp(dtype=np.float64))):
        with pytest.raises(ValueError, match=name):
            write_volume(tmp_path / name, array, OBLIQUE)
    assert not list(tmp_path.iterdir())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 400), value=st.integers(0, 255), extension=st.sampled_from([".nii", ".nrrd"]))
def test_any_damaged_header_is_read_or_refused_in_words(tmp_path, place, value, extension):
    path = tmp_path / f"scan{extension}"
    if not (tmp_path / f"good{extension}").exists():
        write_volume(tmp_path / f"good{extension}", ramp(), OBLIQUE)
    data = bytearray((tmp_path / f"good{extension}").read_bytes())
    data[place % len(data)] = value
    path.write_bytes(data)
    try:
        volume = read_volume(path)
    except UnreadableVolume as error:
        assert path.name in str(error)
    else:
        assert volume.array.ndim == 3
        assert np.isfinite(volume.array).all()
        assert np.isfinite(volume.affine).all()
