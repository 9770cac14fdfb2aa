"""What the history of corrections says about cases like this one."""

from __future__ import annotations

import pytest

from fewlabel.selection.expected_correction import Corrections
from fewlabel.workspace import write_json

KNOWN = {
    **{f"good-{n}": [0.0, 0.1 * n] for n in range(6)},
    **{f"poor-{n}": [5.0, 0.1 * n] for n in range(6)},
}
LABELLED = ["good-0", "good-1", "poor-0", "poor-1"]


def ask(strategy, images, **request):
    return strategy(request, images([*KNOWN, "unread"], labelled=LABELLED))


def test_a_scan_like_those_that_needed_much_correction_comes_first(make, images, write_history):
    write_history({"good-0": 0.95, "poor-0": 0.5, "good-1": 0.95, "poor-1": 0.5})
    answer = ask(make("expected_correction", known=KNOWN), images)
    assert answer["id"].startswith("poor")
    assert "from the 4 corrected scans" in answer["reason"]
    assert "their mean is 28%" in answer["reason"]
    share = int(answer["reason"].split("correction of ")[1].split("%")[0])
    assert 28 < share < 50


def test_the_order_turns_round_with_the_history(make, images, write_history):
    write_history({"good-0": 0.5, "poor-0": 0.95, "good-1": 0.5, "poor-1": 0.95})
    assert ask(make("expected_correction", known=KNOWN), images)["id"].startswith("good")


@pytest.mark.parametrize("corrected", ["large", "small"])
def test_a_class_that_always_needs_much_does_not_drown_the_other(make, images, write_history, corrected):
    """Both groups are alike in one class; in the other, one group needs three times as much."""
    usual = {"large": 0.04, "small": 0.4}
    more = {**usual, corrected: 3 * usual[corrected] if corrected == "large" else 0.9}
    dice = {case: {k: 1 - v for k, v in (more if "poor" in case else usual).items()} for case in LABELLED}
    write_history(dice)
    assert ask(make("expected_correction", known=KNOWN), images)["id"].startswith("poor")


def test_of_large_and_small_the_relative_change_decides(make, images, write_history):
    """Good needs 4 points less of the large class (half), poor 6 points less of the small one (a seventh)."""
    good, poor = {"large": 0.08, "small": 0.40}, {"large": 0.04, "small": 0.46}
    write_history({case: {k: 1 - v for k, v in (poor if "poor" in case else good).items()} for case in LABELLED})
    assert ask(make("expected_correction", known=KNOWN), images)["id"].startswith("good")


def test_with_fewer_than_three_corrected_scans_uncertainty_decides(make, images, write_history, write_scores):
    write_history({"good-0": 0.9, "poor-0": 0.5})
    write_scores({"good-5": 0.9, "poor-5": 0.2})
    answer = ask(make("expected_correction", known=KNOWN), images)
    assert answer["id"] == "good-5"
    assert "correct" not in answer["reason"]


def test_a_scan_that_was_not_read_yet_comes_last_and_says_so(make, images, write_history):
    write_history({"good-0": 0.95, "poor-0": 0.5, "good-1": 0.95})
    batch = ask(make("expected_correction", known=KNOWN), images, count=9)["batch"]
    assert batch[-1]["id"] == "unread"
    assert "not been read yet" in batch[-1]["reason"]


@pytest.mark.parametrize("more", [{"kind": "accepted"}, {"first": False}, {"dice": None}])
def test_accepted_labels_later_submissions_and_those_without_a_model_do_not_count(workspace, write_history, more):
    write_history({"a": 0.5}, **more)
    assert Corrections(workspace.history).read() == {}


@pytest.mark.parametrize("content", [[], {}, {"entries": None}, {"entries": ["x", {"case": "a", "first": True}]}])
def test_a_damaged_history_is_as_none(workspace, content):
    write_json(workspace.history, content)
    assert Corrections(workspace.history).read() == {}


def test_recent_corrections_count_more_than_those_of_an_old_model(make, images, write_history):
    alike = [*(f"poor-{number}" for number in range(6)), "asked"]
    known, shares = {**KNOWN, **{case: [5.0, 0.2] for case in alike}}, []
    for dice in ((0.5, 0.9), (0.9, 0.5)):
        write_history({f"poor-{number}": dice[number // 3] for number in range(6)})
        strategy = make("expected_correction", known=known)
        ranking = strategy.rank(["asked"], images([*KNOWN, "asked"], labelled=[*KNOWN]), 1)
        reason = ranking.describe("asked")["reason"]
        shares.append(int(reason.split("correction of ")[1].split("%")[0]))
    assert shares[0] < 30 < shares[1]
