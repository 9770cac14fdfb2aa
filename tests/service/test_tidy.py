"""What requests leave is taken away, and nothing else; sessions end after their hour, finished or not."""

import asyncio
import json
import os
import tempfile
import time

import pytest
from filelock import FileLock
from monailabel.utils.sessions import Sessions

from fewlabel.service import tidy
from fewlabel.service.tidy import Tidy, own_temporary_folder, remove_old_sessions


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Instead of the system's temporary files, before a server has taken a folder of its own there."""
    folder = tmp_path / "system"
    folder.mkdir()
    monkeypatch.setattr(tidy, "_mine", None)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    if tidy._mine is not None:
        tidy._mine.release()


def left():
    """Names of what lies among the temporary files of this process."""
    return sorted(name for name in os.listdir(tempfile.gettempdir()) if name != tidy._LOCK)


def put_aside(name, age=10.0):
    path = os.path.join(tempfile.gettempdir(), name)
    with open(path, "w") as file:
        file.write("volume")
    os.utime(path, (time.time() - age, time.time() - age))


def test_what_was_put_aside_goes_with_the_last_request_and_what_libraries_keep_stays(system):
    own_temporary_folder("app")

    async def play():
        looks_after = Tidy()
        async with looks_after.after_request(takes_much=True):
            async with looks_after.after_request(takes_much=False):
                put_aside("tmpabcdefgh.nii.gz", age=-1.0)
                put_aside("matplotlib-abc")
            assert left() == ["matplotlib-abc", "tmpabcdefgh.nii.gz"], "another request is open, which may own it"
            os.mkdir(os.path.join(tempfile.gettempdir(), "tmp12345678"))

    asyncio.run(play())
    assert left() == ["matplotlib-abc"]


def test_without_a_folder_of_its_own_nothing_is_removed(system):
    async def play():
        async with Tidy().after_request(takes_much=True):
            put_aside("tmpabcdefgh.nii.gz")

    asyncio.run(play())
    assert left() == ["tmpabcdefgh.nii.gz"]


def test_folders_of_servers_that_ended_go_and_those_of_running_ones_stay(system):
    for name in ("fewlabel-ended", "fewlabel-runs", "fewlabel-something-else", "others"):
        (system / name).mkdir()
    (system / "fewlabel-ended" / tidy._LOCK).touch()
    with FileLock(system / "fewlabel-runs" / tidy._LOCK):
        own_temporary_folder("app")
        there = {path.name for path in system.iterdir()}
    assert there == {"fewlabel-runs", "fewlabel-something-else", "others", os.path.basename(tempfile.gettempdir())}
    first = tempfile.gettempdir()
    own_temporary_folder("app")
    assert tempfile.gettempdir() == first


def test_sessions_end_after_their_hour_whether_finished_or_not(tmp_path):
    store, image = tmp_path / "store", tmp_path / "image.nii.gz"
    sessions = Sessions(str(store))
    image.write_bytes(b"x")
    now, _ = sessions.add_session(str(image))
    image.write_bytes(b"x")
    over, _ = sessions.add_session(str(image))
    meta = store / over / "meta.info"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "last_access_ts": 1}))
    for name, age in (("begun", 0), ("broken", 4000)):
        (store / name).mkdir()
        (store / name / "meta.info").write_text('{"image": "ha')
        os.utime(store / name, (time.time() - age, time.time() - age))
    remove_old_sessions(sessions)
    assert sorted(path.name for path in store.iterdir()) == sorted([now, "begun"])
    remove_old_sessions(Sessions(str(tmp_path / "none")))
