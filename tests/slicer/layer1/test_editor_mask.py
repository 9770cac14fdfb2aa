"""The editor's own mask protects locked segments where it can say which, and is as it was afterwards."""

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")


@pytest.fixture
def modes(slicer):
    return slicer.vtkMRMLSegmentationNode


def apply(editor, selected):
    editor.node.SetSelectedSegmentID(selected)
    editor.scene.locks.editor_mask.apply(editor.scene.segmentation, editor.node)
    return editor.node.GetMaskMode()


def lock(editor, *names):
    for name in names:
        editor.scene.lock(editor.shown, name, True)


def test_where_all_others_are_locked_the_editor_itself_leaves_them_alone(editor, truth, modes):
    lock(editor, "liver", "kidney")
    editor.paint("spleen", np.ones(truth.shape, bool))
    assert editor.node.GetMaskMode() == modes.EditAllowedOutsideAllSegments
    assert editor.scene.put_back(editor.shown) == []
    np.testing.assert_array_equal(editor.mask("liver"), truth == 1)
    np.testing.assert_array_equal(editor.mask("spleen"), (truth != 1) & (truth != 2))


def test_where_all_visible_others_are_locked_hidden_ones_can_be_overwritten(editor, truth, modes):
    lock(editor, "liver")
    editor.scene.segmentation.GetDisplayNode().SetSegmentVisibility("kidney", False)
    editor.paint("spleen", np.ones(truth.shape, bool))
    assert editor.node.GetMaskMode() == modes.EditAllowedOutsideVisibleSegments
    assert editor.scene.put_back(editor.shown) == []
    np.testing.assert_array_equal(editor.mask("liver"), truth == 1)
    assert not editor.mask("kidney").any()


def test_the_mask_is_taken_back_where_it_would_say_too_much(editor, modes):
    lock(editor, "liver", "kidney")
    assert apply(editor, "spleen") == modes.EditAllowedOutsideAllSegments
    assert apply(editor, "liver") == modes.EditAllowedEverywhere
    assert apply(editor, "spleen") == modes.EditAllowedOutsideAllSegments
    editor.scene.lock(editor.shown, "kidney", False)
    assert apply(editor, "spleen") == modes.EditAllowedEverywhere
    lock(editor, "kidney")
    assert apply(editor, "spleen") == modes.EditAllowedOutsideAllSegments
    editor.scene.locks.editor_mask.apply(None, editor.node)
    assert editor.node.GetMaskMode() == modes.EditAllowedEverywhere


def test_a_mask_that_a_person_chose_is_left_alone(editor, modes):
    editor.node.SetMaskMode(modes.EditAllowedInsideAllSegments)
    lock(editor, "liver", "kidney")
    assert apply(editor, "spleen") == modes.EditAllowedInsideAllSegments
    editor.node.SetMaskMode(modes.EditAllowedEverywhere)
    assert apply(editor, "spleen") == modes.EditAllowedOutsideAllSegments
    editor.node.SetMaskMode(modes.EditAllowedInsideVisibleSegments)
    assert apply(editor, "spleen") == modes.EditAllowedInsideVisibleSegments
    assert apply(editor, "liver") == modes.EditAllowedInsideVisibleSegments
