"""Nothing is lost by a click: the buttons that would lose something ask first, stand apart, or say what is kept."""

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")


@pytest.fixture
def drawn(desk):
    """Case a is open with this mask of the liver, which was not submitted."""
    desk.do("nextButton")
    mask = desk.mask("liver")
    mask[1:3, 1:3, 1:3] = True
    desk.paint("liver", mask)
    desk.panel.tick()
    return mask


def test_edits_are_discarded_only_after_a_second_click(desk, drawn):
    desk.do("againButton")
    assert desk.ui.discardFrame.visible
    assert "Discard your edits of 'a'?" in desk.ui.discardLabel.text
    desk.do("keepEditsButton")
    assert not desk.ui.discardFrame.visible
    np.testing.assert_array_equal(desk.mask("liver"), drawn)
    desk.do("againButton")
    desk.do("discardEditsButton")
    assert not desk.mask("liver").any()
    assert desk.has_message("Your edits of 'a' were discarded.")
    assert not desk.ui.againButton.enabled


def test_without_edits_there_is_nothing_to_discard(desk):
    desk.do("nextButton")
    desk.panel.tick()
    assert not desk.ui.againButton.enabled


def test_the_question_about_one_case_is_gone_with_the_next(desk, drawn):
    desk.do("againButton")
    desk.do("nextButton")
    desk.ui.caseTable.setCurrentCell(1, 0)
    desk.do("openButton")
    assert not desk.ui.discardFrame.visible


def test_discarding_stands_apart_from_the_other_buttons(desk, drawn):
    ui = desk.ui
    others = [ui.nextButton, ui.sliceButton, ui.skipButton]
    assert all(other.parentWidget() is ui.againButton.parentWidget() for other in others)
    assert all(ui.againButton.y > other.y + other.height for other in others)
    assert ui.againButton.text == "Discard my edits…"


def test_the_next_case_says_how_to_return_and_so_it_goes(desk, drawn):
    desk.ui.caseTable.setCurrentCell(1, 0)
    desk.do("openButton")
    assert desk.has_message("Your edits of 'a' are kept on this computer. Double-click 'a'")
    desk.ui.caseTable.setCurrentCell(0, 0)
    desk.do("openButton")
    np.testing.assert_array_equal(desk.mask("liver"), drawn)


def test_an_empty_label_is_submitted_only_after_a_second_click(desk, server):
    desk.do("nextButton")
    desk.do("submitButton")
    assert desk.ui.emptyFrame.visible
    assert desk.ui.emptyLabel.text == "Nothing of liver, tumour in this scan?"
    desk.do("emptyCancelButton")
    assert not desk.ui.emptyFrame.visible
    assert server.stored == {}
    desk.do("submitButton")
    desk.do("emptyButton")
    assert not server.stored["a"].any()
    assert not desk.ui.emptyFrame.visible


def test_skipping_begins_with_not_now_for_each_case(desk, server):
    desk.do("nextButton")
    assert desk.ui.skipCombo.currentText == "Not now"
    desk.ui.skipCombo.setCurrentIndex(desk.ui.skipCombo.count - 1)
    assert desk.ui.skipCombo.currentText == "The image cannot be used"
    desk.do("skipButton")
    desk.do("skipButton")
    assert [call[2] for call in server.calls if call[0] == "skip"] == ["The image cannot be used", "Not now"]


def test_undo_brings_back_the_case_its_segments_the_selected_one_and_the_effect(desk, drawn, server):
    desk.ui.autoNextCheck.checked = True
    node = desk.ui.segmentEditor.mrmlSegmentEditorNode()
    node.SetSelectedSegmentID("tumour")
    node.SetActiveEffectName("Paint")
    desk.panel.tick()
    desk.do("submitButton")
    assert desk.ui.caseLabel.text.startswith("b. ")
    node.SetSelectedSegmentID("liver")
    node.SetActiveEffectName("Draw")
    desk.panel.tick()
    desk.do("undoButton")
    assert desk.ui.caseLabel.text.startswith("a. ")
    np.testing.assert_array_equal(desk.mask("liver"), drawn)
    assert (node.GetSelectedSegmentID(), node.GetActiveEffectName()) == ("tumour", "Paint")
    assert server.stored == {}
    desk.do("submitButton")
    np.testing.assert_array_equal(server.stored["a"], drawn)


