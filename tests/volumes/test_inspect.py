"""What a file is, from its header: never stricter than the reader, and with the reason by name."""

import gzip
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK

from fewlabel.volumes.inspect import COLOUR, FOUR_D, SEGMENTATION, UNREADABLE, fault_of
from fewlabel.volumes.reading import UnreadableVolume, read_volume, write_volume


def scan(*more: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 100, (5, 6, 7, *more)).astype(np.int16)


def nifti(array: np.ndarray):
    return lambda path: nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)


def itk(array: np.ndarray, vector: bool = False):
    image = SimpleITK.GetImageFromArray(array, isVector=vector)
    return lambda path: SimpleITK.WriteImage(image, str(path))


def coloured(path: Path) -> None:
    image = nibabel.Nifti1Image(np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")]), np.eye(4))
    nibabel.save(image, path)


def segmentation(path: Path) -> None:
    nrrd.write(str(path), scan().astype(np.uint8), {"Segment0_Name": "liver", "Segment0_LabelValue": "1"})


USABLE = {
    "a.nii": nifti(scan()),
    "a.nii.gz": nifti(scan()),
    "b.nii.gz": nifti(scan(1)),
    "c.nii.gz": nifti(scan(1, 1)),
    "a.nrrd": itk(scan()),
    "b.nrrd": lambda path: write_volume(path, scan(), np.diag([1, 2, 3, 1])),
    "a.mha": itk(scan()),
    "b.mha": itk(scan().astype(np.float64)),
}
UNUSABLE = {
    "four.nii.gz": (nifti(scan(2)), FOUR_D),
    "four.nii": (nifti(scan(1, 2)), FOUR_D),
    "four.mha": (itk(scan(2)), FOUR_D),
    "four.nrrd": (lambda path: nrrd.write(str(path), scan(2)), FOUR_D),
    "colour.nii.gz": (coloured, COLOUR),
    "colour.mha": (itk(scan(3), vector=True), COLOUR),
    "colour.nrrd": (itk(scan(3), vector=True), COLOUR),
    "flat.nii.gz": (nifti(scan()[:, :, 0]), UNREADABLE),
    "empty.nii.gz": (Path.touch, UNREADABLE),
    "empty.nrrd": (Path.touch, UNREADABLE),
    "empty.mha": (Path.touch, UNREADABLE),
    "text.nii.gz": (lambda path: path.write_text("no image"), UNREADABLE),
    "text.nii": (lambda path: path.write_text("no image"), UNREADABLE),
    "text.nrrd": (lambda path: path.write_text("no image"), UNREADABLE),
    "text.mha": (lambda path: path.write_text("no image"), UNREADABLE),
    "cut.nii": (lambda path: (nifti(scan())(path), path.write_bytes(path.read_bytes()[:-1])), UNREADABLE),
    "cut.mha": (lambda path: (itk(scan())(path), path.write_bytes(path.read_bytes()[:-1])), UNREADABLE),
    "damaged.nii.gz": (lambda path: path.write_bytes(gzip.compress(b"x" * 900)[:40]), UNREADABLE),
    "packed.nii": (lambda path: path.write_bytes(gzip.compress(_bytes(nifti(scan()), path))), UNREADABLE),
    "plain.nii.gz": (lambda path: path.write_bytes(_bytes(nifti(scan()), path)), UNREADABLE),
    "detached.nrrd": (
        lambda path: path.write_text("NRRD0004\ntype: short\ndimension: 3\nsizes: 5 6 7\ndata file: /etc/passwd\n\n"),
        UNREADABLE,
    ),
}


def _bytes(write, path: Path) -> bytes:
    plain = path.with_name("whole.nii")
    write(plain)
    return plain.read_bytes()


@pytest.mark.parametrize("name", USABLE)
def test_a_scan_is_usable(tmp_path, name):
    USABLE[name](tmp_path / name)
    assert fault_of(tmp_path / name, name) is None
    read_volume(tmp_path / name)


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_cannot_be_used_is_refused_by_the_reader_as_well(tmp_path, name):
    write, kind = UNUSABLE[name]
    write(tmp_path / name)
    fault = fault_of(tmp_path / name, f"sub/{name}")
    assert fault is not None
    assert fault.kind == kind
    assert fault.message.startswith(f"sub/{name} ")
    assert fault.message.endswith(".")
    with pytest.raises(UnreadableVolume):
        read_volume(tmp_path / name)


def test_a_file_whose_header_names_segments_is_no_scan(tmp_path):
    segmentation(tmp_path / "a.nrrd")
    assert fault_of(tmp_path / "a.nrrd", "a").kind == SEGMENTATION


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd"])
def test_only_the_header_is_read(tmp_path, name):
    noise = np.random.default_rng(0).normal(size=(50, 50, 50)).astype(np.float32)
    write_volume(tmp_path / name, noise, np.eye(4))
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: 2**16])
    assert fault_of(tmp_path / name, name) is None, "what lies behind it is found when the scan is used"
    with pytest.raises(UnreadableVolume):
        read_volume(tmp_path / name)
