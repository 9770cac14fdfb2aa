"""Links, names and files that are broken in themselves stop nothing else."""

import json
import os
import sys
import time
from pathlib import Path

import pytest


def break_things(root: Path) -> None:
    (root / "loop.nii.gz").symlink_to("loop.nii.gz")
    (root / "nowhere.nii.gz").symlink_to("gone.nii.gz")
    (root / "sub").mkdir(exist_ok=True)
    (root / "sub" / "round").symlink_to("round")
    (root / "sub" / "up").symlink_to("..")
    with open(os.fsencode(root) + b"/name\xff.nii.gz", "wb") as file:
        file.write(b"x")
    os.makedirs(os.fsencode(root) + b"/folder\xff")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_broken_links_and_names_get_one_line_each_and_all_else_goes_on(folder, caplog):
    folder.put("a.nii.gz", "sub/b.nii.gz")
    break_things(folder.root)
    store = folder.open()
    store.refresh()
    assert store.list_images() == ["a", "sub--b"]
    for name in ("loop.nii.gz", "nowhere.nii.gz", "sub/round", "sub/up", "name\\udcff", "folder\\udcff"):
        assert len(folder.said(caplog, name)) == 1, (name, caplog.messages)
    json.dumps(store.found().sentences).encode()
    "".join(caplog.messages).encode()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_broken_links_and_names_that_appear_later_stop_nothing(folder, caplog):
    folder.put("a.nii.gz", "sub/b.nii.gz")
    store = folder.open(reload=True)
    try:
        break_things(folder.root)
        (folder.root / "labels" / "final" / "a.nii.gz").symlink_to("a.nii.gz")
        folder.put("later/c.nii.gz")
        deadline = time.monotonic() + 60
        while "later--c" not in store.list_images() or not folder.said(caplog, "loop.nii.gz"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert len(folder.said(caplog, "loop.nii.gz")) == 1
        assert store.get_labeled_images() == []
    finally:
        store.watch.stop()


def test_a_file_that_cannot_be_opened_is_unusable_and_all_else_goes_on(folder, monkeypatch):
    folder.put("a.nii.gz", "b.nii.gz")
    opened = Path.open

    def refuse(self, *given, **more):
        if self.name == "b.nii.gz":
            raise PermissionError(13, "Permission denied")
        return opened(self, *given, **more)

    monkeypatch.setattr(Path, "open", refuse)
    store = folder.open()
    assert store.list_images() == ["a"]
    assert "Permission denied" in store.unusable()["b"][1]


def test_a_folder_that_cannot_be_read_is_said_and_all_else_goes_on(folder, monkeypatch, caplog):
    folder.put("a.nii.gz", "shut/b.nii.gz")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("os.scandir", refuse)
    assert folder.open().list_images() == ["a"]
    assert len(folder.said(caplog, "shut", "Permission denied")) == 1


def test_a_scan_that_is_still_being_copied_becomes_a_case_when_it_is_whole(folder):
    folder.put("a.nii.gz")
    whole = folder.put("b.nii").read_bytes()
    (folder.root / "b.nii").unlink()
    store = folder.open(reload=True)
    try:
        with (folder.root / "b.nii").open("wb") as file:
            file.write(whole[:700])
            file.flush()
            deadline = time.monotonic() + 60
            while "b" not in store.unusable():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            file.write(whole[700:])
        while "b" not in store.list_images():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        store.watch.stop()
