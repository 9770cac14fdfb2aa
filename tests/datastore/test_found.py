"""What a folder holds, is passed over or cannot be used, and that it is said."""

import logging
import threading
import time

import nibabel
import numpy as np
import pytest

from fewlabel.datastore import headers, scan
from fewlabel.datastore.found import MADE, was_made_now
from fewlabel.errors import Refusal
from fewlabel.workspace import read_json


def fill_with_everything(folder) -> None:
    folder.put("a.nii.gz", "sub/b.nii.gz", "a_mask.nii.gz", "imagesTr/c_0000.nii.gz", "labelsTr/c.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 3), np.int16), folder.affine), folder.root / "four.nii.gz")
    rgb = nibabel.Nifti1Image(np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")]), folder.affine)
    nibabel.save(rgb, folder.root / "sub" / "colour.nii.gz")
    (folder.root / "broken.nii.gz").write_bytes(b"not packed")
    for name in ("series/1.dcm", "series/2.dcm", "bare/IM0001", "bare/IM0002", "notes.txt"):
        (folder.root / name).parent.mkdir(exist_ok=True)
        (folder.root / name).write_bytes(bytes(128) + b"DICM")


def test_all_that_is_passed_over_is_counted_with_its_reason(folder, caplog):
    fill_with_everything(folder)
    caplog.set_level(logging.INFO)
    store = folder.open()
    assert store.list_images() == ["a", "imagesTr--c_0000", "sub--b"]
    found = store.found()
    assert (found.usable, found.pending, found.problem) == (3, 0, "")
    assert found.passed == {
        **{"companion": 1, "dicom": 4, "layout": 1, "unreadable": 1, "4-D": 1, "RGB": 1, "other": 1},
    }
    assert folder.said(caplog, "Found 3 usable scans")
    for words in (("4 files of DICOM", "dcm2niix"), ("MSD layout",), ("four dimensions",), ("colours",), ("broken",)):
        assert len(folder.said(caplog, *words)) == 1, words
    assert len(found.sentences) == len(found.passed)


def test_unusable_scans_are_known_with_their_reason_and_never_offered(folder):
    fill_with_everything(folder)
    store = folder.open()
    assert set(store.unusable()) == {"four", "sub--colour", "broken"}
    assert store.unusable()["sub--colour"][0] == "sub/colour.nii.gz"
    for case in store.unusable():
        assert case not in store.list_images() + store.get_unlabeled_images()
        with pytest.raises(Refusal, match=r"3-D volume|grey volume|broken") as refusal:
            store.get_image_uri(case)
        assert refusal.value.status_code == 422


def test_a_labelled_case_that_became_unreadable_keeps_its_label(folder):
    file = folder.put("a.nii.gz", "b.nii.gz")
    store = folder.open()
    folder.label(store, "b")
    file.write_bytes(b"damaged")
    store.refresh()
    assert store.get_labeled_images() == ["b"]
    assert "b" in store.unusable()
    assert store.found().usable == 1


def test_no_usable_scan_is_said_loudly_once(folder, caplog):
    (folder.root / "series").mkdir()
    (folder.root / "series" / "1.dcm").touch()
    store = folder.open()
    store.refresh()
    (said,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert said.getMessage() == store.found().problem
    for words in ("There is no usable scan in", str(folder.root), "1 file of DICOM"):
        assert words in store.found().problem
    folder.put("a.nii.gz")
    store.refresh()
    assert store.found().problem == ""


def test_a_folder_that_the_start_made_is_called_so(folder):
    assert MADE in folder.open(made=True).found().problem
    assert MADE not in folder.open().found().problem
    folder.put("a.nii.gz")
    assert folder.open(made=True).found().problem == ""


def test_only_an_empty_folder_younger_than_the_process_was_made(tmp_path, monkeypatch):
    started = headers.time.time()
    monkeypatch.setattr("psutil.Process.create_time", lambda self: started - 60)
    assert was_made_now(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    assert was_made_now(tmp_path / "empty")
    monkeypatch.setattr("psutil.Process.create_time", lambda self: started + 3600)
    assert not was_made_now(tmp_path / "empty"), "it was there before"
    monkeypatch.setattr("psutil.Process.create_time", lambda self: started - 60)
    (tmp_path / "empty" / "x").touch()
    assert not was_made_now(tmp_path / "empty")


def test_headers_are_looked_at_once_and_again_when_a_file_changes(folder, monkeypatch):
    file = folder.put("a.nii.gz", "b.nii.gz")
    looked = []
    fault_of = headers.fault_of
    monkeypatch.setattr(headers, "fault_of", lambda path, name: (looked.append(name), fault_of(path, name))[1])
    store = folder.open()
    store.refresh()
    folder.open()
    assert looked == ["a.nii.gz", "b.nii.gz"]
    file.write_bytes(b"damaged")
    store.refresh()
    assert looked == ["a.nii.gz", "b.nii.gz", "b.nii.gz"]
    assert store.list_images() == ["a"]
    assert folder.open().list_images() == ["a"]


@pytest.mark.parametrize("content", ["", "[]", '{"version": 1, "files": {"a.nii.gz": {"stamp": 3}}}'])
def test_a_damaged_memory_of_headers_is_made_anew(folder, content):
    folder.put("a.nii.gz")
    folder.open()
    kept = folder.root / ".fewlabel" / "scans.json"
    good = read_json(kept)
    kept.write_text(content)
    assert folder.open().list_images() == ["a"]
    assert read_json(kept) == good


def test_what_takes_long_goes_on_in_the_background(folder, monkeypatch):
    folder.put(*(f"c{number}.nii.gz" for number in range(6)))
    monkeypatch.setattr(headers, "_AT_LEAST", 2)
    monkeypatch.setattr(scan, "_PATIENCE", -1.0)
    gate = threading.Event()
    look = scan.Headers.look
    calls = []

    def slowly(self, files, seconds):
        calls.append(len(files))
        if len(calls) > 1:
            gate.wait(60)
        look(self, files, seconds)

    monkeypatch.setattr(scan.Headers, "look", slowly)
    store = folder.open()
    assert store.list_images() == ["c0", "c1"]
    assert (store.found().usable, store.found().pending) == (2, 4)
    assert store.found().problem == ""
    gate.set()
    deadline = time.monotonic() + 60
    while store.found().pending and time.monotonic() < deadline:
        time.sleep(0.02)
    assert store.list_images() == [f"c{number}" for number in range(6)]


def test_one_line_says_how_many_scans_there_are_and_what_is_passed_over(folder):
    folder.put("a.nii.gz", "b.nii.gz")
    assert folder.open().found().short == "2 scans."
    for name in ("notes.txt", "more.txt", "most.txt", "other.txt"):
        (folder.root / name).touch()
    short = folder.open().found().short
    assert short.startswith("2 scans; passed over: more.txt, most.txt, notes.txt, ...")


def test_without_a_scan_the_line_says_what_to_do(folder):
    (folder.root / "notes.txt").touch()
    short = folder.open().found().short
    assert short.startswith(
        f"No usable scan in {folder.root} (passed over: notes.txt). Put .nii.gz, .nii, .nrrd, .mha, "
    )
    assert short.endswith(" files there; they are found while the server runs.")
