"""Label all in the panel, and going through its proposals: accepted, corrected, rejected, without waiting."""

import threading

import numpy as np
import pytest

from FewLabelLib import texts
from FewLabelLib.errors import NotReachable, Refused
from FewLabelLib.panel import case_table, words
from FewLabelLib.panel.glance import look


@pytest.fixture
def server(panel):
    """A connected server whose model has proposals: b is the most doubtful, then c, then a."""
    server = panel.server("http://one")
    server.versions = 4
    server.propose(a=0.1, b=0.7, c=0.4)
    panel.connect()
    return server


@pytest.fixture
def pool(panel, server):
    return panel.session.pool


def may(panel):
    return look(panel.session).may


def test_label_all_is_started_followed_and_stopped(panel, server, pool):
    server.pool = {"state": "idle", "done": 0, "of": 3}
    assert "label_all" in may(panel)
    assert not {"stop_all", "accept", "reject"} & may(panel)
    pool.start()
    panel.settle()
    assert pool.running
    assert "stop_all" in may(panel)
    assert "label_all" not in may(panel)
    server.pool = {"state": "running", "done": 2, "of": 3, "seconds_left": 30.0}
    panel.wait(2)
    assert look(panel.session).pool == "Label all: 2 of 3 scans, about 30 s left."
    before = server.count("cases")
    server.pool = {"state": "done", "done": 3, "of": 3, "calibration": "No expected Dice yet."}
    panel.wait(2)
    assert server.count("cases") > before, "the list shows the proposals"
    assert look(panel.session).pool == "3 of 3 unlabelled scans have a proposal.\nNo expected Dice yet."
    asked = server.count("label_all_state")
    panel.wait(20)
    assert server.count("label_all_state") == asked
    pool.start()
    panel.settle()
    pool.stop()
    panel.settle()
    assert not pool.running


def test_a_server_that_is_at_work_already_is_followed_when_it_is_connected(panel):
    server = panel.server("http://one")
    server.versions, server.pool = 1, {"state": "running", "done": 1, "of": 3}
    panel.connect()
    assert panel.session.pool.running


def test_a_failure_is_said_once(panel, server, pool):
    pool.start()
    panel.settle()
    server.pool = {"state": "failed", "done": 1, "of": 3, "error": "The disk is full."}
    panel.wait(2)
    pool.look()
    panel.settle()
    assert panel.said.count(("error", "The disk is full.")) == 1


def test_a_server_without_these_routes_is_not_asked(panel):
    server = panel.server("http://one")
    server.routes = server.routes - {"label_all", "accept"}
    panel.connect()
    assert server.count("label_all_state") == 0
    assert not {"label_all", "review", "accept"} & may(panel)


def test_the_most_doubtful_is_opened_first_and_accepted_as_it_is(panel, server, pool):
    assert pool.doubtful() == ["b", "c", "a"]
    pool.next()
    panel.settle()
    assert panel.cases.case.id == "b"
    assert {"accept", "reject"} <= may(panel)
    pool.accept()
    panel.settle()
    assert ("accept", "b", 4) in server.calls
    assert server.count("submit_label") == 0, "nothing is sent"
    assert panel.cases.case.id == "c"
    assert pool.doubtful() == ["c", "a"]
    pool.accept()
    panel.settle()
    pool.accept()
    panel.settle()
    assert set(server.stored) == {"a", "b", "c"}
    assert ("info", texts.NO_PROPOSAL_LEFT) in panel.said


def test_those_that_are_only_looked_at_come_round_again(panel, server, pool):
    seen = []
    for _ in range(4):
        pool.next()
        panel.settle()
        seen.append(panel.cases.case.id)
    assert seen == ["b", "c", "a", "b"]


def test_nobody_waits_for_an_acceptance(panel, server, pool):
    pool.next()
    panel.settle()
    server.gates["accept"] = threading.Event()
    pool.accept()
    assert panel.session.state.value == "loading", "the next one is on its way"
    assert "accept" not in may(panel)
    server.gates["accept"].set()
    panel.settle()
    assert panel.cases.case.id == "c"


