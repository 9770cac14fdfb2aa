"""A server that dies in the middle of something: the session says so and goes on."""

import threading

from FewLabelLib.errors import NotReachable, Refused
from FewLabelLib.session.session import State

DEAD = NotReachable("The server at http://one cannot be reached.")


def masks(scene):
    return {part.name: part.mask for part in scene.parts}


def test_killed_in_mid_submission_it_says_so_and_the_draft_is_there(panel):
    server = panel.connect()
    panel.next()
    panel.scene.paint("tumour", (2, 2, 2))
    server.troubles["submit_label"] = [DEAD]
    panel.submit()
    assert ("error", str(DEAD)) in panel.said
    assert panel.has_message("kept as a draft")
    assert panel.session.state is State.EDITING
    assert len(panel.drafts()) == 1
    assert masks(panel.scene)["tumour"][2, 2, 2]
    panel.wait(6)
    assert panel.has_message("is back")
    panel.submit()
    assert server.stored["a"][2, 2, 2] == 2
    assert panel.drafts() == []


def test_the_draft_is_on_disk_before_anything_is_sent(panel):
    server = panel.connect()
    panel.next()
    panel.scene.paint("tumour", (2, 2, 2))
    server.gates["submit_label"] = threading.Event()
    panel.cases.submit()
    panel.until(lambda: server.count("submit_label"))
    assert len(panel.drafts()) == 1


def test_killed_in_mid_inference_it_says_so_and_one_can_paint_from_nothing(panel):
    server = panel.server("http://one")
    server.versions = 1
    panel.connect()
    server.troubles["infer"] = [DEAD]
    panel.next()
    assert ("error", str(DEAD)) in panel.said
    assert panel.session.state is State.EDITING
    assert panel.cases.case.shown == ""
    assert [part.name for part in panel.scene.parts] == ["liver", "tumour"]
    panel.wait(6)
    panel.submit()
    assert "a" in server.stored


def test_killed_in_mid_training_it_says_so_once_and_goes_on_when_it_is_back(panel):
    server = panel.connect()
    panel.training.start()
    panel.settle()
    server.troubles["all"] = DEAD
    for _ in range(5):
        panel.wait(6)
    assert panel.said.count(("error", str(DEAD))) == 1
    assert panel.session.state is State.DISCONNECTED
    del server.troubles["all"]
    server.task = ""  # a new process knows no task
    panel.wait(6)
    assert panel.has_message("is back")
    assert panel.has_message("The training was interrupted")
    assert panel.session.state is State.NOT_TRAINED


def test_edits_are_kept_the_moment_the_connection_is_lost(panel):
    server = panel.connect()
    panel.next()
    panel.scene.paint("liver", (1, 2, 3))
    server.troubles["all"] = DEAD
    panel.wait(20)
    assert len(panel.drafts()) == 1
    assert panel.session.state is State.EDITING


def test_an_error_500_while_the_next_case_is_asked_for_leaves_the_one_at_hand(panel):
    server = panel.connect()
    panel.next()
    server.troubles["next_case"] = [Refused("The server failed (500 Internal Server Error).", 500)]
    panel.next()
    assert panel.has_message("500")
    assert panel.cases.case.id == "a"
    assert panel.session.state is State.EDITING


def test_connecting_again_to_the_same_server_keeps_the_case(panel):
    panel.connect()
    panel.next()
    panel.scene.paint("liver", (1, 2, 3))
    panel.connect()
    assert panel.session.state is State.EDITING
    assert masks(panel.scene)["liver"][1, 2, 3]


def test_an_unexpected_error_in_the_background_is_a_sentence_and_no_end(panel):
    server = panel.connect()
    server.troubles["next_case"] = [ZeroDivisionError("oh")]
    panel.next()
    panel.expected = [text for _, text in panel.said]
    assert panel.has_message("Something unexpected went wrong (ZeroDivisionError: oh)")
    panel.next()
    assert panel.session.state is State.EDITING
