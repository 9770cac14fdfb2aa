import json
from pathlib import Path

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import read_json

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def scan(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(8, 9, 10)).astype(np.float32)


@pytest.mark.parametrize("name", ["../evil", "a/b", "a\\b", "..", ".hidden", "a\nb", "x" * 201, "a..b"])
def test_an_id_or_tag_that_could_leave_the_folder_is_refused(store, studies, sent, name):
    before = everything(studies.parent)
    for request in (
        lambda: store.add_image(name, str(studies / "a.nii.gz"), {}),
        lambda: store.save_label(name, sent, "final", {}),
        lambda: store.save_label("a", sent, name, {}),
    ):
        with pytest.raises(Refusal, match="cannot be") as caught:
            request()
        assert caught.value.status_code == 400
    assert everything(studies.parent) == before


def test_an_unknown_image_or_label_is_answered_in_words(store, sent):
    for request in (
        lambda: store.get_image_uri("none"),
        lambda: store.get_image_info("none"),
        lambda: store.get_image("none"),
        lambda: store.save_label("none", sent, "final", {}),
        lambda: store.update_image_info("none", {}),
        lambda: store.update_label_info("a", "final", {}),
        lambda: store.remove_image("none"),
        lambda: store.remove_label("a", "final"),
        lambda: store.notes("none"),
    ):
        with pytest.raises(Refusal) as caught:
            request()
        assert caught.value.status_code == 404
    assert store.get_label_uri("a", "final") == ""


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


def test_an_archive_of_nothing_is_refused(store, sent):
    with pytest.raises(Refusal, match="No image"):
        store.get_dataset_archive(None)
    store.save_label("a", sent, "final", {})
    Path(store.get_dataset_archive(None)).unlink()


def test_only_finite_json_is_kept(store, studies):
    store.update_image_info("a", {"score": float("nan"), "strategy": {"x": [float("inf"), 1]}, "name": "../x"})
    info = store.get_image_info("a")
    assert info["score"] is None
    assert info["strategy"] == {"x": [None, 1]}
    assert info["name"] == "a.nii.gz"
    json.dumps(read_json(studies / "datastore_v2.json"), allow_nan=False)
    with pytest.raises(Refusal, match="JSON"):
        store.update_image_info("a", ["x"])
