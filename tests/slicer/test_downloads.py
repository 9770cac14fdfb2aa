"""Downloads lie in a folder of the session, which goes with it."""

import os
import stat
import sys
import time

import pytest

from FewLabelLib.net import downloads
from FewLabelLib.net.downloads import LEFT_BEHIND, keep_newest, session_folder


def make_old(folder, seconds):
    """As if nothing in it had changed for so long."""
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (time.time() - seconds,) * 2)


def test_each_session_has_a_folder_of_its_own_that_goes_with_all_that_is_in_it(tmp_path):
    one, two = session_folder(tmp_path / "temporary"), session_folder(tmp_path / "temporary")
    assert one != two
    (one / "server").mkdir()
    (one / "server" / "scan.nii.gz").write_bytes(b"voxels")
    downloads.remove(one)
    assert list((tmp_path / "temporary").iterdir()) == [two]


@pytest.mark.skipif(sys.platform == "win32", reason="folders of a person are private there by where they are")
def test_nobody_else_can_look_into_it(tmp_path):
    assert stat.S_IMODE(session_folder(tmp_path).stat().st_mode) == 0o700


def test_what_a_crashed_slicer_left_is_removed_a_week_later_and_nothing_else(tmp_path):
    crashed, living, foreign = session_folder(tmp_path), session_folder(tmp_path), tmp_path / "Slicer-cache"
    foreign.mkdir()
    for folder in (crashed, living, foreign):
        (folder / "server").mkdir()
        (folder / "server" / "scan.nii.gz").write_bytes(b"voxels")
        make_old(folder, LEFT_BEHIND + 60)
    (living / "server" / "scan.nii.gz").touch()  # used today
    new = session_folder(tmp_path)
    assert set(tmp_path.iterdir()) == {living, foreign, new}


def test_of_the_files_of_a_server_the_newest_are_kept(tmp_path):
    (tmp_path / "unpacked").mkdir()
    (tmp_path / ".part-1-scan.nii.gz").write_bytes(b"on its way")
    for number in range(5):
        (tmp_path / f"{number}.nii.gz").write_bytes(b"voxels")
        os.utime(tmp_path / f"{number}.nii.gz", (number, number))
    keep_newest(tmp_path, 2)
    assert {path.name for path in tmp_path.iterdir()} == {"unpacked", ".part-1-scan.nii.gz", "3.nii.gz", "4.nii.gz"}
