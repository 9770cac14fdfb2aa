"""Downloads without their compression."""

import gzip
import os

import pytest

from FewLabelLib.net.downloads import UNPACKED, unpacked


@pytest.fixture
def download(tmp_path):
    def download(name, content=b"voxels"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return download


def test_a_packed_image_is_unpacked_out_of_the_packed_ones_sight(download):
    path = download("a.b-image.nii.gz")
    plain = unpacked(path)
    assert plain.name == "a.b-image.nii"
    assert plain.parent != path.parent
    assert plain.read_bytes() == b"voxels"
    assert unpacked(download("a.b-image.nii.gz", b"others")).read_bytes() == b"others"


def test_other_files_are_left(download):
    path = download("a.nrrd")
    assert unpacked(path) == path


def test_one_that_cannot_be_unpacked_is_read_as_it_is(download, tmp_path):
    path = download("a.nii.gz")
    path.write_bytes(path.read_bytes()[:-9])
    assert unpacked(path) == path
    (tmp_path / "unpacked").rmdir()  # nothing was left behind
    (tmp_path / "unpacked").write_bytes(b"in the way")
    assert unpacked(download("b.nii.gz")).name == "b.nii.gz"


def test_only_the_newest_are_kept(download):
    for number in range(UNPACKED + 2):
        os.utime(unpacked(download(f"{number}.nii.gz")), (number, number))
    unpacked(download("last.nii.gz"))
    left = {path.name for path in (unpacked(download("last.nii.gz")).parent).iterdir()}
    assert left == {"last.nii", *(f"{number}.nii" for number in range(3, UNPACKED + 2))}
