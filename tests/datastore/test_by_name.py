"""Stored labels are read by the names that lie with them: by hand, elsewhere, in another order."""

import shutil

import numpy as np
import pytest

from fewlabel.datastore.store import StudyDatastore
from fewlabel.volumes.reading import read_label, write_volume
from fewlabel.workspace import Workspace

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])
NAMES = [{"name": "liver", "idx": 1}, {"name": "tumour", "idx": 2}]
SWAP = np.array([0, 2, 1], np.uint8)


def seen(store, image="a"):
    return read_label(store.get_label_uri(image, "final")).array


def test_a_submitted_label_has_its_names_in_another_workspace(store, sent, label_map, reopen):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    other = reopen(["tumour", "liver"])
    np.testing.assert_array_equal(seen(other), SWAP[label_map])
    assert other.get_label_info("a", "final")["label_info"] == [
        {"name": "tumour", "idx": 1},
        {"name": "liver", "idx": 2},
    ]


def test_the_label_alone_carries_its_names(store, workspace, studies, final, sent, label_map, reopen):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    shutil.rmtree(workspace.folder)
    (studies / "datastore_v2.json").unlink()
    assert [path.name for path in final.iterdir()] == ["a.nii.gz"]
    np.testing.assert_array_equal(seen(reopen(["lung", "tumour", "liver"])), np.array([0, 3, 2])[label_map])
    shutil.rmtree(workspace.folder, ignore_errors=True)


def test_a_workspace_without_classes_learns_them_from_the_labels(store, sent, label_map, reopen, tmp_path):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    other = reopen()
    assert Workspace(tmp_path / "another").classes() == ["liver", "tumour"]
    np.testing.assert_array_equal(seen(other), label_map)


def test_a_class_in_the_middle_moves_no_stored_label(store, workspace, sent, label_map, open_store):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    workspace.set_classes(["liver", "vessel", "tumour"])
    np.testing.assert_array_equal(seen(open_store()), np.array([0, 1, 3])[label_map])


@pytest.mark.parametrize("name", ["a.seg.nrrd", "a.nrrd"])
def test_a_segmentation_laid_by_hand_is_read_by_its_names(
    store, workspace, final, label_map, write_segmentation, name, reopen
):
    workspace.set_classes(["liver", "tumour"])
    write_segmentation(final / name, np.array([0, 2, 1])[label_map], AFFINE, [("tumour", 1), ("liver", 2)])
    store.refresh()
    assert store.get_labeled_images() == ["a"]
    np.testing.assert_array_equal(seen(store), label_map)
    assert store.label_notes() == {}
    np.testing.assert_array_equal(seen(reopen(["tumour", "liver"])), SWAP[label_map])


def test_layers_on_a_cropped_grid_laid_by_hand_lie_on_the_image(store, workspace, final, label_map, write_segmentation):
    workspace.set_classes(["liver", "tumour"])
    cropped = AFFINE.copy()
    cropped[:3, 3] = (AFFINE @ (1, 2, 2, 1))[:3]
    layers = np.stack([label_map == 2, label_map > 0])[:, 1:7, 2:8, 2:7]
    write_segmentation(final / "b.seg.nrrd", layers, cropped, [("tumour", 1, 0), ("liver", 1, 1)])
    store.refresh()
    np.testing.assert_array_equal(seen(store, "b"), label_map)


def test_segments_laid_by_hand_into_a_new_study_name_its_classes(
    store, workspace, final, label_map, write_segmentation
):
    write_segmentation(final / "a.seg.nrrd", label_map, AFFINE, [("tumour", 2), ("liver", 1)])
    write_segmentation(final / "b.seg.nrrd", label_map == 2, AFFINE, [("vessel", 1)])
    store.refresh()
    assert workspace.classes() == ["liver", "tumour", "vessel"]
    np.testing.assert_array_equal(seen(store, "b"), 3 * (label_map == 2))


def test_a_file_that_is_replaced_by_hand_is_read_by_its_own_names(store, final, sent, label_map, write_segmentation):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    write_volume(final / "a.nii.gz", label_map, AFFINE, ["tumour", "liver"])
    np.testing.assert_array_equal(seen(store), SWAP[label_map])


def test_of_a_label_by_hand_without_names_it_is_said_what_was_assumed(store, workspace, final, label_map, reopen):
    workspace.set_classes(["liver", "tumour"])
    write_volume(final / "a.nii.gz", label_map, AFFINE)
    store.refresh()
    assert "1 = liver, 2 = tumour" in store.label_notes()["a"][0]
    np.testing.assert_array_equal(seen(store), label_map)
    np.testing.assert_array_equal(seen(reopen(["tumour", "liver"])), SWAP[label_map])


def test_what_is_assumed_of_a_label_is_said_once_the_classes_have_names(store, workspace, final, label_map, open_store):
    write_volume(final / "a.nii.gz", label_map, AFFINE)
    store.refresh()
    assert workspace.classes() == ["class 1", "class 2"]
    assert "1 = class 1" in store.label_notes()["a"][0]


def test_a_child_process_reads_by_name_too_and_changes_no_list(store, studies, sent, label_map, reopen):
    store.save_label("a", sent, "final", {"label_info": NAMES})
    before = (studies / "datastore_v2.json").read_bytes()
    np.testing.assert_array_equal(seen(reopen(["tumour", "liver"], read_only=True)), SWAP[label_map])
    assert (studies / "datastore_v2.json").read_bytes() == before


def test_a_segmentation_laid_by_hand_gives_way_to_a_submission_and_comes_back(
    studies, workspace, final, label_map, write_segmentation, send
):
    workspace.set_classes(["liver", "tumour"])
    write_segmentation(final / "a.seg.nrrd", SWAP[label_map], AFFINE, [("tumour", 1), ("liver", 2)])
    store = StudyDatastore(str(studies), workspace, auto_reload=False, read_only=False)
    store.save_label("a", send((label_map == 2) * np.uint8(2)), "final", {"label_info": NAMES})
    assert [path.name for path in final.iterdir()] == ["a.nii.gz"]
    store.undo_label("a")
    assert [path.name for path in final.iterdir()] == ["a.seg.nrrd"]
    np.testing.assert_array_equal(seen(store), label_map)
    store.remove_label("a", "final")
    assert list(final.iterdir()) == []
