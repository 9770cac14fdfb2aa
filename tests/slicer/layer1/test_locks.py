"""A locked segment is never changed by editing another one: with the logic of Slicer's own Segment Editor."""

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")


def everywhere(shape):
    return np.ones(shape, bool)


def test_without_a_lock_painting_over_a_segment_takes_its_voxels(editor, truth):
    editor.paint("spleen", everywhere(truth.shape))
    assert not editor.mask("liver").any()


@pytest.mark.parametrize("overwrite", ["OverwriteAllSegments", "OverwriteVisibleSegments", "OverwriteNone"])
def test_a_locked_segment_is_put_back_and_others_are_not(editor, truth, overwrite):
    editor.node.SetOverwriteMode(getattr(editor.node, overwrite))
    editor.scene.lock(editor.shown, "liver", True)
    editor.paint("spleen", everywhere(truth.shape))
    editor.scene.put_back(editor.shown)
    np.testing.assert_array_equal(editor.mask("liver"), truth == 1)
    assert editor.mask("kidney").any() == (overwrite == "OverwriteNone")
    shared = editor.scene.segments(editor.shown)
    from FewLabelLib.label.labels import label_map

    stored = label_map(shared, editor.classes, truth.shape).array
    np.testing.assert_array_equal(stored == 1, truth == 1)
    assert (stored[truth != 1] != 0).all()


def test_what_was_put_back_is_named_once(editor, truth):
    editor.scene.lock(editor.shown, "liver", True)
    editor.paint("spleen", truth == 0)
    assert editor.scene.put_back(editor.shown) == []
    editor.paint("spleen", truth == 1)
    assert editor.scene.put_back(editor.shown) == ["liver"]
    assert editor.scene.put_back(editor.shown) == []


@pytest.mark.parametrize("mode", ["Add", "Set", "Remove", "RemoveAll"])
@pytest.mark.parametrize("name", ["liver", "kidney"])
def test_every_kind_of_edit_leaves_a_locked_segment_as_it_was(editor, truth, mode, name):
    """Of another segment, and of itself by an effect that was already under way."""
    editor.scene.lock(editor.shown, "liver", True)
    where = np.zeros(truth.shape, bool)
    where[3:7] = True
    editor.paint(name, where, mode, by_hand=False)
    editor.scene.put_back(editor.shown)
    np.testing.assert_array_equal(editor.mask("liver"), truth == 1)


def test_voxels_that_a_locked_segment_took_go_back_to_their_segment(editor, truth):
    editor.scene.lock(editor.shown, "liver", True)
    editor.paint("liver", truth == 2, by_hand=False)
    editor.scene.put_back(editor.shown)
    np.testing.assert_array_equal(editor.mask("kidney"), truth == 2)


def test_a_deleted_locked_segment_comes_back(editor, truth):
    editor.scene.lock(editor.shown, "liver", True)
    editor.scene.segmentation.GetSegmentation().RemoveSegment("liver")
    assert editor.scene.put_back(editor.shown) == ["liver"]
    np.testing.assert_array_equal(editor.mask("liver"), truth == 1)
    np.testing.assert_array_equal(editor.mask("kidney"), truth == 2)


def test_the_editors_undo_does_not_unlock(editor, truth):
    editor.paint("kidney", truth == 1)
    editor.logic.Undo()
    np.testing.assert_array_equal(editor.mask("liver"), truth == 1)
    editor.paint("kidney", truth == 0)
    editor.scene.lock(editor.shown, "liver", True)
    editor.logic.Undo()
    editor.paint("spleen", everywhere(truth.shape), by_hand=False)
    editor.scene.put_back(editor.shown)
    np.testing.assert_array_equal(editor.mask("liver"), truth == 1)


def test_an_unlocked_segment_can_be_edited_again(editor, truth):
    editor.scene.lock(editor.shown, "liver", True)
    editor.scene.lock(editor.shown, "liver", False)
    editor.paint("spleen", everywhere(truth.shape))
    assert editor.scene.put_back(editor.shown) == []
    assert not editor.mask("liver").any()


