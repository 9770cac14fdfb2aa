"""Nothing is lost by a click: what leaves a case, submits it, discards its edits or takes it back."""

import pytest

from FewLabelLib.errors import Refused
from FewLabelLib.session.session import State


def masks(scene):
    return {part.name: part.mask for part in scene.parts}


@pytest.fixture
def painted(panel):
    """Case a is open, with one voxel that was not submitted."""
    panel.connect()
    panel.next()
    panel.scene.paint("liver", (1, 1, 1))
    return panel


def asked(panel):
    """What the session asks about empty labels from now on."""
    questions = []
    panel.cases.empty_label.connect(questions.append)
    return questions


FULL = OSError(28, "No space left on device", "/drafts")


# --- leaving a case


def test_the_next_case_says_that_edits_are_kept_and_how_to_return(painted):
    painted.cases.open("b")
    painted.settle()
    assert painted.said == [
        ("info", "Your edits of 'a' are kept on this computer. Double-click 'a' in the list of cases to go on.")
    ]


def test_edits_that_were_saved_before_are_said_to_be_kept_too(painted):
    painted.wait(200)
    assert painted.said == []
    painted.cases.open("b")
    painted.settle()
    assert painted.has_message("Your edits of 'a' are kept")


@pytest.mark.parametrize("submitted", [True, False])
def test_without_edits_nothing_is_said(panel, submitted):
    panel.connect()
    panel.next()
    if submitted:
        panel.scene.paint("liver", (1, 1, 1))
        panel.submit()
    panel.cases.open("b")
    panel.settle()
    assert not panel.has_message("kept")


def test_edits_made_while_the_next_case_is_loading_are_kept_and_said(panel):
    panel.connect()
    panel.next()
    image = panel.cases.loading._list.row  # the next case is loading once it was looked up
    panel.cases.open("b")
    panel.scene.paint("liver", (2, 2, 2))
    panel.settle()
    assert image("b")["id"] == panel.cases.case.id
    assert panel.has_message("Your edits of 'a' are kept")
    panel.cases.open("a")
    panel.settle()
    assert masks(panel.scene)["liver"][2, 2, 2]


def test_a_case_whose_edits_cannot_be_kept_stays_open(painted, monkeypatch):
    def full(_):
        raise FULL

    monkeypatch.setattr(painted.session.drafts, "write", full)
    painted.cases.open("b")
    painted.settle()
    assert painted.cases.case.id == "a"
    assert painted.session.state is State.EDITING
    assert masks(painted.scene)["liver"][1, 1, 1]
    assert painted.has_message("No space left")
    assert painted.has_message("The case stays open.")
    monkeypatch.undo()
    painted.cases.open("b")
    painted.settle()
    assert painted.cases.case.id == "b"
    assert [draft.case for draft in painted.drafts()] == ["a"]


# --- discarding edits


def test_discarded_edits_do_not_come_back(painted):
    painted.cases.open("a", fresh=True)
    painted.settle()
    assert painted.has_message("Your edits of 'a' were discarded.")
    assert painted.drafts() == []
    assert not painted.cases.keeper.edited
    for case in ("b", "a"):
        painted.cases.open(case)
        painted.settle()
    assert painted.cases.case.shown == ""
    assert not masks(painted.scene)["liver"].any()


def test_a_draft_that_is_shown_is_removed_with_the_edits(painted):
    for case in ("b", "a"):
        painted.cases.open(case)
        painted.settle()
    assert painted.cases.case.shown == "draft"
    assert painted.cases.keeper.edited
    painted.cases.open("a", fresh=True)
    painted.settle()
    assert painted.drafts() == []


@pytest.mark.parametrize("fails", ["download_image", "infer"])
def test_edits_that_could_not_be_replaced_are_not_removed(panel, fails):
    server = panel.connect()
    server.versions = 1
    panel.connection.refresh()
    panel.settle()
    panel.next()
    panel.scene.paint("liver", (3, 3, 3))
    server.troubles[fails] = [Refused("No.", 500)]
    panel.cases.open("a", fresh=True)
    panel.settle()
    assert [draft.case for draft in panel.drafts()] == ["a"]
    panel.cases.open("a")
    panel.settle()
    assert masks(panel.scene)["liver"][3, 3, 3]


# --- an empty label


def test_an_empty_label_is_asked_about_first_with_the_names_of_its_classes(panel):
    server = panel.connect()
    panel.next()
    questions = asked(panel)
    panel.submit(empty=False)
    assert questions == [["liver", "tumour"]]
    assert server.stored == {}
    assert panel.said == []
    assert panel.session.state is State.EDITING
    assert panel.drafts() == []
    panel.cases.submission.submit_empty()
    panel.settle()
    assert not server.stored["a"].any()


def test_edits_that_left_nothing_are_kept_while_it_is_asked(painted):
    painted.scene.parts.clear()
    painted.scene.number += 1
    painted.submit(empty=False)
    assert len(painted.drafts()) == 1


def test_a_label_with_one_voxel_is_not_asked_about(painted):
    questions = asked(painted)
    painted.submit(empty=False)
    assert questions == []
    assert painted.servers["http://one"].stored["a"].sum() == 1


def test_that_segments_are_left_out_is_remembered_while_it_is_asked(panel):
    server = panel.connect()
    panel.next()
    panel.scene.paint("strange", (1, 1, 1))
    questions = asked(panel)
    panel.submit({"strange": None}, empty=False)
    assert len(questions) == 1
    panel.cases.submission.submit_empty()
    panel.settle()
    assert "a" in server.stored


# --- taking a submission back


def test_what_was_taken_back_is_a_draft_again(painted):
    painted.submit()
    assert painted.drafts() == []
    painted.cases.undo()
    painted.settle()
    assert [draft.case for draft in painted.drafts()] == ["a"]
    for case in ("b", "a"):
        painted.cases.open(case)
        painted.settle()
    assert masks(painted.scene)["liver"][1, 1, 1]


def test_taking_back_shows_the_segments_again_also_from_the_next_case(painted):
    painted.scene.paint("unnamed", (0, 0, 0))
    painted.submit({"unnamed": None})
    painted.next()
    painted.scene.paint("tumour", (2, 2, 2))
    painted.cases.undo()
    painted.settle()
    assert painted.cases.case.id == "a"
    assert {name for name, mask in masks(painted.scene).items() if mask.any()} == {"liver", "unnamed"}
    assert masks(painted.scene)["liver"].sum() == 1
    assert painted.has_message("Your segments are as you submitted them.")
    assert {draft.case for draft in painted.drafts()} == {"a", "b"}
    painted.cases.open("b")
    painted.settle()
    assert masks(painted.scene)["tumour"][2, 2, 2]


def test_edits_after_the_submission_stay_when_it_is_taken_back(painted):
    painted.submit()
    painted.scene.paint("liver", (2, 2, 2))
    painted.cases.undo()
    painted.settle()
    assert masks(painted.scene)["liver"].sum() == 2


def test_a_refused_undo_changes_nothing(painted):
    painted.submit()
    painted.next()
    painted.servers["http://one"].troubles["undo"] = [Refused("No.", 409)]
    painted.cases.undo()
    painted.settle()
    assert painted.cases.case.id == "b"
    painted.cases.undo()
    painted.settle()
    assert painted.cases.case.id == "a"
