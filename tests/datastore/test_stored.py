"""Labels that cannot be used are left out and reported, of the data set as well."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fewlabel.datastore.stored import StoredLabels
from fewlabel.errors import Refusal
from fewlabel.volumes.reading import read_label, write_volume

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])
NAMES = [{"name": "liver", "idx": 1}, {"name": "tumour", "idx": 2}]
SWAP = np.array([0, 2, 1], np.uint8)


def seen(store, image="a"):
    return read_label(store.get_label_uri(image, "final")).array


def test_a_class_that_the_study_does_not_have_is_reported_and_not_read_as_another(store, sent, reopen, send, label_map):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    store.save_label("b", send((label_map == 1).astype(np.uint8)), "final", {"label_info": NAMES})
    other = reopen(["liver", "vessel"])
    with pytest.raises(Refusal, match="it holds tumour, and the study's classes are liver, vessel") as caught:
        other.get_label_uri("a", "final")
    assert caught.value.status_code == 409
    assert list(other.left_out()) == ["a"]
    np.testing.assert_array_equal(seen(other, "b"), label_map == 1)
    assert [Path(pair["image"]).name for pair in other.datalist()] == ["b.nrrd"]


def test_a_value_without_a_name_is_reported(store, workspace, final, label_map, write_segmentation):
    workspace.set_classes(["liver", "tumour"])
    write_segmentation(final / "a.seg.nrrd", label_map, AFFINE, [("tumour", 1)])
    store.refresh()
    assert "the value(s) 2, for which no name is stored" in store.left_out()["a"]


@pytest.fixture
def looks(store, sent, monkeypatch):
    """Cases whose label was looked into since the list was cleared; two are labelled."""
    for case in ("a", "b"):
        store.save_label(case, sent, "final", {"label_info": NAMES})
    looks, why = [], StoredLabels._why_left_out
    monkeypatch.setattr(StoredLabels, "_why_left_out", lambda self, case: looks.append(case) or why(self, case))
    store.left_out()
    looks.clear()
    return looks


def touch(path):
    """As a program does that writes the same file again, later."""
    os.utime(path, ns=(0, os.stat(path).st_mtime_ns + 1))


def test_a_label_is_looked_at_again_only_when_it_its_image_or_the_classes_changed(store, looks, sent, workspace):
    assert store.left_out() == {}
    assert looks == []
    for change, expected in (
        (lambda: touch(store.stored_label("a")), ["a"]),
        (lambda: touch(store.get_image_uri("b")), ["b"]),
        (lambda: store.save_label("b", sent, "final", {"label_info": NAMES}), ["b"]),
        (lambda: workspace.set_classes(["liver", "tumour", "vessel"]), ["a", "b"]),
        (lambda: None, []),
    ):
        change()
        store.left_out()
        assert looks == expected
        looks.clear()


def test_a_label_that_others_replace_by_one_that_cannot_be_used_is_left_out_and_back_once_it_can(
    store, sent, label_map
):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    path, whole = store.stored_label("a"), Path(store.stored_label("a")).read_bytes()
    assert store.left_out() == {}
    write_volume(path, label_map, AFFINE, ["lung", "liver"])
    assert "lung" in store.left_out()["a"]
    Path(path).write_bytes(whole)
    assert store.left_out() == {}


def test_the_data_set_is_given_in_the_study_s_values_with_what_is_left_out(store, sent, reopen, label_map, tmp_path):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    store.save_label("b", sent, "final", {"label_info": NAMES})
    other = reopen(["tumour", "liver"])
    write_volume(Path(other._datastore.label_path("final")) / "b.nii.gz", label_map, AFFINE, ["lung", "liver"])
    with zipfile.ZipFile(other.get_dataset_archive(None)) as archive:
        archive.extractall(tmp_path / "set")
    assert [path.name for path in (tmp_path / "set" / "label").iterdir()] == ["a.nii.gz"]
    np.testing.assert_array_equal(read_label(tmp_path / "set" / "label" / "a.nii.gz").array, SWAP[label_map])
    info = json.loads((tmp_path / "set" / "metadata.json").read_text())["objects"]["a"]["labels"]["final"]["info"]
    assert info["label_info"][0] == {"name": "tumour", "idx": 1}
    assert "lung" in json.loads((tmp_path / "set" / "left_out.json").read_text())["b"]


def test_an_archive_of_nothing_is_refused(store, sent):
    with pytest.raises(Refusal, match="No image"):
        store.get_dataset_archive(None)
    store.save_label("a", sent, "final", {})
    Path(store.get_dataset_archive(None)).unlink()


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
