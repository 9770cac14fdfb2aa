"""The section "Start on this computer": from a folder to a connected panel, with scripts that only print."""

import os
from pathlib import Path

import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")
pytestmark = pytest.mark.skipif(os.name == "nt" or not Path("/proc").exists(), reason="needs Linux")


@pytest.fixture
def copy(load_helper, tmp_path, monkeypatch):
    """A copy of FewLabel, see fewlabel_copy.py."""
    copy = load_helper("fewlabel_copy").Copy(tmp_path / "computer")
    monkeypatch.setenv("FEWLABEL_VENV", str(copy.root / ".venv"))
    yield copy
    copy.close()


@pytest.fixture
def at(sit_down, server):
    """Callable (launcher): a person at a panel with it, whose client is that of the server in memory."""

    def at(launcher):
        def client(address):
            server.url = address
            return server

        desk = sit_down(client)
        desk.panel.starting.launcher = launcher
        return desk

    return at


def test_start_makes_the_environment_starts_the_server_and_connects(at, copy):
    desk = at(copy.launcher())
    ui = desk.ui
    assert not ui.serverStopButton.enabled
    ui.studiesFolder.currentPath = str(copy.studies)
    ui.classesEdit.text = "liver"
    desk.press("startButton")
    desk.until(lambda: ui.rootFrame.visible)  # it is not beside the panel
    assert "Where is FewLabel?" in ui.startLabel.text
    ui.rootFolder.currentPath = str(copy.root)
    desk.press("startButton")
    desk.until(lambda: desk.session.connection.online)
    assert ui.addressCombo.currentText == desk.session.connection.client.url == desk.panel.starting.launcher.status.url
    assert ui.startLabel.text == f"Running at {ui.addressCombo.currentText}. It ends with Slicer."
    assert not ui.rootFrame.visible
    assert not ui.startBar.visible
    assert copy.about["conf"] == [["labels", "liver"]]
    desk.press("serverStopButton")
    desk.until(lambda: ui.startButton.enabled)
    assert desk.session.connection.client is None
    assert "Your labels are in the folder" in ui.startLabel.text


def test_what_was_chosen_is_there_in_the_next_slicer(at, copy):
    first = at(copy.launcher())
    first.ui.studiesFolder.currentPath = str(copy.studies)
    first.ui.keepCheck.checked = True
    first.ui.classesEdit.text = "liver"
    copy.launchers[0].record.put_root(copy.root)
    first.press("startButton")
    first.until(lambda: "It goes on when Slicer ends." in first.ui.startLabel.text)
    url = first.ui.addressCombo.currentText
    first.panel.stop()
    later = at(copy.launcher())
    assert later.ui.studiesFolder.currentPath == str(copy.studies)
    assert later.ui.keepCheck.checked
    later.press("startButton")
    later.until(lambda: later.session.connection.online)
    assert later.ui.addressCombo.currentText == url
    assert copy.said("attempts.txt") == "x"
    later.press("serverStopButton")
    later.until(lambda: later.ui.startButton.enabled)


def test_a_set_up_that_is_cancelled_says_so_and_its_log_can_be_opened(at, copy, qt, monkeypatch):
    opened = []
    monkeypatch.setattr(qt.QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    copy.plan(slow=True)
    copy.launcher().record.put_root(copy.root)
    desk = at(copy.launchers[0])
    ui = desk.ui
    assert not ui.logButton.enabled
    ui.studiesFolder.currentPath = str(copy.studies)
    desk.press("startButton")
    desk.until(lambda: "2 large packages so far, 220 MB in all." in ui.startLabel.text)
    assert ui.serverStopButton.text == "Cancel"
    assert ui.startBar.visible
    assert not ui.startButton.enabled
    desk.press("serverStopButton")
    desk.until(lambda: ui.startButton.enabled)
    assert ui.startLabel.text == "Cancelled. Press Start to go on from there."
    desk.press("logButton")
    assert "Setting up FewLabel" in Path(opened[0]).read_text(encoding="utf-8")


def test_a_failure_is_shown_in_its_own_words(at, copy):
    desk = at(copy.launcher())
    desk.press("startButton")
    desk.until(lambda: desk.ui.startButton.enabled)
    assert desk.ui.startLabel.text == "Choose the folder that holds your scans."
    assert "214" in desk.ui.startLabel.styleSheet
