"""Scans in subfolders and in two files: their ids, and what a header may name."""

import os
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from fewlabel.datastore.store import StudyDatastore
from fewlabel.errors import Refusal
from fewlabel.volumes.reading import read_volume
from fewlabel.workspace import Workspace


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
    assert folder.said(caplog, "Left out", "site--p1.nrrd")


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
    store = StudyDatastore(str(folder.root), workspace, auto_reload=False, read_only=False)
    assert store.list_images() == ["a", "sub--h"]


def test_subfolders_of_a_study_opened_before_are_counted_and_served_when_asked_for(folder, caplog):
    folder.put("a.nii.gz", "sub/b.nii.gz", "sub/more/c.nrrd")
    folder.open_before()
    store = folder.open()
    assert store.list_images() == ["a"]
    assert store.found().passed == {"subfolder": 2}
    assert folder.said(caplog, "2 files in subfolders", "--conf subfolders yes")
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
    path = Path(store.get_image_uri("sub--c"))
    assert path == folder.root / ".fewlabel" / "converted" / "sub--c.nrrd"
    assert store.get_image_info("sub--c")["name"] == "sub--c.nrrd"
    expected = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder.root / header))).transpose()
    np.testing.assert_array_equal(read_volume(path).array, expected)
    made = path.stat().st_mtime_ns
    assert folder.open().list_images() == ["a", "sub--c"]
    assert path.stat().st_mtime_ns == made, "made once"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(folder.volume(5).transpose()), str(folder.root / header))
    os.utime(folder.root / header, (1, 1))
    store.refresh()
    np.testing.assert_array_equal(read_volume(store.get_image_uri("sub--c")).array, folder.volume(5))
    (folder.root / header).unlink()
    store.refresh()
    assert store.list_images() == ["a"]
    assert not path.exists()


def test_a_copy_that_is_gone_is_made_again(folder):
    folder.put("c.mhd")
    path = Path(folder.open().get_image_uri("c"))
    path.unlink()
    assert Path(folder.open().get_image_uri("c")).is_file()


def test_a_header_is_never_taken_from_an_upload_nor_as_a_label(folder, tmp_path):
    folder.put("a.nii.gz")
    store = folder.open()
    for name in ("x.mhd", "x.nhdr"):
        SimpleITK.WriteImage(SimpleITK.GetImageFromArray(folder.volume()), str(tmp_path / name))
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
    (line,) = folder.said(caplog, "same under another name")
    assert "link.nii.gz: the same file as a" in line


def test_links_that_were_cases_before_stay_cases(folder):
    folder.put("a.nii.gz")
    (folder.root / "link.nii.gz").symlink_to("a.nii.gz")
    folder.open_before()
    assert folder.open().list_images() == ["a", "link"]
