"""What the panel says of a training that goes on, in each state of the server, in the server's own words."""

import dataclasses

import pytest

from fewlabel.training.standing import RESTING, Standing, one_line
from FewLabelLib.panel.glance import look

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

TWO = {"labelled": 2, "unlabelled": 83, "since": "14:02", "step": 900, "validation_cases": []}
SEVEN = {**TWO, "labelled": 5, "unlabelled": 80, "version": 7, "validation_cases": ["a", "b"], "published_dice": 0.8612}
IDLE = {"at_work": False}
STATES = {
    "no label yet": (
        {},
        "",
        {**IDLE, "labelled": False},
        "Waiting for a label: it begins by itself with the first one.",
    ),
    "the first step": (
        {**TWO, "step": 0},
        "training",
        {},
        "Learning from 2 labels and 83 scans since 14:02; starting.",
    ),
    "below five labels": (
        {**TWO, "version": 3},
        "training",
        {},
        "Learning from 2 labels and 83 scans since 14:02; version 3, not validated; "
        "no label is kept to measure whether it improves.",
    ),
    "validated": (
        SEVEN,
        "training",
        {},
        "Learning from 5 labels and 80 scans since 14:02; version 7, Dice 0.86 on 2 scans; still improving.",
    ),
    "after harm": (
        {**SEVEN, "pool_rests": True},
        "training",
        {},
        "Learning from 5 labels and 80 scans since 14:02; version 7, Dice 0.86 on 2 scans; "
        "the unlabelled scans rest, since they did harm.",
    ),
    "nothing improves": (
        SEVEN,
        RESTING,
        IDLE,
        "Learnt from 5 labels and 80 scans; version 7, Dice 0.86 on 2 scans; "
        "resting until the next label: nothing improves any more.",
    ),
    "somebody pressed Stop": (
        SEVEN,
        "training",
        {**IDLE, "rests": True},
        "Learnt from 5 labels and 80 scans; version 7, Dice 0.86 on 2 scans; resting until you press Train.",
    ),
    "killed": (
        SEVEN,
        "training",
        IDLE,
        "Learnt from 5 labels and 80 scans; version 7, Dice 0.86 on 2 scans; starting.",
    ),
    "the disk is full": (
        {**SEVEN, "error": "No space left."},
        "failed",
        IDLE,
        "Learnt from 5 labels and 80 scans; version 7, Dice 0.86 on 2 scans; stopped by an error: No space left.",
    ),
    "switched off": (
        SEVEN,
        "training",
        {**IDLE, "possible": False, "by_itself": False},
        "Learnt from 5 labels and 80 scans; version 7, Dice 0.86 on 2 scans; "
        "trainings are switched off on this server.",
    ),
}


@pytest.fixture
def panel(load_helper, scene, tmp_path):
    """See fakes.Panel; with Slicer's scene."""
    panel = load_helper("fakes").Panel(tmp_path, load_helper("fake_server").FakeClient)
    panel.session.close()
    panel.scene = scene
    panel.open()
    yield panel
    panel.session.close()


@pytest.mark.parametrize("state", STATES)
def test_one_line_says_what_is_so(panel, state):
    written, reported, standing, shown = STATES[state]
    standing = Standing(**{"at_work": True, **standing})
    values = {**written, "training": "continuous", "phase": standing.phase(reported)}
    server = panel.connect()
    server.task = "RUNNING" if standing.at_work else "STOPPED"
    server.progress = {**values, "start_ts": 1, "line": one_line(values)}
    panel.training.poll()
    panel.settle()
    glance = look(panel.session)
    assert glance.training == shown
    assert ("stop" in glance.may) is standing.at_work
    assert ("train" in glance.may) is not standing.at_work


def test_where_trainings_are_switched_off_there_is_nothing_to_press(panel, monkeypatch):
    server = panel.server("http://one")
    plain = server.capabilities()
    monkeypatch.setattr(server, "capabilities", lambda: dataclasses.replace(plain, trainer=None, options={}))
    panel.connect()
    glance = look(panel.session)
    assert "trainer" not in glance.offered
    assert "continuous" not in glance.offered
    assert not {"train", "stop"} & glance.may
    panel.training.start()
    assert panel.has_message("There is no server that trains")
    assert server.count("train") == 0


def test_one_that_begins_again_by_itself_is_not_said_to_be_done(panel):
    server = panel.connect()
    panel.training.start()
    panel.settle()
    server.progress.update(training="continuous", phase="starting", version=3, published=True)
    server.task = "DONE"
    panel.wait(3)
    assert panel.has_message("It goes on by itself")
    assert not panel.has_message("is in use")