def test_a_lock_is_kept_in_a_draft(editor, truth):
    editor.scene.lock(editor.shown, "liver", True)
    kept = editor.scene.segments(editor.shown)
    assert [segment.locked for segment in kept] == [True, False, False]
    editor.scene.replace_segments(editor.shown, kept)
    editor.paint("spleen", everywhere(truth.shape), by_hand=False)
    assert editor.scene.put_back(editor.shown) == ["liver"]
    np.testing.assert_array_equal(editor.mask("liver"), truth == 1)


def test_the_next_label_is_not_locked(editor, truth, write):
    editor.scene.lock(editor.shown, "liver", True)
    editor.scene.show_segmentation(
        editor.shown, write("other.nii.gz", np.where(truth == 1, 2, 0).astype(np.uint8)), editor.classes
    )
    assert editor.scene.put_back(editor.shown) == []
    np.testing.assert_array_equal(editor.mask("kidney"), truth == 1)


def test_a_hardened_transform_moves_a_locked_segment_too(editor, truth, slicer):
    from FewLabelLib.slicer.segmentation import matrix_of

    editor.scene.lock(editor.shown, "liver", True)
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode")
    moved = np.eye(4)
    moved[:3, 3] = 3.0, 0.0, 0.0
    transform.SetMatrixTransformToParent(matrix_of(moved))
    editor.scene.segmentation.SetAndObserveTransformNodeID(transform.GetID())
    before = editor.scene.segments(editor.shown)[0].mask
    editor.scene.harden_transforms(editor.shown)
    assert editor.scene.put_back(editor.shown) == []
    np.testing.assert_array_equal(editor.scene.segments(editor.shown)[0].mask, before)


def test_a_lock_copies_its_layer_once(editor, truth):
    """However many segments of the layer are locked: what a click costs in a large scan is this copy."""
    for name in ("liver", "kidney", "spleen"):
        editor.scene.lock(editor.shown, name, True)
    (copy,) = [layer.array for layer in editor.scene.locks._layers.values()]
    where = np.zeros(truth.shape, bool)
    where[5] = True
    editor.paint("liver", where, by_hand=False)
    editor.scene.put_back(editor.shown)
    assert all(np.shares_memory(kept.layer.array, copy) for kept in editor.scene.locks._kept.values())


def test_only_the_slices_that_have_changed_are_copied_again(editor, truth):
    from FewLabelLib.slicer.layers import take_back

    before = truth.copy()
    now = truth.copy()
    now[5, 0] = 2
    found, block = take_back(now, before, [1])
    assert (found, block) == (set(), slice(5, 6))  # nothing locked was there
    now[4:7] = 2
    assert take_back(now, before, [1, 5]) == ({1}, slice(4, 7))
    np.testing.assert_array_equal(now == 1, truth == 1)
    assert (now[4:7][truth[4:7] != 1] == 2).all()


def test_a_segment_that_leaves_its_layer_stays_locked(editor, truth):
    """Slicer gives a segment a layer of its own where others may overlap it, and keeps on editing the old one."""
    editor.scene.lock(editor.shown, "liver", True)
    editor.scene.lock(editor.shown, "kidney", True)
    segmentation = editor.scene.segmentation.GetSegmentation()
    segmentation.SeparateSegmentLabelmap("liver")
    editor.paint("spleen", everywhere(truth.shape), by_hand=False)
    editor.scene.put_back(editor.shown)
    np.testing.assert_array_equal(editor.mask("liver"), truth == 1)
    np.testing.assert_array_equal(editor.mask("kidney"), truth == 2)
    editor.paint("liver", truth == 0, by_hand=False)
    assert editor.scene.put_back(editor.shown) == ["liver"]
    np.testing.assert_array_equal(editor.mask("liver"), truth == 1)