def test_the_scan_that_comes_next_is_downloaded_meanwhile(panel, server, pool):
    pool.next()
    panel.settle()
    assert [call[1] for call in server.calls if call[0] == "download_image"] == ["b", "c"]


def test_an_acceptance_is_taken_back_like_a_submission(panel, server, pool):
    pool.next()
    panel.settle()
    pool.accept()
    panel.settle()
    assert panel.cases.last_submitted == "b"
    panel.cases.undo()
    panel.settle()
    assert "b" not in server.stored
    assert pool.doubtful()[0] == "b"


@pytest.mark.parametrize("trouble", [Refused("It is now of version 5.", 409), NotReachable("It cannot be reached.")])
def test_what_was_not_accepted_is_said_and_comes_again(panel, server, pool, trouble):
    pool.next()
    panel.settle()
    server.troubles["accept"] = [trouble]
    pool.accept()
    panel.settle()
    assert ("error", str(trouble)) in panel.said
    assert "b" not in server.stored
    assert "b" in pool.doubtful()


def test_only_an_unchanged_proposal_that_the_server_has_is_accepted(panel, server, pool):
    pool.next()
    panel.settle()
    panel.scene.paint("liver", (2, 2, 2))
    assert "accept" not in may(panel)
    pool.accept()
    panel.settle()
    assert ("info", texts.NOT_ACCEPTABLE) in panel.said
    assert server.count("accept") == 0
    server.versions = 5  # what is shown is newer than what is stored
    panel.cases.open("c")
    panel.settle()
    assert "accept" not in may(panel)


def test_a_corrected_proposal_is_submitted_and_the_next_one_opened(panel, server, pool):
    pool.next()
    panel.settle()
    panel.scene.paint("liver", (2, 2, 2))
    panel.cases.submit()
    panel.settle()
    assert server.stored["b"][2, 2, 2] == 1
    assert server.said == {"kind": "corrected"}
    assert panel.cases.case.id == "c"
    panel.cases.auto_next = True
    panel.cases.submit()
    panel.settle()
    assert panel.cases.case.id == "a", "one next case, not two"
    assert server.count("next_case") == 0


def test_a_rejected_one_is_put_off_and_comes_back_last(panel, server, pool):
    pool.next()
    panel.settle()
    pool.reject()
    panel.settle()
    assert ("skip", "b", texts.REJECTED) in server.calls
    assert panel.cases.case.id == "c"
    server.skipped = {"b"}
    panel.cases.refresh()
    panel.settle()
    pool._done.clear()
    assert pool.doubtful() == ["c", "a", "b"]


def test_the_list_shows_score_and_expected_dice_and_sorts_by_doubt():
    proposal = {"version": 4, "newest": True, "score": 0.25, "dice": 0.84, "low": 0.78, "high": 0.9}
    rows = [
        {"id": "a", "state": "unlabelled", "score": 0.9, "proposal": {**proposal, "score": 0.1}},
        {"id": "b", "state": "unlabelled", "score": None, "proposal": proposal},
        {"id": "c", "state": "unlabelled", "score": 0.2, "proposal": None},
    ]
    shown, _ = case_table.shown(rows, "", "", case_table.Order(case_table.SCORE, True))
    assert [row.id for row in shown] == ["b", "c", "a"]
    assert shown[0].texts[case_table.EXPECTED] == "0.84 (0.78 to 0.90)"
    assert [row.proposed for row in shown] == [4, None, 4]


def test_nothing_is_said_of_a_pool_without_proposals():
    assert words.pool({}) == words.pool({"state": "idle", "done": 0, "of": 9}) == ""
    assert "1 scan could not be read" in words.pool({"state": "done", "done": 2, "of": 3, "left_out": 1})


def test_a_session_without_proposals_opens_none(panel, server, pool):
    server.proposals = {}
    panel.cases.refresh()
    panel.settle()
    pool.next()
    panel.settle()
    assert ("info", texts.NO_PROPOSAL_LEFT) in panel.said
    np.testing.assert_equal(panel.cases.case, None)
