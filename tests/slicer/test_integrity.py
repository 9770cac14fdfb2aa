"""Whole files pass, parts of them do not; written label maps are read by others."""

import zipfile

import nibabel
import nrrd
import numpy as np
import pytest

from FewLabelLib.errors import sentence
from FewLabelLib.label.label_file import Geometry, write_label
from FewLabelLib.net.client import Damaged, Refused
from FewLabelLib.net.integrity import check_file


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nrrd", "b.nrrd", "a.zip"])
def test_a_whole_file_passes_and_any_part_of_it_does_not(name, tmp_path):
    path, array = tmp_path / name, np.random.default_rng(0).integers(0, 9, (8, 9, 10)).astype(np.int16)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("weights", array.tobytes())
    elif name.endswith(".nrrd"):
        nrrd.write(str(path), array, {"encoding": "raw" if name == "a.nrrd" else "gzip"})
    else:
        nibabel.save(nibabel.Nifti1Image(array, np.eye(4)), path)
    check_file(path, "it")
    whole = path.read_bytes()
    for length in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(Damaged, match="it arrived"):
            check_file(path, "it")


def test_a_written_label_is_read_by_others_with_all_digits(tmp_path, volumes):
    array = np.ascontiguousarray(volumes.label(3).T)
    path = write_label(tmp_path / "a.nrrd", array, Geometry(array.shape, volumes.affine))
    check_file(path, "it")
    data, header = nrrd.read(str(path))
    np.testing.assert_array_equal(data, volumes.label(3))
    lps = np.diag([-1, -1, 1]) @ volumes.affine[:3]
    np.testing.assert_array_equal(header["space directions"].T, lps[:, :3])
    np.testing.assert_array_equal(header["space origin"], lps[:, 3])
    with pytest.raises(ValueError, match="int64"):
        write_label(path, array.astype(np.int64), Geometry(array.shape, volumes.affine))


def test_every_exception_becomes_a_sentence():
    assert sentence(Refused("No.", 400)) == "No."
    assert "disk full" in sentence(OSError(28, "disk full", "/a"))
    assert "ZeroDivisionError" in sentence(ZeroDivisionError("x"))
