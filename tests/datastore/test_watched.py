"""The folder is watched: what others put there is seen, and what we write ourselves wakes nobody."""

import os
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from watchdog.events import FileCreatedEvent, FileModifiedEvent

from fewlabel.datastore import watched
from fewlabel.datastore.store import StudyDatastore
from fewlabel.datastore.watched import FolderWatch
from fewlabel.volumes.reading import write_volume

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])


def scan(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(8, 9, 10)).astype(np.float32)


def wait_until(true) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_watcher_sees_files_that_arrive_and_not_its_own_writing(studies, monkeypatch, open_store):
    refreshes, seen, woken = [], [], []
    refresh, on_change = StudyDatastore.refresh, FolderWatch.on_change

    def record(self, event):
        waited = self.waits
        on_change(self, event)
        seen.append(os.path.basename(event.src_path))
        if self.waits and not waited:
            woken.append(seen[-1])

    def all_events_have_come(mark):
        """Events come in their order: when that of a file made now is here, so are all before it."""
        (studies / mark).touch()
        wait_until(lambda: mark in seen)

    monkeypatch.setattr(StudyDatastore, "refresh", lambda self: (refreshes.append(1), refresh(self)))
    monkeypatch.setattr(FolderWatch, "on_change", record)
    store = open_store(reload=True)
    try:
        for number in range(20):
            write_volume(studies / f"late{number:02}.nii.gz", scan(number), AFFINE)
        wait_until(lambda: len(store.list_images()) == 22)
        assert len(refreshes) < 20
        all_events_have_come(".first.nii.gz")
        wait_until(lambda: not store.watch.waits)
        woken.clear()
        for number in range(5):
            store.update_image_info("a", {"number": number})
        all_events_have_come(".second.nii.gz")
        assert any(name.startswith(("datastore", ".writing")) for name in seen)
        assert not woken
    finally:
        store.watch.stop()


def test_the_folder_is_read_again_for_labels_that_come_or_go_not_for_those_that_are_listed(store, studies, sent):
    refreshes = []
    watch = FolderWatch(str(studies), store.entries, None, lambda: refreshes.append(1))
    store.save_label("a", sent, "final", {})
    path = Path(store.stored_label("a"))

    def settle(*paths):
        before = len(refreshes)
        watch.take_in(paths)
        return len(refreshes) - before

    assert settle(path) == 0
    assert settle(path, path.with_name("b.nii.gz")) == 1
    assert settle(path.with_name("a.nrrd")) == 1
    assert settle(path.parents[2] / "a.nii.gz") == 1
    path.unlink()
    assert settle(path) == 1


@pytest.fixture
def by_hand(monkeypatch):
    """Functions of the timers that were started, to be called by the test."""
    waiting = []

    def timer(seconds, function):
        return SimpleNamespace(start=lambda: waiting.append(function))

    monkeypatch.setattr(watched.threading, "Timer", timer)
    return waiting


def test_changes_that_come_together_have_the_folder_read_once_and_later_ones_again(store, studies, by_hand):
    refreshes = []
    watch = FolderWatch(str(studies), store.entries, None, lambda: refreshes.append(1))
    for expected in (1, 2):
        for number in range(20):
            watch.on_change(FileCreatedEvent(str(studies / f"late{number:02}.nii.gz")))
        assert watch.waits
        assert len(by_hand) == expected
        by_hand[-1]()
        assert not watch.waits
        assert len(refreshes) == expected


def test_hidden_files_wake_nobody(store, studies, by_hand):
    watch = FolderWatch(str(studies), store.entries, None, lambda: None)
    for name in (".writing-1.nii.gz", ".fewlabel/model.nii.gz", "patient/.cache/x.nrrd"):
        watch.on_change(FileCreatedEvent(str(studies / name)))
    assert not watch.waits
    watch.on_change(FileCreatedEvent(str(studies / "patient" / "x.nrrd")))
    assert watch.waits


@pytest.mark.parametrize("half", [True, False], ids=["half copied", "whole"])
def test_new_content_counts_where_a_scan_could_not_be_used_before(store, studies, by_hand, half):
    scan = SimpleNamespace(may_change=lambda path: half and path.endswith("a.nii.gz"))
    watch = FolderWatch(str(studies), store.entries, scan, lambda: None)
    watch.on_content(FileModifiedEvent(str(studies / "a.nii.gz")))
    assert watch.waits == half


def test_a_folder_that_the_system_does_not_watch_is_served_all_the_same(studies, monkeypatch, open_store, caplog):
    def refuse(self):
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr("watchdog.observers.api.BaseObserver.start", refuse)
    store = open_store(reload=True)
    assert store.list_images() == ["a", "b"]
    assert sum("cannot be watched" in line and "limit reached" in line for line in caplog.messages) == 1
