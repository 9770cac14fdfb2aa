"""Images: which file each is, and why another is none, in words."""

import json
from pathlib import Path

import pytest
from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastoreModel

from fewlabel.datastore.choices import Choices
from fewlabel.datastore.entries import Entries
from fewlabel.datastore.images import Images
from fewlabel.datastore.scan import FolderScan
from fewlabel.errors import Refusal
from fewlabel.workspace import Workspace, read_json


@pytest.fixture
def images(folder):
    """The images of a folder of three files, of which one is no scan, looked at as the index does."""
    folder.put("a.nii.gz", "ward/b.nii.gz", "c.mhd")
    (folder.root / "broken.nii.gz").write_bytes(b"no volume")
    workspace = Workspace(folder.root / ".fewlabel")
    table = LocalDatastoreModel(name="", description="", images_dir=".", base_path=str(folder.root))
    entries = Entries(table, folder.root / "datastore_v2.json", workspace, read_only=False)
    scan = FolderScan(folder.root, workspace, False, Choices(), False, never=folder.root / "labels")
    scan.sort((), ())
    scan.look()
    for case, extension in scan.sort((), ()).extensions().items():
        entries.put(case, ImageLabelModel(image=DataModel(ext=extension)))
    return Images(entries, scan)


def test_each_image_has_its_file_wherever_it_lies(images, folder):
    assert images.file("a") == folder.root / "a.nii.gz"
    assert images.file("ward--b") == images.source("ward--b") == folder.root / "ward" / "b.nii.gz"
    assert images.file("c").suffix == ".nrrd", "viewers are handed one file"
    assert images.source("c") == folder.root / "c.mhd"
    assert all(Path(images.uri(case)).is_file() for case in ("a", "ward--b", "c"))
    assert images.info("a") == {"path": images.uri("a")}


def test_an_image_that_is_none_is_refused_with_the_reason(images):
    for ask in (images.entry, images.file, images.source, images.uri, images.info):
        with pytest.raises(Refusal, match="No image 'x'") as refusal:
            ask("x")
        assert refusal.value.status_code == 404
        with pytest.raises(Refusal, match="broken") as refusal:
            ask("broken")
        assert refusal.value.status_code == 422
    assert list(images.unusable()) == ["broken"]
    assert images.found().usable == 3


def test_a_label_that_is_not_there_is_refused(images):
    with pytest.raises(Refusal, match="no label of the tag 'final'") as refusal:
        images.label("a", "final")
    assert refusal.value.status_code == 404


def test_what_builds_names_of_files_is_set_by_no_client(images):
    images.update_info("a", {"name": "../x", "path": "/etc", "ts": 0, "note": "seen"})
    assert images.info("a") == {"note": "seen", "path": images.uri("a")}


def test_only_finite_json_is_kept(store, studies):
    store.update_image_info("a", {"score": float("nan"), "strategy": {"x": [float("inf"), 1]}, "name": "../x"})
    info = store.get_image_info("a")
    assert info["score"] is None
    assert info["strategy"] == {"x": [None, 1]}
    assert info["name"] == "a.nii.gz"
    json.dumps(read_json(studies / "datastore_v2.json"), allow_nan=False)
    with pytest.raises(Refusal, match="JSON"):
        store.update_image_info("a", ["x"])
