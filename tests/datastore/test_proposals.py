"""Which proposals were handed out for a case is known after a restart, and compared voxel by voxel and by name."""

from __future__ import annotations

import numpy as np
import pytest

from fewlabel.datastore.proposals import MOST, Proposals, checksum
from fewlabel.workspace import read_json

CLASSES = ["organ", "tumour"]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "proposals"


@pytest.fixture
def proposals(folder):
    return Proposals(folder)


def remember(proposals, array, version=1, classes=("organ", "tumour")):
    proposals.remember("a", version, checksum(array), list(classes), "infer")


def test_nothing_is_known_of_a_case_that_got_no_proposal(proposals, label_map):
    assert proposals.kind("a", label_map, CLASSES) == "drawn"


def test_a_proposal_is_known_after_a_restart_with_its_version_and_checksum(proposals, folder, label_map):
    remember(proposals, label_map, version=7)
    kept = read_json(folder / "a.json")["proposals"]
    assert [(each["version"], each["checksum"], each["classes"]) for each in kept] == [
        (7, checksum(label_map), CLASSES)
    ]
    assert Proposals(folder).kind("a", label_map, CLASSES) == "accepted"


@pytest.mark.parametrize("index", [(0, 0, 0), (7, 8, 9), (3, 3, 3)])
def test_one_voxel_is_a_correction(proposals, label_map, index):
    remember(proposals, label_map)
    changed = label_map.copy()
    changed[index] = 1
    assert proposals.kind("a", changed, CLASSES) == "corrected"


def test_another_shape_of_the_same_bytes_is_another_map(label_map):
    assert checksum(label_map) != checksum(label_map.reshape(8, 10, 9))
    assert checksum(label_map) == checksum(np.asfortranarray(label_map)) == checksum(label_map.astype(np.int16))


def test_a_class_that_was_added_since_does_not_make_it_another_map(proposals, label_map):
    remember(proposals, label_map)
    assert proposals.kind("a", label_map, [*CLASSES, "vessel"]) == "accepted"
    assert proposals.kind("a", label_map * 0 + 3, [*CLASSES, "vessel"]) == "corrected"


def test_values_are_compared_by_the_names_that_they_stood_for(proposals, label_map):
    remember(proposals, label_map)
    exchanged = np.array([0, 2, 1], np.uint8)[label_map]
    assert proposals.kind("a", exchanged, ["tumour", "organ"]) == "accepted"
    assert proposals.kind("a", label_map, ["tumour", "organ"]) == "corrected"
    assert proposals.kind("a", label_map, ["organ", "cyst"]) == "corrected"


def test_an_earlier_proposal_of_the_case_counts_too_within_bounds(proposals, folder, label_map):
    remember(proposals, label_map)
    for number in range(MOST - 1):
        other = label_map.copy()
        other[0, 0, number] = 1
        remember(proposals, other, version=number)
    assert proposals.kind("a", label_map, CLASSES) == "accepted"
    remember(proposals, np.roll(label_map, 1, 0))
    assert proposals.kind("a", label_map, CLASSES) == "corrected"
    assert len(read_json(folder / "a.json")["proposals"]) == MOST


def test_the_same_proposal_is_kept_once_and_is_then_the_newest(proposals, folder, label_map):
    for array in (label_map, np.roll(label_map, 1, 0), label_map):
        remember(proposals, array)
    kept = [each["checksum"] for each in read_json(folder / "a.json")["proposals"]]
    assert kept == [checksum(np.roll(label_map, 1, 0)), checksum(label_map)]


def test_a_full_disk_hides_no_proposal_from_this_server(proposals, label_map, full_disk):
    full_disk("proposals")
    remember(proposals, label_map)
    assert proposals.kind("a", label_map, CLASSES) == "accepted"


def test_the_proposals_of_an_image_go_with_it(store, workspace, sent, label_map):
    store.proposals.remember("a", 1, checksum(label_map), CLASSES, "infer")
    store.remove_image("a")
    assert not list(workspace.proposals.iterdir())


# --- of stored labels


def test_a_stored_label_that_is_handed_out_is_a_proposal_by_its_names(store, workspace, sent, label_map):
    workspace.set_classes(["tumour", "organ"])
    store.save_label("a", sent, "original", {"params": {"label_names": {"organ": 1, "tumour": 2}, "model_version": 4}})
    assert store.proposals.kind("a", label_map, ["tumour", "organ"]) == "drawn", "stored is not handed out"
    store.proposals.remember_stored(store, "a", "original", ["tumour", "organ"])
    assert read_json(workspace.proposals / "a.json")["proposals"][0]["version"] == 4
    store.save_label("a", sent, "final", {"label_info": [{"name": "organ", "idx": 1}, {"name": "tumour", "idx": 2}]})
    assert store.get_label_info("a", "final")["kind"] == "accepted"


def test_a_stored_label_that_cannot_be_read_is_a_proposal_that_nothing_equals(store, sent, label_map):
    store.save_label("a", sent, "original", {"label_info": [{"name": "spleen", "idx": 1}]})
    store.proposals.remember_stored(store, "a", "original", CLASSES)
    assert store.proposals.kind("a", label_map, CLASSES) == "corrected"


def test_a_stored_label_that_was_replaced_is_read_anew(store, send, sent, label_map):
    other = np.roll(label_map, 1, 0)
    for array in (label_map, other):
        store.save_label("a", send(array), "original", {})
        store.proposals.remember_stored(store, "a", "original", CLASSES)
    assert store.proposals.kind("a", other, CLASSES) == "accepted"
