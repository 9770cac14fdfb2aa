"""Submitting from a session: unknown segments, transforms, quick clicks; and answers that come too late."""

import threading

import numpy as np

from FewLabelLib.session.session import State


def test_an_unknown_segment_is_asked_about_and_nothing_is_sent_before(panel):
    server, asked = panel.connect(), []
    panel.cases.unknown_segments.connect(asked.append)
    panel.next()
    panel.scene.paint("cyst", (0, 0, 0))
    panel.submit()
    assert asked == [{"cyst": None}]
    assert server.count("submit_label") == 0
    assert panel.session.state is State.EDITING
    panel.submit({"cyst": "liver"})
    assert server.stored["a"][0, 0, 0] == 1


def test_a_segmentation_under_a_transform_is_hardened_or_refused(panel):
    server = panel.connect()
    panel.next()
    panel.submit()
    assert panel.scene.calls.index("harden_transforms") < panel.scene.calls.index("segments")
    panel.scene.blocked = "The segmentation is under a transform that cannot be hardened."
    panel.submit()
    assert server.count("submit_label") == 1
    assert panel.has_message("cannot be hardened. Nothing was submitted.")


def test_a_second_click_on_submit_sends_nothing_twice(panel):
    server = panel.connect()
    panel.next()
    server.gates["submit_label"] = threading.Event()
    panel.scene.paint("liver", (1, 1, 1))
    panel.cases.submit()
    panel.cases.submit()
    panel.cases.next()
    assert panel.session.state is State.SUBMITTING
    server.gates["submit_label"].set()
    panel.settle()
    assert server.count("submit_label") == 1
    assert server.count("next_case") == 1
    panel.submit()
    assert server.count("submit_label") == 2


# --- who has looked at it


def opened(panel, case, versions=1, **stored):
    """A server that has published so many models, with this case on the screen."""
    server = panel.server("http://one")
    server.versions = versions
    server.stored.update(stored)
    panel.connect()
    panel.cases.open(case)
    panel.settle()
    return server


def test_a_proposal_that_was_left_is_submitted_as_accepted_also_a_second_time(panel):
    server = opened(panel, "a")
    for _ in range(2):
        panel.submit()
        assert server.said == {"kind": "accepted"}


def test_a_proposal_that_was_changed_is_submitted_as_corrected_though_a_draft_was_kept_meanwhile(panel):
    server = opened(panel, "a")
    panel.scene.paint("liver", (3, 4, 5))
    panel.wait(10 * 60)
    assert panel.drafts(), "the edits are kept"
    panel.submit()
    assert server.said == {"kind": "corrected"}


def test_what_was_painted_from_nothing_is_submitted_as_drawn(panel):
    server = opened(panel, "a", versions=0)
    panel.scene.paint("liver", (3, 4, 5))
    panel.submit()
    assert server.said == {"kind": "drawn"}


def test_of_what_was_begun_elsewhere_nothing_is_said(panel):
    server = opened(panel, "b", b=np.ones((4, 5, 6), np.uint8))
    panel.submit()
    assert server.said == {}
    panel.cases.open("a")
    panel.settle()
    panel.scene.paint("liver", (3, 4, 5))
    panel.cases.open("c")
    panel.settle()
    panel.cases.open("a")
    panel.settle()
    assert panel.cases.case.shown == "draft"
    panel.submit()
    assert server.said == {}


# --- late answers


def test_a_late_proposal_of_an_earlier_case_is_ignored(panel):
    server = panel.server("http://one")
    server.versions = 1
    panel.connect()
    server.gates["infer"] = threading.Event()
    panel.cases.open("a")
    panel.until(lambda: server.count("infer"))
    panel.cases.open("b")
    server.gates["infer"].set()
    panel.settle()
    assert panel.cases.case.id == "b"
    assert panel.scene.calls.count("show_segmentation") == 1
    assert panel.scene.volume.name == "b-image.npy"


def test_edits_are_on_disk_before_the_next_case_is_there(panel):
    server = panel.connect()
    panel.next()
    panel.scene.paint("liver", (3, 4, 5))
    server.gates["download_image"] = threading.Event()
    panel.cases.open("b")
    panel.until(lambda: server.count("download_image") == 2)
    assert [draft.case for draft in panel.drafts()] == ["a"]


def test_what_is_painted_while_the_next_case_is_on_its_way_is_kept_too(panel):
    server = panel.connect()
    panel.next()
    server.gates["download_image"] = threading.Event()
    panel.cases.open("b")
    panel.scene.paint("liver", (3, 4, 5))
    server.gates["download_image"].set()
    panel.settle()
    assert [draft.case for draft in panel.drafts()] == ["a"]
