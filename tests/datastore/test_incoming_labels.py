"""Labels that come in are stored in one piece or not at all, one at a time for each image."""

import threading
from pathlib import Path

import numpy as np
import pytest

from fewlabel.datastore import incoming_labels
from fewlabel.errors import Refusal
from fewlabel.volumes.reading import read_label, write_volume

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])
NAMES = [{"name": "liver", "idx": 1}, {"name": "tumour", "idx": 2}]


def test_while_a_label_is_stored_other_cases_are_handed_out_and_labelled(store, workspace, sent, monkeypatch):
    workspace.set_classes(["liver", "tumour"])
    begun, go_on, write = threading.Event(), threading.Event(), write_volume

    def write_later(path, *what):
        if path.name.startswith("a."):
            begun.set()
            assert go_on.wait(60)
        write(path, *what)

    monkeypatch.setattr(incoming_labels, "write_volume", write_later)
    thread = threading.Thread(target=store.save_label, args=("a", sent, "final", {"label_info": NAMES}))
    thread.start()
    assert begun.wait(60)
    store.update_image_info("a", {"strategy": {"first": {"ts": 1}}})
    store.save_label("b", sent, "final", {"label_info": NAMES})
    store.refresh()
    assert thread.is_alive()
    assert store.get_labeled_images() == ["b"]
    go_on.set()
    thread.join()
    assert sorted(store.get_labeled_images()) == ["a", "b"]
    assert store.get_image_info("a")["strategy"] == {"first": {"ts": 1}}


def test_each_submission_learns_whether_it_replaced_one_whoever_submits_at_the_same_time(store, sent):
    replaced = {}

    def submit(name, case):
        store.save_label(case, sent, "final", {"label_info": NAMES})
        replaced[name] = store.take_submitted(case), store.take_submitted(case)

    submit("first", "a")
    store.save_label("a", sent, "final", {"label_info": NAMES})
    thread = threading.Thread(target=submit, args=("other", "a"))
    thread.start()
    thread.join()
    assert store.take_submitted("a") is True
    assert replaced == {"first": (False, None), "other": (True, None)}


def test_a_background_process_may_not_change_submitted_labels(store, studies, sent, open_store):
    store.save_label("a", sent, "final", {})
    child = open_store(read_only=True)
    for request in (
        lambda: child.save_label("a", sent, "final", {}),
        lambda: child.remove_label("a", "final"),
        lambda: child.remove_image("a"),
        lambda: child.add_image("c", str(studies / "a.nii.gz"), {}),
    ):
        with pytest.raises(Refusal, match="server only"):
            request()


def test_a_second_label_replaces_the_first_one_whatever_its_extension(store, studies, sent, label_map):
    write_volume(studies / "labels" / "final" / "a.nrrd", label_map, AFFINE)
    store.refresh()
    assert store.get_label_uri("a", "final").endswith("a.nrrd")
    store.save_label("a", sent, "final", {})
    assert [path.name for path in (studies / "labels" / "final").iterdir()] == ["a.nii.gz"]


def test_a_pre_label_is_kept_as_it_is_and_is_no_submitted_label(store, send, label_map):
    path = send(label_map, name="sent.nrrd")
    store.save_label("a", path, "original", {"model": "fewlabel", "params": {"label_names": {"liver": 1}}})
    assert Path(store.get_label_uri("a", "original")).read_bytes() == Path(path).read_bytes()
    assert store.get_label_info("a", "original")["params"] == {"label_names": {"liver": 1}}
    assert store.get_unlabeled_images() == ["a", "b"]
    assert store.status()["label_tags"] == {"original": 1}


def test_a_pre_label_on_another_grid_is_refused(store, send, label_map):
    with pytest.raises(Refusal, match="grid"):
        store.save_label("a", send(label_map[1:]), "original", {})


def test_a_full_disk_leaves_the_old_label_and_says_so(store, sent, monkeypatch, label_map, send, full_disk):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    second = send(label_map[::-1].copy())
    full_disk("final")
    with pytest.raises(Refusal, match="No space left") as caught:
        store.save_label("a", second, "final", {"label_info": NAMES})
    monkeypatch.undo()
    assert caught.value.status_code == 507
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, label_map)
    store.save_label("a", second, "final", {"label_info": NAMES})
    np.testing.assert_array_equal(read_label(store.get_label_uri("a", "final")).array, label_map[::-1])


def test_classes_of_a_label_that_could_not_be_stored_are_not_learned(store, workspace, sent, monkeypatch, full_disk):
    full_disk("a.nii.gz")
    with pytest.raises(Refusal, match="No space left"):
        store.save_label("a", sent, "final", {"label_info": NAMES})
    monkeypatch.undo()
    assert workspace.classes() == []


def test_a_stored_label_counts_even_if_the_list_cannot_be_written(store, sent, monkeypatch, full_disk, open_store):
    full_disk("datastore_v2", "a.json")
    store.save_label("a", sent, "final", {"label_info": NAMES})
    monkeypatch.undo()
    assert store.get_labeled_images() == ["a"]
    assert open_store().get_labeled_images() == ["a"]
