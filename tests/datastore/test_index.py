import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fewlabel.datastore import entries, headers, index
from fewlabel.datastore import scan as scan_module
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import Workspace, read_json

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])
NAMES = [{"name": "liver", "idx": 1}, {"name": "tumour", "idx": 2}]


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def scan(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(8, 9, 10)).astype(np.float32)


@pytest.mark.parametrize("content", [b"", b'{"name": "x", "obj', b"[]"])
def test_a_damaged_list_is_set_aside_and_rebuilt_with_all_that_was_known(store, studies, sent, content, open_store):
    store.save_label("a", sent, "final", {"label_info": NAMES, "client_id": "reader 1"})
    (studies / "datastore_v2.json").write_bytes(content)
    again = open_store()
    assert again.list_images() == ["a", "b"]
    assert again.get_label_info("a", "final")["label_info"] == NAMES
    assert again.get_label_info("a", "final")["client_id"] == "reader 1"
    assert again.notes("a") == store.notes("a")
    (aside,) = studies.glob("datastore_v2.json.damaged-*")
    assert aside.read_bytes() == content
    assert set(read_json(studies / "datastore_v2.json")["objects"]) == {"a", "b"}


def test_a_restart_finds_the_same_study(store, sent, open_store):
    store.save_label("b", sent, "final", {"label_info": NAMES})
    store.update_image_info("a", {"note": "seen"})
    assert open_store().json() == store.json()


def test_leftovers_of_a_killed_process_are_removed_and_never_listed(studies, open_store):
    old, young = studies / ".writing-old.nii.gz", studies / ".writing-young.nii.gz"
    old.write_bytes(b"half")
    young.write_bytes(b"half")
    os.utime(old, (0, 0))
    assert open_store().list_images() == ["a", "b"]
    assert not old.exists()
    assert young.exists(), "another process may be writing it"


def test_two_files_of_one_id_are_one_image_and_the_log_says_so(studies, caplog, open_store):
    write_volume(studies / "a.nrrd", scan(5), AFFINE)
    (studies / "folder.nii.gz").mkdir()
    store = open_store()
    store.refresh()
    assert store.list_images() == ["a", "b"]
    assert store.get_image_uri("a").endswith("a.nii.gz")
    assert sum("a.nrrd" in line for line in caplog.messages) == 1


def test_a_file_that_is_gone_is_not_listed_and_its_label_returns_with_it(store, studies, sent, tmp_path):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    (studies / "a.nii.gz").rename(tmp_path / "a.nii.gz")
    store.refresh()
    assert store.list_images() == ["b"]
    (tmp_path / "a.nii.gz").rename(studies / "a.nii.gz")
    store.refresh()
    assert store.get_label_info("a", "final")["label_info"] == NAMES


def test_a_read_only_process_knows_all_files_and_leaves_the_list_alone(store, studies, workspace, sent):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    write_volume(studies / "late.nii.gz", scan(4), AFFINE)
    before = everything(studies)
    script = (
        "import sys; from fewlabel.datastore.store import StudyDatastore; from fewlabel.workspace import Workspace\n"
        "store = StudyDatastore(sys.argv[1], Workspace(sys.argv[2]), auto_reload=False, read_only=True)\n"
        "store.update_image_info('a', {'score': 1})\n"
        "store.save_label('b', sys.argv[3], 'original', {'model': 'fewlabel'})\n"
        "store.refresh()\n"
        "print(store.list_images(), store.get_labeled_images(), store.get_image_info('a')['score'])"
    )
    command = [sys.executable, "-c", script, str(studies), str(workspace.folder), sent]
    environment = {**os.environ, "PYTHONPATH": str(Path(index.__file__).parents[2])}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=120)
    assert answer.stdout.strip() == "['a', 'b', 'late'] ['a'] 1"
    after = everything(studies)
    added = {str(Path("labels/original/b.nii.gz")), str(Path(".fewlabel/labels/original/b.json"))}
    assert {name: data for name, data in after.items() if name not in added} == before
    store.refresh()
    assert store.get_label_info("b", "original")["model"] == "fewlabel"
    assert store.get_label_info("a", "final")["label_info"] == NAMES


def test_nothing_is_lost_when_labels_are_saved_while_the_folder_is_read_again(store, sent, open_store):
    stop = threading.Event()
    errors = []

    def refresh() -> None:
        while not stop.is_set():
            try:
                store.refresh()
                store.status()
            except Exception as error:
                errors.append(error)

    reader = threading.Thread(target=refresh)
    reader.start()
    try:
        for number in range(10):
            image = "ab"[number % 2]
            store.save_label(image, sent, "final", {"label_info": NAMES, "number": number})
            store.update_image_info(image, {f"key {number}": number})
    finally:
        stop.set()
        reader.join()
    assert not errors
    again = open_store()
    assert [again.get_label_info(image, "final")["number"] for image in "ab"] == [8, 9]
    assert {key for key in again.get_image_info("a") if key.startswith("key")} == {f"key {n}" for n in range(0, 10, 2)}


def test_labels_go_to_the_workspace_if_the_images_folder_cannot_be_written(
    studies, tmp_path, sent, monkeypatch, open_store
):
    target = studies / "labels" / "final"
    target.mkdir(parents=True)
    (target / "b.nii.gz").write_bytes(Path(sent).read_bytes())
    before = everything(studies)
    workspace = Workspace(tmp_path / "workspace")
    monkeypatch.setattr("fewlabel.datastore.catalogue._is_writable", lambda folder: False)
    store = open_store(workspace)
    assert store.get_labeled_images() == ["b"]
    store.save_label("a", sent, "final", {})
    assert everything(studies) == before
    assert Path(store.get_label_uri("a", "final")).is_relative_to(workspace.folder)
    monkeypatch.undo()
    again = open_store(workspace)
    assert again.get_labeled_images() == ["a", "b"], "they stay there, so none is lost when the folder opens up"
    assert open_store(workspace, read_only=True).get_labeled_images() == ["a", "b"]


def test_ten_thousand_images_are_listed_by_one_look_and_one_writing(studies, monkeypatch, open_store):
    count = 10_000
    content = (studies / "b.nrrd").read_bytes()
    for number in range(count):
        (studies / f"scan{number:05}.nrrd").write_bytes(content)
    monkeypatch.setattr(scan_module, "_PATIENCE", 600.0)  # the background would go on with what is left
    writings, looks, opened = [], [], []
    fault_of = headers.fault_of
    monkeypatch.setattr(headers, "fault_of", lambda *given: (opened.append(1), fault_of(*given))[1])
    replace, scan_folder = entries.replace_bytes, index.list_files
    monkeypatch.setattr(entries, "replace_bytes", lambda *given: (writings.append(1), replace(*given)))
    monkeypatch.setattr(index, "list_files", lambda folder: (looks.append(folder), scan_folder(folder))[1])
    store = open_store()
    assert len(store.list_images()) == count + 2
    assert (len(writings), len(opened)) == (1, count + 2), "one list, each header once"
    looks.clear()
    store.update_image_info("a", {"x": 1})
    assert (len(writings), len(looks)) == (2, 0)
    store.refresh()
    assert (len(writings), len(looks)) == (2, 2), "final and original labels"
    assert len(open_store().list_images()) == count + 2
    assert len(opened) == count + 2, "what headers say is kept"
