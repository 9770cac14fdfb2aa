"""Images that come in are checked, replace no labelled one, and go with their labels."""

from pathlib import Path

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.volumes.reading import read_volume, write_volume

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def scan(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(8, 9, 10)).astype(np.float32)


def test_a_damaged_image_is_not_stored(store, studies, tmp_path):
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes((studies / "a.nii.gz").read_bytes()[:-100])
    before = everything(studies)
    with pytest.raises(Refusal, match="Image 'c'") as caught:
        store.add_image("c", str(cut), {})
    assert caught.value.status_code == 422
    (tmp_path / "picture.jpg").write_bytes(b"abc")
    with pytest.raises(Refusal, match="not supported"):
        store.add_image("c", str(tmp_path / "picture.jpg"), {})
    assert everything(studies) == before


def test_an_added_image_keeps_its_extension_and_is_listed(store, tmp_path):
    write_volume(tmp_path / "new.nrrd", scan(3), AFFINE)
    assert store.add_image("", str(tmp_path / "new.nrrd"), {"client_id": "x"}) == "new"
    assert store.list_images() == ["a", "b", "new"]
    info = store.get_image_info("new")
    assert info["name"] == "new.nrrd"
    assert info["client_id"] == "x"
    assert Path(info["path"]).read_bytes() == (tmp_path / "new.nrrd").read_bytes()


def test_a_labelled_image_is_replaced_by_the_same_bytes_only(store, studies, sent, tmp_path):
    same, other = tmp_path / "same.nii.gz", tmp_path / "other.nrrd"
    same.write_bytes((studies / "a.nii.gz").read_bytes())
    write_volume(other, scan(9), AFFINE)
    store.save_label("a", sent, "original", {})
    store.save_label("a", sent, "final", {})
    assert store.add_image("a", str(same), {}) == "a"
    with pytest.raises(Refusal, match="already labelled") as caught:
        store.add_image("a", str(other), {})
    assert caught.value.status_code == 409
    store.remove_label("a", "final")
    store.add_image("a", str(other), {})
    assert sorted(path.name for path in studies.glob("*.n*")) == ["a.nrrd", "b.nrrd"]
    assert store.get_labels_by_image_id("a") == {}, "a pre-label of the former image is gone"


def test_removing_an_image_removes_its_labels(store, studies, workspace, sent):
    store.save_label("a", sent, "final", {})
    store.remove_image("a")
    assert store.list_images() == ["b"]
    assert not list((studies / "labels").rglob("a*"))
    assert not (workspace.labels / "a.json").exists()


def test_an_upload_never_replaces_a_scan_of_a_subfolder(folder, tmp_path):
    file = folder.put("site/p1.nii.gz", "c.mhd")
    before = file.read_bytes()
    store = folder.open()
    write_volume(tmp_path / "new.nii.gz", folder.volume(77), folder.affine)
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
    write_volume(tmp_path / "new.nrrd", folder.volume(77), folder.affine)
    for case in ("p1", "sub--p2"):
        store.add_image(case, str(tmp_path / "new.nrrd"), {})
        store.refresh()
        np.testing.assert_array_equal(read_volume(store.get_image_uri(case)).array, folder.volume(77))
    assert folder.open().list_images() == store.list_images()


def test_a_removed_scan_of_a_subfolder_is_gone(folder):
    file = folder.put("b.nii.gz", "site/p1.nii.gz")
    store = folder.open()
    store.remove_image("site--p1")
    assert not file.exists()
    store.refresh()
    assert store.list_images() == ["b"]
