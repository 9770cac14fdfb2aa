"""The one line about a training that goes on, and what viewers show as epochs."""

from __future__ import annotations

import pytest

from fewlabel.training.ongoing_progress import ROUND, OngoingProgress, one_line

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
        ({"phase": "stopped"}, "resting until you say Train"),
        ({"phase": "failed", "error": "No space left."}, "No space left."),
        ({"pool_rests": True}, "the unlabelled scans rest, since they did harm"),
        ({"seconds_since_better": 450}, "nothing better for 7 min"),
        ({"step": 0}, "; starting"),
    ],
)
def test_it_says_what_is_so(changed, part):
    assert part in one_line({**RUNNING, **changed})


def test_of_a_training_on_request_there_is_no_such_line():
    assert one_line({"phase": "training", "labelled": 3}) == ""


def test_epochs_are_rounds_that_begin_anew_and_are_never_zero(tmp_path):
    progress = OngoingProgress(tmp_path / "progress.json")
    shown = []
    for share in (0.0, 0.5, 1.0, 0.0, 0.3):
        progress.update(share)
        shown.append((progress.snapshot()["epoch"], progress.snapshot()["total_epochs"]))
    assert shown == [(1, ROUND), (50, ROUND), (100, ROUND), (1, ROUND), (30, ROUND)]


def test_what_is_told_between_two_steps_moves_nothing(tmp_path):
    progress = OngoingProgress(tmp_path / "progress.json")
    progress.update(0.4)
    progress.update(phase="scoring cases")
    assert progress.snapshot()["epoch"] == 40


def test_only_the_last_notes_are_kept(tmp_path):
    progress = OngoingProgress(tmp_path / "progress.json")
    for number in range(100):
        progress.note(str(number))
    assert progress.snapshot()["notes"][-1] == "99"
    assert len(progress.snapshot()["notes"]) < 20
