import nibabel
import numpy as np
import pytest
import SimpleITK

from fewlabel.errors import Refusal
from fewlabel.volumes.reading import (
    WRITTEN,
    Volume,
    read_label,
    read_volume,
    same_grid,
    write_volume,
)


def ramp(shape: tuple[int, ...] = (4, 5, 6), dtype: type = np.int16) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@pytest.mark.parametrize("extension", WRITTEN)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_what_is_written_is_read_back_with_the_same_geometry(tmp_path, extension, dtype, oblique):
    path = tmp_path / f"scan{extension}"
    write_volume(path, ramp(dtype=dtype), oblique)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, ramp())
    np.testing.assert_allclose(volume.affine, oblique, atol=1e-5)
    np.testing.assert_allclose(volume.spacing, (1.0, 0.6, 3.0), atol=1e-5)
    assert volume.array.dtype == np.float32
    assert volume.notes == ()


@pytest.mark.parametrize("extension", WRITTEN)
def test_itk_sees_what_is_written_with_the_same_geometry(tmp_path, extension, oblique):
    write_volume(tmp_path / f"scan{extension}", ramp(), oblique)
    image = SimpleITK.ReadImage(str(tmp_path / f"scan{extension}"))
    lps = np.array(image.TransformIndexToPhysicalPoint((3, 2, 5)))
    np.testing.assert_allclose(lps * (-1, -1, 1), (oblique @ (3, 2, 5, 1))[:3], atol=1e-4)
    assert image[3, 2, 5] == ramp()[3, 2, 5]


def test_both_transforms_and_the_unit_are_written(tmp_path, oblique):
    write_volume(tmp_path / "scan.nii.gz", ramp(), oblique)
    header = nibabel.load(tmp_path / "scan.nii.gz").header
    assert header["sform_code"] == header["qform_code"] == 1
    assert header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("shape", [(4, 5, 6, 2), (4, 5, 6, 1, 3)])
def test_several_frames_or_channels_are_refused(tmp_path, shape, save, refusal_of):
    assert "frames or channels" in refusal_of(save(tmp_path / "scan.nii.gz", ramp(shape)))


def test_empty_extra_dimensions_are_dropped_with_a_note(tmp_path, save):
    volume = read_volume(save(tmp_path / "scan.nii.gz", ramp((4, 5, 6, 1, 1))))
    assert volume.array.shape == (4, 5, 6)
    assert "dropped" in volume.notes[0]


def test_a_flat_picture_is_refused(tmp_path, save, refusal_of):
    assert "3-D" in refusal_of(save(tmp_path / "scan.nii", ramp((4, 5))))


def test_colours_and_complex_numbers_are_refused(tmp_path, save, refusal_of):
    colours = np.zeros((4, 5, 6), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "colours" in refusal_of(save(tmp_path / "colours.nii.gz", colours))
    assert "complex" in refusal_of(save(tmp_path / "complex.nii.gz", ramp().astype(np.complex64)))


def test_a_constant_image_is_refused_and_a_constant_label_is_legal(tmp_path, save, refusal_of):
    path = save(tmp_path / "scan.nii.gz", np.full((4, 5, 6), 7, dtype=np.int16))
    assert "constant" in refusal_of(path)
    assert read_label(path).array.min() == 7
    assert not read_label(save(tmp_path / "empty.nii.gz", np.zeros((4, 5, 6), dtype=np.uint8))).array.any()


def test_voxels_that_are_not_finite_become_the_smallest_value_with_a_note(tmp_path, save, refusal_of):
    array = ramp(dtype=np.float32) + 3
    array[0, 0, :3] = np.nan, np.inf, -np.inf
    volume = read_volume(save(tmp_path / "scan.nii.gz", array))
    np.testing.assert_array_equal(volume.array[0, 0, :3], [6, 6, 6])
    assert "3 voxel(s)" in volume.notes[0]
    assert "not finite" in refusal_of(tmp_path / "scan.nii.gz", read_label)


def test_an_image_without_any_finite_voxel_is_refused(tmp_path, save, refusal_of):
    path = save(tmp_path / "scan.nii.gz", np.full((4, 5, 6), np.nan, dtype=np.float32))
    assert "finite" in refusal_of(path)


@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "scan.nrrd"])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_file_is_refused(tmp_path, name, kept, refusal_of, oblique):
    write_volume(tmp_path / name, np.random.default_rng(0).integers(0, 9, (9, 9, 9), np.uint8), oblique)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * kept)])
    refusal_of(tmp_path / name)
    refusal_of(tmp_path / name, read_label)


@pytest.mark.parametrize("extension", WRITTEN)
@pytest.mark.parametrize("content", [b"abc", b"\x1f\x8b\x08", b"NRRD0004\n", b"\x00" * 400, b"<html></html>" * 60])
def test_what_is_no_image_is_refused(tmp_path, extension, content, refusal_of):
    path = tmp_path / f"scan{extension}"
    path.write_bytes(content)
    refusal_of(path)
    refusal_of(path, read_label)


def test_other_kinds_of_file_folders_and_missing_files_are_refused(tmp_path, refusal_of):
    (tmp_path / "scan.jpg").write_bytes(b"abc")
    assert ".nii.gz" in refusal_of(tmp_path / "scan.jpg")
    (tmp_path / "folder.nii").mkdir()
    refusal_of(tmp_path / "folder.nii")
    assert "does not exist" in refusal_of(tmp_path / "none.nii")


def test_a_wrong_extension_is_named(tmp_path, save, refusal_of):
    save(tmp_path / "scan.nii", ramp()).rename(tmp_path / "scan.nii.gz")
    assert "end with .nii" in refusal_of(tmp_path / "scan.nii.gz")
    save(tmp_path / "other.nii.gz", ramp()).rename(tmp_path / "other.nii")
    assert "end with .nii.gz" in refusal_of(tmp_path / "other.nii")


@pytest.mark.parametrize(
    ("values", "words"),
    [((-1, 0), "0 to 255"), ((0, 256), "0 to 255"), ((0.0, 0.4), "whole numbers")],
)
def test_labels_that_are_no_class_numbers_are_refused(tmp_path, values, words, save, refusal_of):
    array = np.full((4, 5, 6), values[0], dtype=np.float32)
    array[0] = values[1]
    assert words in refusal_of(save(tmp_path / "label.nii.gz", array), read_label)


def test_the_same_grid_is_distinguished_from_a_shifted_one(tmp_path, oblique):
    one = Volume(ramp(), oblique)
    near, far = oblique.copy(), oblique.copy()
    near[0, 3] += 1e-4
    far[0, 3] += 0.5
    assert same_grid(one, Volume(ramp(), near))
    assert not same_grid(one, Volume(ramp(), far))
    assert not same_grid(one, Volume(ramp((4, 5, 7)), oblique))


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch, oblique):
    write_volume(tmp_path / "scan.nii.gz", ramp(), oblique)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fewlabel.workspace.os.replace", full)
    with pytest.raises(Refusal, match="No space left"):
        write_volume(tmp_path / "scan.nii.gz", ramp() + 1, oblique)
    np.testing.assert_array_equal(read_volume(tmp_path / "scan.nii.gz").array, ramp())
    assert [file.name for file in tmp_path.iterdir()] == ["scan.nii.gz"]


def test_only_what_can_be_read_again_is_written(tmp_path, oblique):
    for name, array in (("a.jpg", ramp()), ("a.nii", ramp((4, 5))), ("a.nii", ramp(dtype=np.float64))):
        with pytest.raises(ValueError, match=name):
            write_volume(tmp_path / name, array, oblique)
    assert not list(tmp_path.iterdir())
