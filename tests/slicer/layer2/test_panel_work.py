"""The sections "This case", "Submit" and "Training": what is done with a case, and by which keys."""

import dataclasses

import numpy as np
import pytest

from FewLabelLib.label.labels import LabelClass

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")


def box(desk, *corner):
    """A mask of a few voxels."""
    mask = np.zeros(desk.mask("liver").shape, bool)
    mask[tuple(slice(start, start + 2) for start in corner)] = True
    return mask


# --- this case


def test_a_proposal_that_only_was_looked_at_is_submitted_as_accepted_and_a_painted_one_as_corrected(desk, server):
    server.versions = 1
    desk.do("refreshButton")
    desk.do("nextButton")
    desk.ui.sliceButton.click()
    desk.do("submitButton")
    assert server.said == {"kind": "accepted"}
    desk.paint("liver", box(desk, 1, 1, 1))
    desk.do("submitButton")
    assert server.said == {"kind": "corrected"}


def test_a_case_is_skipped_with_a_reason_and_the_next_one_is_shown(desk, server):
    desk.do("nextButton")
    desk.ui.skipCombo.setEditText("  blurred ")
    desk.do("skipButton")
    assert ("skip", "a", "blurred") in server.calls
    assert desk.ui.caseLabel.text.startswith("b. ")


def test_edits_of_a_skipped_case_are_shown_when_it_is_opened_again(desk):
    desk.do("nextButton")
    drawn = box(desk, 1, 1, 1)
    desk.paint("liver", drawn)
    desk.do("skipButton")
    assert not desk.mask("liver").any()
    desk.ui.caseTable.setCurrentCell(0, 0)
    desk.do("openButton")
    np.testing.assert_array_equal(desk.mask("liver"), drawn)


@pytest.fixture
def overlaid(desk, server, slicer):
    """Callable: the opacity of the map of uncertainty in each view; it is there."""
    server.versions = 1
    desk.do("refreshButton")
    desk.do("nextButton")
    views = slicer.util.getNodesByClass("vtkMRMLSliceCompositeNode")
    assert {view.GetForegroundVolumeID() for view in views} == {desk.session.scene.uncertainty.GetID()}
    return lambda: {round(view.GetForegroundOpacity(), 3) for view in views}


def test_the_map_of_uncertainty_is_switched_and_made_fainter_also_for_the_next_case(desk, overlaid):
    assert overlaid() == {0.5}
    desk.ui.opacitySlider.value = 0.25
    assert overlaid() == {0.25}
    desk.ui.uncertaintyCheck.click()
    assert overlaid() == {0.0}
    desk.do("submitButton")
    desk.do("nextButton")
    assert overlaid() == {0.0}
    desk.ui.uncertaintyCheck.click()
    assert overlaid() == {0.25}


def test_the_next_slice_is_jumped_to(desk, slicer):
    desk.do("nextButton")
    (view,) = [node for node in slicer.util.getNodesByClass("vtkMRMLSliceNode") if node.GetOrientation() == "Axial"]

    def position():
        return [view.GetSliceToRAS().GetElement(row, 3) for row in range(3)]

    first = position()
    assert first == pytest.approx([1.0, 2.0, 3.0])
    desk.ui.sliceButton.click()
    assert position() == pytest.approx([4.0, 5.0, 6.0])
    desk.ui.sliceButton.click()
    assert position() == first


def test_keys_press_the_buttons_while_the_module_is_shown(desk, overlaid, server):
    keys = desk.panel.shortcuts
    pressed = {shortcut.key.toString(): shortcut for shortcut in keys._installed}
    pressed["U"].activated.emit()
    assert overlaid() == {0.0}
    pressed["Ctrl+Return"].activated.emit()
    desk.settle()
    assert "a" in server.stored
    pressed["Ctrl+Shift+N"].activated.emit()
    desk.settle()
    assert desk.ui.caseLabel.text.startswith("b. ")
    desk.widget.exit()
    assert keys._installed == []
    desk.widget.enter()
    assert len(keys._installed) == len(keys.actions)


# --- submit


def test_the_last_submission_is_taken_back_and_can_be_made_again(desk, server):
    desk.do("nextButton")
    assert not desk.ui.undoButton.enabled
    drawn = box(desk, 1, 1, 1)
    desk.paint("liver", drawn)
    desk.do("submitButton")
    assert "'a'" in desk.ui.undoButton.toolTip
    desk.press("undoButton")
    desk.ui.undoButton.click()  # a second click takes nothing more back
    desk.settle()
    assert server.count("undo") == 1
    assert server.stored == {}
    assert not desk.ui.undoButton.enabled
    assert desk.has_message("The last submission of 'a' was taken back")
    assert not desk.ui.submitLabel.visible
    np.testing.assert_array_equal(desk.mask("liver"), drawn)
    desk.do("submitButton")
    np.testing.assert_array_equal(server.stored["a"], drawn)


def test_a_submission_that_could_not_be_taken_back_still_can_be(desk, server):
    desk.do("nextButton")
    desk.paint("liver", box(desk, 1, 1, 1))
    desk.do("submitButton")
    server.troubles["undo"] = [OSError("No.")]
    desk.do("undoButton")
    assert desk.has_message("No.")
    desk.do("undoButton")
    assert server.stored == {}


