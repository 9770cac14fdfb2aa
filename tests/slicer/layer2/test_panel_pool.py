"""The buttons for the whole pool: Label all, and going through its proposals by mouse and keys."""

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")


@pytest.fixture
def proposed(desk, server):
    """The server has proposals: b is the most doubtful, then c, then a."""
    server.versions = 4
    server.propose(a=0.1, b=0.7, c=0.4)
    desk.do("refreshButton")


def test_label_all_shows_how_far_it_is_and_can_be_stopped(desk, server):
    assert not desk.ui.labelAllButton.enabled, "there is no model yet"
    server.versions = 1
    desk.do("refreshButton")
    desk.do("labelAllButton")
    assert desk.ui.poolBar.visible
    server.pool = {"state": "running", "done": 1, "of": 4}
    desk.panel.session.pool.look()
    desk.settle()
    desk.panel.tick()
    assert desk.ui.poolBar.value == 25
    assert desk.ui.poolLabel.text == "Label all: 1 of 4 scans."
    desk.do("stopAllButton")
    assert not desk.ui.poolBar.visible
    assert not desk.ui.stopAllButton.enabled


@pytest.mark.usefixtures("proposed")
def test_the_pool_is_gone_through_by_keys(desk, server):
    pressed = {shortcut.key.toString(): shortcut for shortcut in desk.panel.shortcuts._installed}

    def press(keys):
        pressed[keys].activated.emit()
        desk.settle()
        desk.panel.tick()

    assert not desk.ui.acceptButton.enabled
    press("Ctrl+Shift+P")
    assert desk.ui.caseLabel.text.startswith("b. ")
    press("Ctrl+Shift+A")
    assert server.count("submit_label") == 0
    np.testing.assert_array_equal(server.stored["b"], server.shown["b"])
    assert desk.ui.caseLabel.text.startswith("c. ")
    press("Ctrl+Shift+R")
    assert [call[1] for call in server.calls if call[0] == "skip"] == ["c"]
    assert desk.ui.caseLabel.text.startswith("a. ")
    press("Ctrl+Return")
    assert set(server.stored) == {"a", "b"}


@pytest.mark.usefixtures("proposed")
def test_a_painted_proposal_cannot_be_accepted_but_submitted(desk, server):
    desk.do("reviewButton")
    mask = desk.mask("liver")
    mask[2:4, 2:4, 2:4] = True
    desk.paint("liver", mask)
    desk.panel.tick()
    assert not desk.ui.acceptButton.enabled
    desk.do("submitButton")
    assert server.said == {"kind": "corrected"}
    assert desk.ui.caseLabel.text.startswith("c. ")


def test_a_server_without_it_shows_none_of_it(sit_down, server):
    server.routes = server.routes - {"label_all", "accept"}
    desk = sit_down(lambda address: server)
    desk.connect(server.url)
    assert not desk.ui.poolFrame.visible


def pictured(desk):
    """Cases whose row has a picture."""
    rows = [desk.ui.caseTable.item(number, 0) for number in range(desk.ui.caseTable.rowCount)]
    return {item.text() for item in rows if not item.icon().isNull()}


@pytest.mark.usefixtures("proposed")
def test_the_list_shows_a_picture_of_each_proposal_and_takes_it_away_with_it(desk, server):
    desk.until(lambda: pictured(desk) == {"a", "b", "c"})
    assert server.count("thumbnail") == 3
    del server.proposals["b"]
    desk.do("refreshButton")
    desk.until(lambda: pictured(desk) == {"a", "c"})
    assert server.count("thumbnail") == 3


def test_a_server_without_pictures_has_flat_rows(sit_down, server):
    server.routes = server.routes - {"thumbnail"}
    server.versions = 1
    server.propose(a=0.5)
    desk = sit_down(lambda address: server)
    desk.connect(server.url)
    desk.settle()
    assert pictured(desk) == set()
    assert server.count("thumbnail") == 0
    assert desk.ui.caseTable.rowHeight(0) < 40
