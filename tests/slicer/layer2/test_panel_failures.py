"""At the panel, while the server fails or is slow: it says so, goes on, and loses no edit. See test_panel_killed.py."""

import threading

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

FAILED = (500, b"Internal Server Error")


@pytest.fixture
def anna(sit_down, plain_app):
    """At a panel with the real client, connected to a server whose answers can be replaced."""
    anna = sit_down()
    anna.connect(plain_app.url)
    return anna


def drawn_on(desk):
    """A drawing in one segment, on the screen."""
    drawn = np.zeros(desk.mask("liver").shape, bool)
    drawn[2, 1:4, 2:5] = True
    desk.paint("liver", drawn)
    return drawn


# --- errors


def test_an_error_500_on_next_leaves_the_case_at_hand_with_its_edits(anna, plain_app):
    anna.do("nextButton")
    drawn = drawn_on(anna)
    answers, question = plain_app.server.answers, ("POST", "/activelearning/first")
    works, answers[question] = answers[question], FAILED
    anna.do("nextButton")
    assert anna.has_message("The server failed (500 Internal Server Error)")
    assert anna.ui.caseLabel.text.startswith("a. ")
    np.testing.assert_array_equal(anna.mask("liver"), drawn)
    answers[question] = works
    anna.do("submitButton")
    np.testing.assert_array_equal(plain_app.stored["a"], drawn)


def test_an_error_500_on_submit_keeps_the_edits_on_the_screen_and_as_a_draft(anna, plain_app):
    anna.do("nextButton")
    drawn = drawn_on(anna)
    answers, question = plain_app.server.answers, ("PUT", "/datastore/label")
    works, answers[question] = answers[question], FAILED
    anna.do("submitButton")
    assert anna.has_message("The server failed (500 Internal Server Error)")
    assert anna.has_message("kept as a draft")
    assert not anna.ui.submitLabel.visible
    (draft,) = anna.session.drafts.list(plain_app.url, "")
    masks = {segment.name: segment.mask for segment in anna.session.drafts.read(draft).segments}
    np.testing.assert_array_equal(masks["liver"], drawn)
    answers[question] = works
    anna.do("submitButton")
    np.testing.assert_array_equal(plain_app.stored["a"], drawn)
    assert anna.session.drafts.list(plain_app.url, "") == []
    assert "'a' is submitted" in anna.ui.submitLabel.text


def test_an_error_500_on_train_is_said_and_the_button_can_be_pressed_again(anna, plain_app):
    answers, question = plain_app.server.answers, ("POST", "/train/organs")
    works, answers[question] = answers[question], FAILED
    anna.do("trainButton")
    assert anna.has_message("The server failed (500 Internal Server Error)")
    assert not anna.ui.trainingBar.visible
    answers[question] = works
    answers["GET", "/train/"] = 200, {"id": "1", "status": "RUNNING"}
    anna.do("trainButton")
    assert anna.ui.trainingBar.visible
    assert anna.ui.stopButton.enabled


def test_a_download_that_breaks_off_is_said_and_nothing_of_it_is_shown(anna, plain_app):
    anna.do("nextButton")
    drawn = drawn_on(anna)
    answers, question = plain_app.server.answers, ("GET", "/datastore/image")
    whole, works = answers[question][1], answers[question]
    answers[question] = lambda handler: plain_app.server.send(
        handler, 200, whole[: len(whole) // 2], "application/gzip", len(whole), "b.nii.gz"
    )
    row = [anna.ui.caseTable.item(number, 0).text() for number in range(anna.ui.caseTable.rowCount)].index("b")
    anna.ui.caseTable.setCurrentCell(row, 0)
    anna.do("openButton")
    assert anna.has_message("the image of case 'b'")
    assert anna.ui.caseLabel.text.startswith("a. ")
    np.testing.assert_array_equal(anna.mask("liver"), drawn)
    answers[question] = works
    anna.do("openButton")
    assert anna.ui.caseLabel.text.startswith("b. ")


def test_an_answer_that_is_lost_after_the_label_was_stored_costs_a_second_submission_and_no_edit(anna, plain_app):
    anna.do("nextButton")
    drawn = drawn_on(anna)
    answers, question = plain_app.server.answers, ("PUT", "/datastore/label")
    works = answers[question]

    def store_and_break(handler):
        handler.wfile.close = handler.connection.close
        plain_app.server.send = lambda *_: None
        works(handler)
        del plain_app.server.send

    answers[question] = store_and_break
    anna.do("submitButton")
    assert anna.has_message("kept as a draft")
    assert len(anna.session.drafts.list(plain_app.url, "")) == 1
    answers[question] = works
    anna.until(lambda: anna.session.connection.online)
    anna.do("submitButton")
    np.testing.assert_array_equal(plain_app.stored["a"], drawn)
    assert anna.session.drafts.list(plain_app.url, "") == []


# --- delays: the server answers when the test lets it


WAITS = [
    ("connectButton", "capabilities", "serverLabel", "Connecting to http://one"),
    ("nextButton", "next_case", "caseLabel", "Loading ..."),
    ("nextButton", "download_image", "caseLabel", "Loading ..."),
    ("submitButton", "submit_label", "caseLabel", "Submitting ..."),
    ("trainButton", "train", "trainingLabel", "Starting ..."),
]


@pytest.mark.parametrize(("button", "question", "label", "words"), WAITS)
def test_while_an_answer_is_awaited_the_panel_runs_and_says_what_is_going_on(
    desk, server, monkeypatch, button, question, label, words
):
    desk.do("nextButton")
    drawn_on(desk)
    before, looks = server.count(question), []
    deliver = desk.session.deliver
    monkeypatch.setattr(desk.session, "deliver", lambda: (looks.append(1), deliver()))
    gate = server.gates[question] = threading.Event()
    desk.press(button)
    desk.until(lambda: server.count(question) > before and len(looks) > 20)  # the timer goes on
    assert getattr(desk.ui, label).text.startswith(words)
    assert not getattr(desk.ui, button).enabled  # a second click would ask twice
    desk.ui.uncertaintyCheck.click()
    assert desk.session.scene.views.visible == desk.ui.uncertaintyCheck.checked
    gate.set()
    desk.settle()
    assert not getattr(desk.ui, label).text.startswith(words)
    assert server.count(question) == before + 1


def test_what_is_painted_while_a_submission_is_under_way_is_kept_for_the_next_one(desk, server):
    desk.do("nextButton")
    drawn = drawn_on(desk)
    server.gates["submit_label"] = threading.Event()
    desk.press("submitButton")
    desk.until(lambda: server.count("submit_label"))
    more = drawn.copy()
    more[0, 0, 0] = True
    desk.paint("liver", more)
    server.gates["submit_label"].set()
    desk.settle()
    np.testing.assert_array_equal(server.stored["a"], drawn)
    np.testing.assert_array_equal(desk.mask("liver"), more)
    desk.do("submitButton")
    np.testing.assert_array_equal(server.stored["a"], more)