def test_an_unknown_segment_is_named_and_stored_as_what_it_is_said_to_be(desk, server):
    desk.do("nextButton")
    ui, drawn = desk.ui, box(desk, 3, 3, 3)
    desk.paint("lesion", drawn)
    desk.do("submitButton")
    assert server.stored == {}
    assert ui.mappingFrame.visible
    assert ui.mappingTable.item(0, 0).text() == "lesion"
    assert not ui.mappingButton.enabled
    (choice,) = desk.panel.submit.choices
    assert [choice.itemText(number) for number in range(1, 3)] == ["liver", "tumour"]
    choice.setCurrentIndex(choice.findText("tumour"))
    desk.do("mappingButton")
    np.testing.assert_array_equal(server.stored["a"], 2 * drawn)
    assert not ui.mappingFrame.visible


def test_an_unknown_segment_is_left_out_if_that_is_said_and_the_answer_is_kept(desk, server):
    desk.do("nextButton")
    desk.paint("lesion", box(desk, 3, 3, 3))
    desk.do("submitButton")
    desk.ui.mappingCancelButton.click()
    assert not desk.ui.mappingFrame.visible
    desk.do("submitButton")
    (choice,) = desk.panel.submit.choices
    choice.setCurrentIndex(choice.count - 1)
    desk.do("mappingButton")
    desk.do("emptyButton")
    assert not server.stored["a"].any()
    assert "Segment 'lesion' was left out." in desk.ui.submitLabel.text
    desk.do("submitButton")
    (choice,) = desk.panel.submit.choices
    assert choice.currentIndex == choice.count - 1
    assert desk.ui.mappingButton.enabled


def test_a_class_that_is_called_like_a_choice_of_ours_is_a_class(desk, server):
    """It is known by its index in the list, not by its text."""
    server.classes = [LabelClass("choose a class", 1), LabelClass("none: leave it out", 2)]
    desk.do("connectButton")
    desk.do("nextButton")
    drawn = np.zeros(desk.mask("choose a class").shape, bool)
    drawn[3:5, 3:5, 3:5] = True
    for index, value in ((1, 1), (2, 2)):
        desk.paint("lesion", drawn)
        desk.do("submitButton")
        (choice,) = desk.panel.submit.choices
        choice.setCurrentIndex(index)
        assert desk.ui.mappingButton.enabled
        desk.do("mappingButton")
        np.testing.assert_array_equal(server.stored["a"], value * drawn)


def test_after_a_submission_the_next_case_comes_by_itself_unless_a_flag_was_raised(desk, server):
    desk.ui.autoNextCheck.checked = True
    desk.do("nextButton")
    desk.paint("liver", box(desk, 1, 1, 1))
    desk.do("submitButton")
    assert desk.ui.caseLabel.text.startswith("b. ")
    server.answer = {"flags": [{"reason": "The liver is empty."}]}
    desk.do("submitButton")
    desk.do("emptyButton")
    assert desk.ui.caseLabel.text.startswith("b. ")
    assert desk.ui.submitLabel.text.startswith("Please check: The liver is empty.")


# --- training


def test_whether_the_server_trains_while_people_label_is_chosen_here_and_kept(desk, server, monkeypatch):
    plain = server.capabilities()
    offers = dataclasses.replace(plain, options={**plain.options, "training": ["on_request", "continuous"]})
    monkeypatch.setattr(server, "capabilities", lambda: offers)
    desk.do("connectButton")
    assert not desk.ui.continuousCheck.checked
    desk.ui.continuousCheck.click()
    desk.do("trainButton")
    assert [call[1]["training"] for call in server.calls if call[0] == "train"] == ["continuous"]
    assert not desk.ui.continuousCheck.enabled
    desk.do("stopButton")
    assert desk.has_message("The training was stopped.")
    assert desk.ui.continuousCheck.checked


def test_while_a_training_runs_the_switch_shows_which_one_whatever_was_chosen_here(desk, server, monkeypatch):
    plain = server.capabilities()
    offers = dataclasses.replace(plain, options={**plain.options, "training": ["continuous", "on_request"]})
    monkeypatch.setattr(server, "capabilities", lambda: offers)
    desk.do("connectButton")
    desk.ui.continuousCheck.click()
    assert not desk.ui.continuousCheck.checked
    server.task, server.progress = (
        "RUNNING",
        {"start_ts": 9, "training": "continuous", "phase": "training", "line": "on"},
    )
    desk.session.training.poll()
    desk.settle()
    desk.panel.tick()
    assert desk.ui.continuousCheck.checked
    assert not desk.ui.continuousCheck.enabled
    desk.do("stopButton")
    assert not desk.ui.continuousCheck.checked, "the next one is as chosen"


def test_the_curves_are_named_and_explained_on_hover(desk, server):
    desk.do("trainButton")
    server.progress.update(step=7, losses={"supervised": 0.5}, validation={"liver": 0.75})
    desk.session.training.poll()
    desk.settle()
    told = desk.ui.curveLabel.toolTip
    assert "supervised 0.500: how far the model is from the submitted labels.<br>" in told
    assert "liver 0.750" in told
    rows = [desk.ui.curveList.item(number) for number in range(desk.ui.curveList.count)]
    assert [row.text() for row in rows] == ["supervised 0.500", "liver 0.750"]
    assert "how far the model is from the submitted labels" in rows[0].toolTip()
    assert desk.ui.curveList.visible