# --- finished segments


def selected(desk, name):
    """Select a segment in the editor."""
    desk.ui.segmentEditor.mrmlSegmentEditorNode().SetSelectedSegmentID(name)
    desk.panel.tick()


def test_a_locked_segment_is_painted_over_in_vain_and_the_panel_says_so(desk, drawn, server):
    selected(desk, "liver")
    assert desk.ui.lockButton.text == "Lock liver"
    desk.do("lockButton")
    assert desk.ui.lockButton.text == "Unlock liver"
    assert desk.ui.locksLabel.text == "Locked: liver. Editing other segments does not change it."
    selected(desk, "tumour")
    desk.paint("tumour", drawn | True)
    desk.panel.tick()
    np.testing.assert_array_equal(desk.mask("liver"), drawn)
    desk.do("submitButton")
    np.testing.assert_array_equal(server.stored["a"], np.where(drawn, 1, 2))


def test_an_effect_is_ended_where_a_locked_segment_is_selected(desk, drawn):
    selected(desk, "liver")
    desk.do("lockButton")
    desk.ui.segmentEditor.mrmlSegmentEditorNode().SetActiveEffectName("Paint")
    desk.panel.tick()
    assert desk.ui.segmentEditor.mrmlSegmentEditorNode().GetActiveEffectName() == ""
    desk.do("lockButton")
    desk.ui.segmentEditor.mrmlSegmentEditorNode().SetActiveEffectName("Paint")
    desk.panel.tick()
    assert desk.ui.segmentEditor.mrmlSegmentEditorNode().GetActiveEffectName() == "Paint"


def test_the_editors_mask_is_as_it_was_when_another_module_is_shown(desk, drawn, slicer):
    node, kinds = desk.ui.segmentEditor.mrmlSegmentEditorNode(), slicer.vtkMRMLSegmentationNode
    selected(desk, "liver")
    desk.do("lockButton")
    selected(desk, "tumour")
    assert node.GetMaskMode() == kinds.EditAllowedOutsideAllSegments
    desk.exit()
    assert node.GetMaskMode() == kinds.EditAllowedEverywhere
    desk.enter()


def test_a_lock_is_there_again_with_the_case(desk, drawn):
    selected(desk, "liver")
    desk.do("lockButton")
    for row in (1, 0):
        desk.ui.caseTable.setCurrentCell(row, 0)
        desk.do("openButton")
    selected(desk, "tumour")
    assert desk.ui.locksLabel.text.startswith("Locked: liver.")


def test_a_proposal_of_which_a_part_was_locked_counts_as_accepted(desk, server):
    server.versions = 1
    desk.do("refreshButton")
    desk.do("nextButton")
    selected(desk, "liver")
    desk.do("lockButton")
    desk.do("submitButton")
    assert server.said == {"kind": "accepted"}


def test_what_was_put_back_is_said_until_the_next_edit(desk, drawn, slicer):
    selected(desk, "liver")
    desk.do("lockButton")
    selected(desk, "tumour")
    segment = desk.session.scene.segmentation.GetSegmentation().GetSegment("liver")
    image = segment.GetRepresentation(slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName())
    image.GetPointData().GetScalars().Fill(0)
    image.Modified()
    desk.panel.tick()
    np.testing.assert_array_equal(desk.mask("liver"), drawn)
    assert "Your last edit reached into liver: those voxels were put back." in desk.ui.locksLabel.text
    desk.paint("tumour", desk.mask("tumour"))
    desk.panel.tick()
    assert "put back" not in desk.ui.locksLabel.text
