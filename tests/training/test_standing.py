"""The one line about a training that goes on, and how it stands."""

from __future__ import annotations

import pytest

from fewlabel.training.standing import OFF, RESTING, WAITING, Standing, one_line

RUNNING = {
    "training": "continuous",
    "phase": "training",
    "labelled": 5,
    "unlabelled": 80,
    "since": "14:02",
    "version": 7,
    "validation_cases": ["a", "b"],
    "published_dice": 0.8612,
    "step": 900,
}


def test_the_line_is_that_of_the_issue():
    assert one_line(RUNNING) == (
        "learning from 5 labels and 80 scans since 14:02; version 7, Dice 0.86 on 2 scans; still improving"
    )


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"labelled": 1}, "from 1 label and 80 scans"),
        ({"validation_cases": []}, "version 7, not validated;"),
        ({"published_dice": None}, "version 7, not validated;"),
        ({"phase": "resting"}, "learnt from 5 labels and 80 scans; version 7"),
        ({"phase": "resting"}, "resting until the next label"),
        ({"phase": "stopped"}, "resting until you press Train"),
        ({"phase": "failed", "error": "No space left."}, "stopped by an error: No space left"),
        ({"phase": WAITING}, "learnt from 5 labels and 80 scans; version 7, Dice 0.86 on 2 scans; waiting for a label"),
        ({"phase": OFF}, "trainings are switched off on this server"),
        ({"phase": "starting"}, "learnt from 5 labels and 80 scans; version 7, Dice 0.86 on 2 scans; starting"),
        ({"phase": "scoring cases"}, "learning from 5 labels and 80 scans since 14:02"),
        ({"validation_cases": []}, "; no label is kept to measure whether it improves"),
        ({"pool_rests": True}, "the unlabelled scans rest, since they did harm"),
        ({"seconds_since_better": 450}, "nothing better for 7 min"),
        ({"step": 0}, "; starting"),
    ],
)
def test_it_says_what_is_so(changed, part):
    assert part in one_line({**RUNNING, **changed})


def test_before_the_first_label_it_says_what_it_waits_for():
    assert one_line({"training": "continuous", "phase": WAITING}) == (
        "waiting for a label: it begins by itself with the first one"
    )


@pytest.mark.parametrize(
    ("reported", "standing", "phase"),
    [
        ("training", {}, "training"),
        ("", {}, "starting"),
        ("resting", {}, "starting"),
        ("failed", {}, "starting"),
        ("starting again", {}, "starting"),
        ("training", {"at_work": False}, "starting"),
        ("failed", {"at_work": False}, "failed"),
        (RESTING, {"at_work": False}, RESTING),
        (RESTING, {"at_work": False, "rests": True}, "stopped"),
        ("training", {"at_work": False, "rests": True}, "stopped"),
        ("failed", {"at_work": False, "rests": True}, "failed"),
        (RESTING, {"at_work": False, "by_itself": False}, "stopped"),
        ("", {"at_work": False, "labelled": False}, WAITING),
        ("starting again", {"at_work": False, "labelled": False}, WAITING),
        ("training", {"at_work": False, "possible": False, "by_itself": False}, OFF),
    ],
)
def test_a_process_that_was_killed_took_nothing_back_so_the_server_says_how_it_stands(reported, standing, phase):
    assert Standing(**{"at_work": True, **standing}).phase(reported) == phase


def test_of_a_training_on_request_there_is_no_such_line():
    assert one_line({"phase": "training", "labelled": 3}) == ""
