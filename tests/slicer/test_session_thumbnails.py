"""Small pictures of proposals: what can be seen is downloaded, once, and only while nobody waits for anything else."""

import threading

import pytest

from FewLabelLib.errors import NotReachable
from FewLabelLib.session import thumbnails


@pytest.fixture
def server(panel):
    """A connected server with proposals for all three cases."""
    server = panel.server("http://one")
    server.versions = 4
    server.propose(a=0.1, b=0.7, c=0.4)
    panel.connect()
    return server


def look(panel, *wanted):
    """The list shows these for a while."""
    for _ in range(2 * len(wanted) + 2):
        panel.session.thumbnails.want(wanted)
        panel.settle()


def asked(server):
    return [case for name, case in (call[:2] for call in server.calls if len(call) > 1) if name == "thumbnail"]


def test_each_picture_is_downloaded_once_and_again_with_a_new_proposal(panel, server):
    look(panel, ("b", 4), ("a", 4))
    assert asked(server) == ["b", "a"]
    assert panel.session.thumbnails.file(("b", 4)).read_bytes().startswith(b"\x89PNG")
    look(panel, ("b", 5), ("a", 4))
    assert asked(server) == ["b", "a", "b"]


def test_nothing_is_downloaded_while_a_person_waits_for_something(panel, server):
    server.gates["download_image"] = threading.Event()
    panel.cases.open("a")
    panel.session.thumbnails.want([("b", 4)])
    assert panel.session.worker._open == 1, "only the scan"
    server.gates["download_image"].set()
    panel.settle()
    assert asked(server) == []


def test_a_picture_that_is_not_there_is_no_message_and_not_asked_for_again(panel, server):
    del server.proposals["c"]
    look(panel, ("c", 4), ("a", 4))
    assert asked(server) == ["c", "a"]
    assert panel.session.thumbnails.file(("c", 4)) is None
    assert [text for kind, text in panel.said if kind == "error"] == []


def test_it_is_asked_for_again_when_a_lost_server_is_back(panel, server):
    server.troubles["thumbnail"] = [NotReachable("Gone.")]
    look(panel, ("b", 4))
    assert panel.connection.lost
    panel.wait(6)
    look(panel, ("b", 4))
    assert panel.session.thumbnails.file(("b", 4)) is not None


def test_their_number_is_bounded(panel, server, monkeypatch):
    monkeypatch.setattr(thumbnails, "KEPT", 2)
    look(panel, ("a", 4))
    look(panel, ("b", 4))
    look(panel, ("c", 4))
    assert panel.session.thumbnails.file(("a", 4)) is None
    assert panel.session.thumbnails.file(("c", 4)) is not None


def test_a_server_without_the_route_is_not_asked(panel):
    server = panel.server("http://one")
    server.routes = server.routes - {"thumbnail"}
    panel.connect()
    look(panel, ("a", 4))
    assert asked(server) == []
