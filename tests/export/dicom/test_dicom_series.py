"""Which DICOM series a scan came from."""

import shutil

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.export.dicom_series import find_series, series_of
from fewlabel.volumes.reading import Volume, read_volume


def scan_of(written, tmp_path, orientation="LAS"):
    return read_volume(written.scan(tmp_path / f"scan {orientation}.nii.gz", orientation))


def test_slices_are_ordered_by_position_and_lie_where_the_headers_say(write_series):
    written = write_series()
    (found,) = find_series(written.folder)
    assert (found.uid, found.shape) == (written.uid, written.array.shape)
    assert [each.InstanceNumber for each in found.slices] == list(range(1, 10))
    np.testing.assert_allclose(found.affine, written.affine, atol=1e-4)


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "LAS", "PIR", "SRP"])
def test_a_scan_is_found_however_its_axes_are_flipped_and_swapped(write_series, tmp_path, orientation):
    written = write_series()
    write_series("other", turn=np.eye(3))
    found = find_series(tmp_path)
    assert len(found) == 2
    assert series_of("a", scan_of(written, tmp_path, orientation), found).uid == written.uid


def test_of_two_series_on_one_grid_the_one_that_shows_the_scan_is_taken(write_series, tmp_path):
    early, late = write_series("early", seed=1), write_series("late", seed=2)
    found = find_series(tmp_path)
    assert series_of("a", scan_of(late, tmp_path), found).uid == late.uid
    assert series_of("a", scan_of(early, tmp_path, "RAS"), found).uid == early.uid


def test_a_series_on_the_grid_that_shows_something_else_is_refused(write_series, tmp_path):
    written, other = write_series(), write_series("other", seed=5)
    shutil.rmtree(written.folder)
    with pytest.raises(Refusal, match="shows something else"):
        series_of("a", scan_of(written, tmp_path), find_series(other.folder))


def test_two_copies_of_a_series_are_refused_with_their_names(write_series, tmp_path):
    first, second = write_series("first"), write_series("second")
    with pytest.raises(Refusal, match="Several DICOM series show the scan of 'a'") as refusal:
        series_of("a", scan_of(first, tmp_path), find_series(tmp_path))
    assert first.uid in str(refusal.value)
    assert second.uid in str(refusal.value)


@pytest.mark.parametrize("what", ["cropped", "moved", "resampled"])
def test_a_scan_on_another_grid_is_refused(write_series, tmp_path, what):
    written = write_series()
    scan = scan_of(written, tmp_path)
    array, affine = scan.array, scan.affine.copy()
    if what == "cropped":
        array = array[1:]
    elif what == "moved":
        affine[:3, 3] += 0.5
    else:
        affine[:3, 2] *= 1.1
    with pytest.raises(Refusal, match="No DICOM series has the grid of 'a'"):
        series_of("a", Volume(array, affine), find_series(written.folder))


def test_a_folder_without_dicom_and_no_folder_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    with pytest.raises(Refusal, match="holds no DICOM images"):
        find_series(tmp_path)
    with pytest.raises(Refusal, match="is not a folder"):
        find_series(tmp_path / "missing")


def test_a_series_that_is_no_volume_is_refused_with_the_reason(write_series, change):
    written = write_series()
    files = sorted(written.folder.iterdir())
    header = {str(path): find_series(written.folder)[0] for path in files[:1]}
    assert header
    middle = find_series(written.folder)[0].files[4]
    backup = middle.read_bytes()

    def refused():
        with pytest.raises(Refusal) as refusal:
            find_series(written.folder)
        middle.write_bytes(backup)
        return str(refusal.value)

    middle.unlink()
    assert "lacks slices" in refused()
    change(middle, NumberOfFrames=3)
    assert "several frames in one file" in refused()
    change(middle, ImagePositionPatient=None)
    assert "where its slices are" in refused()
    change(middle, PixelSpacing=[2.0, 2.0])
    assert "several sizes or directions" in refused()
    shutil.copyfile(middle, middle.with_name("copy.dcm"))
    assert "several slices at one position" in refused()
    middle.with_name("copy.dcm").unlink()
    assert find_series(written.folder)
