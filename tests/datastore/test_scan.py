"""Folders as people have them: what is a case, what is passed over and why, and that all else goes on."""

import json
import logging
import os
import sys
import threading
import time
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from fewlabel.datastore import headers, scan
from fewlabel.datastore.found import MADE, was_made_now
from fewlabel.datastore.scan import Choices
from fewlabel.datastore.undo import UndoDatastore
from fewlabel.errors import Refusal
from fewlabel.volumes.reading import read_volume, write_volume
from fewlabel.workspace import Workspace, read_json

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])
NAMES = [{"name": "liver", "idx": 1}]


def volume(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 100, (8, 9, 10)).astype(np.int16)


class Folder:
    """A folder of studies that is filled and opened."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)

    def put(self, *paths: str) -> Path:
        """Write a scan to each path."""
        for path in paths:
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if path.endswith((".mha", ".mhd", ".nhdr")):
                SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume(len(path))), str(file))
            else:
                write_volume(file, volume(len(path)), AFFINE)
        return file

    def open(self, reload: bool = False, read_only: bool = False, **choices: bool) -> UndoDatastore:
        """Open the study anew, as a restarted server does."""
        workspace = Workspace(self.root / ".fewlabel")
        return UndoDatastore(
            str(self.root), workspace, auto_reload=reload, read_only=read_only, choices=Choices(**choices)
        )

    def open_before(self) -> None:
        """Leave the folder as an earlier version would: with a list, without anything of this one."""
        listed = {
            path.name.split(".nii")[0].split(".nrrd")[0]: {
                "image": {"ext": ".nrrd" if path.name.endswith(".nrrd") else ".nii.gz", "info": {"name": path.name}},
                "labels": {},
            }
            for path in self.root.iterdir()
            if path.is_file()
        }
        content = {"name": "", "description": "", "images_dir": ".", "labels_dir": "labels", "objects": listed}
        (self.root / "datastore_v2.json").write_text(json.dumps(content))

    def label(self, store: UndoDatastore, case: str) -> None:
        """Submit a label."""
        label = self.root.parent / "label.nii.gz"
        write_volume(label, (volume() > 50).astype(np.uint8), read_volume(store.get_image_uri(case)).affine)
        store.save_label(case, str(label), "final", {"label_info": NAMES})


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "studies")


def lines(caplog: pytest.LogCaptureFixture, *words: str) -> list[str]:
    return [line for line in caplog.messages if all(word in line for word in words)]


# C1: what lies beside scans


def test_what_lies_beside_scans_is_no_case_and_is_said_once(folder, caplog):
    folder.put("a.nii.gz", "a.seg.nrrd", "a-label.nrrd", "b.nrrd", "b_seg.nii.gz", "c.seg.nii.gz", "b_mask.nii.gz")
    store = folder.open()
    assert store.list_images() == ["a", "b"]
    store.refresh()
    assert store.found().passed == {"companion": 5}
    (line,) = lines(caplog, "segmentations, label maps or masks")
    assert "5 files" in line
    assert "--conf companions yes" in line


def test_it_is_served_where_that_is_asked_for_and_stays_so(folder):
    folder.put("a.nii.gz", "a.seg.nrrd")
    assert folder.open(companions=True).list_images() == ["a", "a.seg"]
    assert folder.open().list_images() == ["a", "a.seg"], "it stands in the list of the study"


def test_a_case_with_a_submitted_label_stays_one_whatever_its_name(folder):
    folder.put("a.nii.gz", "a_mask.nii.gz", "b-label.nrrd", "c_seg.nii.gz")
    write_volume(folder.root / "labels" / "final" / "a_mask.nii.gz", (volume() > 50).astype(np.uint8), AFFINE)
    store = folder.open()
    assert store.list_images() == ["a", "a_mask"]
    (folder.root / "datastore_v2.json").unlink()
    assert folder.open().get_labeled_images() == ["a_mask"], "even if the list is lost"


def test_a_study_opened_before_keeps_its_cases_whatever_their_names(folder):
    folder.put("a.nii.gz", "a_seg.nii.gz", "a-label.nrrd")
    folder.open_before()
    folder.put("b_seg.nii.gz")
    assert sorted(folder.open().list_images()) == ["a", "a-label", "a_seg"]


def test_files_beside_labels_are_no_cases(folder):
    folder.put("a.nii.gz")
    store = folder.open()
    folder.label(store, "a")
    (folder.root / "labels" / "final" / "a.json").write_text("{}")
    store.refresh()
    assert store.list_images() == ["a"]
    assert store.get_labeled_images() == ["a"]


# C2: subfolders, formats


def test_scans_in_subfolders_are_served_under_ids_without_a_slash(folder):
    folder.put("a.nii.gz", "site/p1/t1.nii.gz", "site/p2/t1.nii.gz", "site--p1.nrrd", "x.nii", "y.mha")
    store = folder.open()
    assert store.list_images() == ["a", "site--p1", "x", "y", "site--p1--t1", "site--p2--t1"]
    assert store.get_image_uri("site--p1--t1") == str(folder.root / "site/p1/t1.nii.gz")
    info = store.get_image_info("site--p2--t1")
    assert (info["name"], info["path"]) == ("site--p2--t1.nii.gz", str(folder.root / "site/p2/t1.nii.gz"))
    assert store.get_image("y").read() == (folder.root / "y.mha").read_bytes()
    folder.label(store, "site--p2--t1")
    assert folder.open().get_labeled_images() == ["site--p2--t1"]
    assert folder.open(read_only=True).get_image_uri("site--p2--t1") == str(folder.root / "site/p2/t1.nii.gz")


def test_a_path_and_a_file_with_its_id_are_never_mixed_up(folder, caplog):
    folder.put("site/p1.nii.gz", "b.nii.gz")
    store = folder.open()
    folder.label(store, "site--p1")
    folder.put("site--p1.nrrd")
    for again in (store, folder.open(), folder.open()):
        again.refresh()
        assert again.list_images() == ["b", "site--p1"]
        assert again.get_image_uri("site--p1") == str(folder.root / "site/p1.nii.gz"), "the label belongs to it"
    assert lines(caplog, "Left out", "site--p1.nrrd")


def test_an_upload_never_replaces_a_scan_of_a_subfolder(folder, tmp_path):
    file = folder.put("site/p1.nii.gz", "c.mhd")
    before = file.read_bytes()
    store = folder.open()
    write_volume(tmp_path / "new.nii.gz", volume(77), AFFINE)
    for case in ("c", "site--p1"):
        with pytest.raises(Refusal, match="Add it under another name"):
            store.add_image(case, str(tmp_path / "new.nii.gz"), {})
    assert file.read_bytes() == before
    assert store.list_images() == ["c", "site--p1"]


def test_a_scan_that_replaces_an_unusable_one_is_served(folder, tmp_path):
    (folder.root / "p1.nii.gz").write_bytes(b"damaged")
    (folder.root / "sub").mkdir()
    (folder.root / "sub" / "p2.nii.gz").write_bytes(b"damaged")
    folder.put("b.nii.gz")
    store = folder.open()
    assert store.list_images() == ["b"]
    write_volume(tmp_path / "new.nrrd", volume(77), AFFINE)
    for case in ("p1", "sub--p2"):
        store.add_image(case, str(tmp_path / "new.nrrd"), {})
        store.refresh()
        np.testing.assert_array_equal(read_volume(store.get_image_uri(case)).array, volume(77))
    assert folder.open().list_images() == store.list_images()


def test_a_removed_scan_of_a_subfolder_is_gone(folder):
    file = folder.put("b.nii.gz", "site/p1.nii.gz")
    store = folder.open()
    store.remove_image("site--p1")
    assert not file.exists()
    store.refresh()
    assert store.list_images() == ["b"]


def test_folders_of_ours_are_never_entered(folder):
    folder.put(
        "a.nii.gz",
        "labels/final/a.nii.gz",
        "sub/labels/b.nii.gz",
        ".hidden/c.nii.gz",
        "state/d.nii.gz",
        "other/e.nii.gz",
        "export/f.nii.gz",
        "dataset/image/g.nii.gz",
        "sub/h.nii.gz",
    )
    (folder.root / "state" / "study.json").write_text("{}")
    for name in ("export/configs/metadata.json", "export/models/model.pt", "dataset/metadata.json"):
        (folder.root / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.root / name).write_text("{}")
    (folder.root / "dataset" / "label").mkdir()
    workspace = Workspace(folder.root / "other")
    store = UndoDatastore(str(folder.root), workspace, auto_reload=False, read_only=False)
    assert store.list_images() == ["a", "sub--h"]


def test_subfolders_of_a_study_opened_before_are_counted_and_served_when_asked_for(folder, caplog):
    folder.put("a.nii.gz", "sub/b.nii.gz", "sub/more/c.nrrd")
    folder.open_before()
    store = folder.open()
    assert store.list_images() == ["a"]
    assert store.found().passed == {"subfolder": 2}
    assert lines(caplog, "2 files in subfolders", "--conf subfolders yes")
    assert folder.open(subfolders=True).list_images() == ["a", "sub--b", "sub--more--c"]
    store = folder.open()
    assert store.list_images() == ["a", "sub--b", "sub--more--c"], "they do not vanish when the setting is left out"
    folder.label(store, "sub--b")
    assert folder.open(subfolders=False).list_images() == ["a", "sub--b"], "a submitted label keeps its case"


def test_a_new_study_serves_its_subfolders_for_good(folder):
    folder.put("a.nii.gz", "sub/b.nii.gz")
    assert folder.open().list_images() == folder.open().list_images() == ["a", "sub--b"]


@pytest.mark.parametrize("header", ["sub/c.mhd", "sub/c.nhdr"])
def test_a_scan_in_two_files_is_handed_out_as_one_nrrd(folder, header):
    folder.put("a.nii.gz", header)
    store = folder.open()
    assert store.list_images() == ["a", "sub--c"]
    place = Path(store.get_image_uri("sub--c"))
    assert place == folder.root / ".fewlabel" / "converted" / "sub--c.nrrd"
    assert store.get_image_info("sub--c")["name"] == "sub--c.nrrd"
    expected = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder.root / header))).transpose()
    np.testing.assert_array_equal(read_volume(place).array, expected)
    made = place.stat().st_mtime_ns
    assert folder.open().list_images() == ["a", "sub--c"]
    assert place.stat().st_mtime_ns == made, "made once"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume(5).transpose()), str(folder.root / header))
    os.utime(folder.root / header, (1, 1))
    store.refresh()
    np.testing.assert_array_equal(read_volume(store.get_image_uri("sub--c")).array, volume(5))
    (folder.root / header).unlink()
    store.refresh()
    assert store.list_images() == ["a"]
    assert not place.exists()


def test_a_copy_that_is_gone_is_made_again(folder):
    folder.put("c.mhd")
    place = Path(folder.open().get_image_uri("c"))
    place.unlink()
    assert Path(folder.open().get_image_uri("c")).is_file()


def test_a_header_is_never_taken_from_an_upload_nor_as_a_label(folder, tmp_path):
    folder.put("a.nii.gz")
    store = folder.open()
    for name in ("x.mhd", "x.nhdr"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(volume()), str(tmp_path / name))
        with pytest.raises(Refusal, match="not supported"):
            store.add_image("x", str(tmp_path / name), {})
        with pytest.raises(Refusal, match="not supported"):
            store.save_label("a", str(tmp_path / name), "final", {})
        (folder.root / "labels" / "final" / f"a{Path(name).suffix}").write_bytes((tmp_path / name).read_bytes())
    store.refresh()
    assert store.get_labeled_images() == []


def test_a_header_that_names_a_file_elsewhere_is_unusable(folder, tmp_path):
    secret = tmp_path / "secret.raw"
    secret.write_bytes(b"s" * 1440)
    header = folder.put("a.nii.gz", "c.mhd")
    header.write_text(header.read_text().replace("c.raw", str(secret)))
    store = folder.open()
    assert store.list_images() == ["a"]
    assert "plain name" in store.unusable()["c"][1]
    assert not list(folder.root.rglob("*c*.nrrd"))


def test_the_same_file_under_two_names_is_one_case_and_said_once(folder, caplog):
    folder.put("a.nii.gz", "sub/b.nii.gz")
    (folder.root / "link.nii.gz").symlink_to("a.nii.gz")
    os.link(folder.root / "a.nii.gz", folder.root / "sub" / "again.nii.gz")
    store = folder.open()
    store.refresh()
    assert store.list_images() == ["a", "sub--b"]
    (line,) = lines(caplog, "same under another name")
    assert "link.nii.gz: the same file as a" in line


def test_links_that_were_cases_before_stay_cases(folder):
    folder.put("a.nii.gz")
    (folder.root / "link.nii.gz").symlink_to("a.nii.gz")
    folder.open_before()
    assert folder.open().list_images() == ["a", "link"]


def test_all_labelled_scans_are_in_the_archive_under_their_ids(folder):
    folder.put("p1/t1.nii.gz", "p2/t1.nii.gz", "c.mhd")
    store = folder.open()
    for case in store.list_images():
        folder.label(store, case)
    with zipfile.ZipFile(store.get_dataset_archive(None)) as archive:
        names = {name for name in archive.namelist() if name != "metadata.json"}
    assert names == {
        *("image/p1--t1.nii.gz", "image/p2--t1.nii.gz", "image/c.nrrd"),
        *("label/p1--t1.nii.gz", "label/p2--t1.nii.gz", "label/c.nii.gz"),
    }
    with zipfile.ZipFile(store.get_dataset_archive(1)) as archive:
        assert len(archive.namelist()) == 3


# C3: what was found


def fill_with_everything(folder: Folder) -> None:
    folder.put("a.nii.gz", "sub/b.nii.gz", "a_mask.nii.gz", "imagesTr/c_0000.nii.gz", "labelsTr/c.nii.gz")
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4, 3), np.int16), AFFINE), folder.root / "four.nii.gz")
    rgb = nibabel.Nifti1Image(np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")]), AFFINE)
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
    assert lines(caplog, "Found 3 usable scans")
    for words in (("4 files of DICOM", "dcm2niix"), ("MSD layout",), ("four dimensions",), ("colours",), ("broken",)):
        assert len(lines(caplog, *words)) == 1, words
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


# C4: what is broken in itself


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
        assert len(lines(caplog, name)) == 1, (name, caplog.messages)
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
        while "later--c" not in store.list_images() or not lines(caplog, "loop.nii.gz"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert len(lines(caplog, "loop.nii.gz")) == 1
        assert store.get_labeled_images() == []
    finally:
        store._observer.stop()
        store._observer.join()


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
    assert len(lines(caplog, "shut", "Permission denied")) == 1


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
        store._observer.stop()
        store._observer.join()
