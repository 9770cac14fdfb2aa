"""Taking back the last submission of a case: what was there before is there again, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fewlabel.datastore.store import StudyDatastore
from fewlabel.errors import Refusal
from fewlabel.volumes.reading import read_label
from fewlabel.workspace import read_json

NAMES = [{"name": "organ", "idx": 1}, {"name": "tumour", "idx": 2}]


@pytest.fixture
def store(studies, workspace):
    return StudyDatastore(str(studies), workspace, auto_reload=False, read_only=False)


@pytest.fixture
def submit(store, send, label_map):
    """Callable (image, number): submits the label map moved by so many voxels; gives it."""

    def submit(image, number=0):
        moved = np.roll(label_map, number, 0)
        store.save_label(image, send(moved), "final", {"label_info": NAMES, "client_id": f"client {number}"})
        return moved

    return submit


def stored(store, image):
    return read_label(store.get_label_uri(image, "final")).array


def test_a_first_label_is_removed_and_its_case_unlabelled_again(store, submit, workspace):
    submit("a")
    assert store.get_labeled_images() == ["a"]
    store.undo_label("a")
    assert store.get_labeled_images() == []
    assert "a" in store.get_unlabeled_images()
    assert workspace.classes() == []


def test_an_earlier_label_comes_back_with_its_voxels_and_what_was_said_of_it(store, submit, workspace):
    first = submit("a", 0)
    before = read_json(workspace.labels / "a.json")
    info = dict(store.get_label_info("a", "final"))
    submit("a", 1)
    assert not np.array_equal(stored(store, "a"), first)
    store.undo_label("a")
    assert np.array_equal(stored(store, "a"), first)
    assert read_json(workspace.labels / "a.json") == before
    assert dict(store.get_label_info("a", "final")) == info
    assert store.get_labeled_images() == ["a"]


def test_only_the_last_submission_can_be_taken_back_and_once(store, submit):
    submit("a", 0)
    second = submit("a", 1)
    submit("a", 2)
    store.undo_label("a")
    with pytest.raises(Refusal, match="only the last one can be, and once") as refusal:
        store.undo_label("a")
    assert refusal.value.status_code == 409
    assert np.array_equal(stored(store, "a"), second)


def test_other_cases_are_left_alone(store, submit):
    submit("a", 0)
    other = submit("b", 1)
    submit("a", 2)
    store.undo_label("a")
    assert np.array_equal(stored(store, "b"), other)
    assert sorted(store.get_labeled_images()) == ["a", "b"]


def test_a_label_that_was_changed_by_hand_is_never_overwritten(store, submit, send, label_map):
    submit("a", 0)
    submit("a", 1)
    path = Path(store.get_label_uri("a", "final"))
    path.write_bytes(Path(send(np.roll(label_map, 2, 1))).read_bytes())
    by_hand = path.read_bytes()
    with pytest.raises(Refusal, match="changed by hand"):
        store.undo_label("a")
    assert path.read_bytes() == by_hand


def test_without_a_submission_there_is_nothing_to_take_back(store):
    with pytest.raises(Refusal, match="nothing to take back") as refusal:
        store.undo_label("a")
    assert refusal.value.status_code == 409
    with pytest.raises(Refusal) as refusal:
        store.undo_label("unknown")
    assert refusal.value.status_code == 404
