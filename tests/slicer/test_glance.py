"""What is shown and what can be pressed, along a session."""

import dataclasses

import pytest

from FewLabelLib.errors import NotReachable, WrongServer
from FewLabelLib.net.capabilities import ExportFormat
from FewLabelLib.panel.glance import look


def test_without_a_server_one_can_only_connect(panel):
    glance = look(panel.session)
    assert glance.may == {"connect"}
    assert glance.offered == frozenset()
    assert glance.good
    assert glance.case == "No case is open."


@pytest.mark.parametrize(
    ("trouble", "word"), [(NotReachable("Nobody."), "Not reachable"), (WrongServer("A printer."), "Wrong server")]
)
def test_why_connecting_failed_is_said_until_it_succeeds(panel, trouble, word):
    server = panel.server("http://one")
    server.troubles["capabilities"] = [trouble]
    panel.connect()
    glance = look(panel.session)
    assert glance.server.startswith(word)
    assert not glance.good
    panel.connect()
    assert look(panel.session).server.startswith("Connected to study at http://one: not trained yet")
    assert panel.connection.trouble is None


def problems(panel):
    """Why each format cannot be exported; "" if it can."""
    return {name: problem for name, _, problem in look(panel.session).exports}


def test_what_can_be_done_follows_what_is_going_on(panel):
    server = panel.connect()
    assert {"next", "open", "train", "disconnect"} <= look(panel.session).may
    assert not {"submit", "skip", "undo", "stop"} & look(panel.session).may
    assert problems(panel) == {"bundle": "There is no trained model yet.", "msd": "", "onnx": "No onnx."}
    assert "export" in look(panel.session).may, "the scans and labels"
    panel.cases.next()
    glance = look(panel.session)
    assert glance.activity == "Loading ..."
    assert not {"next", "submit"} & glance.may
    panel.settle()
    glance = look(panel.session)
    assert {"submit", "skip", "next"} <= glance.may
    assert glance.reason == "It is unsure."
    assert glance.slices == "Slices worth looking at: axial 3, 6."
    panel.submit()
    assert look(panel.session).last_submitted == "a"
    assert "undo" in look(panel.session).may
    panel.training.start()
    panel.settle()
    assert {"stop"} == {"stop", "train"} & look(panel.session).may
    server.publish()
    panel.wait(3)
    assert {"train", "export"} <= look(panel.session).may
    assert problems(panel)["bundle"] == ""


def test_a_server_that_exports_models_alone_has_nothing_to_export_at_first(panel):
    panel.server("http://one").formats = [ExportFormat("bundle")]
    panel.connect()
    assert "export" not in look(panel.session).may


def test_a_lost_server_is_said_and_submitting_stays_possible_since_it_keeps_the_edits(panel):
    server = panel.connect()
    panel.next()
    server.troubles["all"] = NotReachable("Gone.")
    panel.connection.refresh()
    panel.settle()
    glance = look(panel.session)
    assert glance.server.startswith("Not reachable")
    assert not glance.good
    assert "submit" in glance.may
    assert not {"next", "open", "train", "export"} & glance.may


def test_of_another_app_only_what_it_offers_is_shown(panel):
    server = panel.server("http://one")
    server.routes = frozenset()
    panel.connect()
    assert look(panel.session).offered == {"strategies", "trainer"}
    assert problems(panel).keys() == {"bundle", "msd", "onnx"}


def test_choices_are_offered_where_there_is_something_to_choose(panel, monkeypatch):
    server = panel.server("http://one")
    plain = server.capabilities()
    rich = dataclasses.replace(
        plain, methods={"bcp": "", "cps": ""}, devices=["cpu", "cuda:0"], options={"max_minutes": 10}
    )
    monkeypatch.setattr(server, "capabilities", lambda: rich)
    panel.connect()
    assert {"methods", "minutes", "device"} <= look(panel.session).offered


def test_two_glances_at_the_same_thing_are_equal(panel):
    panel.connect()
    panel.next()
    assert look(panel.session) == look(panel.session)
