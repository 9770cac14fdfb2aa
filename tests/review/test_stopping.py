from __future__ import annotations

import math

import numpy as np
import pytest

from fewlabel.review.picture import history_picture
from fewlabel.review.stopping import MORE, WORTH, at, expected_gain, fit, is_hardly_worth_it

DESIGN = sorted([2, 4, 8, 16] * 4)


def history(curve, numbers=DESIGN, noise=0.0, seed=0, **more):
    """Entries of a made-up study whose corrected Dice follows a curve."""
    a, b, c = curve
    dice = a - b * np.array(numbers, float) ** -c + np.random.default_rng(seed).normal(0, noise, len(numbers))
    values = zip(numbers, np.clip(dice, 0, 1), strict=True)
    return [
        {"case": f"case {number}", "first": True, "labels": n, "mean": float(d), "strategy": "random", **more}
        for number, (n, d) in enumerate(values)
    ]


def gain_of(curve, now):
    _, b, c = curve
    return b * now**-c - b * (now + MORE) ** -c


def walk(value):
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from walk(item)
    else:
        yield value


@pytest.mark.parametrize("curve", [(0.9, 0.6, 0.7), (0.85, 0.5, 1.5), (1.0, 0.4, 0.3), (0.8, 0.3, 1.0)])
def test_a_curve_without_noise_is_recovered(curve):
    found = expected_gain(history(curve))
    assert found["labels"] == 16
    assert found["expected_now"] == pytest.approx(curve[0] - curve[1] * 16 ** -curve[2], abs=0.005)
    assert found["gain"] == pytest.approx(gain_of(curve, 16), abs=0.005)
    assert found["low"] <= found["gain"] <= found["high"] <= found["low"] + 0.02


@pytest.mark.parametrize("curve", [(0.9, 0.6, 0.7), (0.85, 0.5, 1.5), (0.95, 0.5, 0.3)])
@pytest.mark.parametrize("numbers", [[2, 4, 8, 16], DESIGN])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(curve, numbers):
    truth, covered = gain_of(curve, 16), []
    for seed in range(60):
        found = expected_gain(history(curve, numbers, noise=0.06, seed=seed))
        covered.append(found["low"] - 1e-4 <= truth <= found["high"] + 1e-4)
    assert np.mean(covered) >= 0.8


def test_the_same_history_gives_the_same_answer():
    entries = history((0.9, 0.6, 0.7), noise=0.05)
    assert expected_gain(entries) == expected_gain(entries)
    assert expected_gain(entries)["high"] != expected_gain(entries, seed=1)["high"]


def test_a_fit_keeps_its_bounds_and_no_other_curve_within_them_is_better():
    generator = np.random.default_rng(0)
    numbers = np.array([1.0, 2, 4, 8, 16, 16])
    dice = generator.uniform(0, 1, (30, 6))
    found = fit(numbers, dice)
    assert (found[:, 0] <= 1).all()
    assert (found[:, 1] >= 0).all()
    assert (found[:, 2] > 0).all()
    errors = np.square(at(found, numbers) - dice).sum(1)
    others = np.stack([generator.uniform(0, 1, 20_000), generator.uniform(0, 1.5, 20_000)], 1)
    for c in (0.05, 0.3, 1.0, 3.0):
        tried = at(np.column_stack([others, np.full(len(others), c)]), numbers)
        best = np.square(tried[None] - dice[:, None]).sum(2).min(1)
        assert (errors <= best + 2e-3).all()


def test_falling_values_promise_no_gain():
    entries = [{"case": str(n), "first": True, "labels": n, "mean": 0.9 - 0.02 * n} for n in range(1, 12)]
    assert expected_gain(entries)["gain"] == 0


def test_a_flat_curve_says_stop_and_a_steep_one_says_go_on():
    assert "time to stop" in expected_gain(history((0.9, 0.0, 1.0), noise=0.001))["advice"]
    steep = history((0.95, 1.0, 0.8), [1, 2, 3, 4] * 6, noise=0.01)
    assert "More labels are worth the work." in expected_gain(steep)["advice"]
    unclear = history((0.9, 0.5, 0.5), noise=0.1)
    assert "not certain" in expected_gain(unclear)["advice"]


@pytest.mark.parametrize("numbers", [[], [2], [2, 4, 8], [2] * 9, [2, 2, 2, 4, 4]])
def test_too_few_points_are_said_to_be_too_few(numbers):
    found = expected_gain(history((0.9, 0.5, 1.0), numbers))
    assert "Too few" in found["advice"]
    assert "gain" not in found


def test_resubmissions_and_cases_without_a_model_do_not_count():
    entries = history((0.9, 0.6, 0.7))
    more = [
        {"case": "again", "first": False, "labels": 16, "mean": 1.0},
        {"case": "early", "first": True, "labels": None, "mean": None},
        {"case": "odd", "first": True, "labels": 4, "mean": float("nan")},
        {"case": "bare"},
    ]
    assert expected_gain(entries + more)["points"] == expected_gain(entries)["points"]


def test_the_curve_of_hard_cases_is_said_to_be_one():
    entries = history((0.9, 0.6, 0.7), noise=0.03)
    assert "hard" not in expected_gain(entries)["advice"]
    assert (
        "chosen because they are hard"
        in expected_gain(history((0.9, 0.6, 0.7), strategy="coverage_then_uncertainty"))["advice"]
    )
    assert "chosen because they are hard" in expected_gain(history((0.9, 0.6, 0.7), strategy=None))["advice"]


def test_validation_is_used_alone_once_enough_versions_have_it():
    entries = history((0.6, 0.4, 1.0))
    for entry in entries:
        entry |= {"model_version": entry["labels"], "validation": 0.9 - 0.5 / entry["labels"]}
    found = expected_gain(entries)
    assert found["source"] == "validation"
    assert found["expected_now"] == pytest.approx(0.9 - 0.5 / 16, abs=0.01)
    assert "hard" not in found["advice"]
    few = expected_gain([entry | {"validation": None} if entry["labels"] < 16 else entry for entry in entries])
    assert few["source"] == "corrected"
    assert "validation Dice (0.87) is the better measure" in few["advice"]


def test_the_number_of_labels_may_be_given():
    entries = history((0.9, 0.6, 0.7))
    assert expected_gain(entries, labels=40)["gain"] < expected_gain(entries)["gain"]


def test_only_finite_numbers_are_reported():
    for entries in ([], history((0.9, 0.6, 0.7), noise=0.3), history((1.0, 1.0, 3.0), [1, 1, 2, 3])):
        numbers = [value for value in walk(expected_gain(entries)) if isinstance(value, float)]
        assert all(math.isfinite(value) for value in numbers)


@pytest.mark.parametrize("numbers", [[], [2, 2], DESIGN])
def test_a_picture_is_drawn_of_any_history(tmp_path, numbers):
    found = history_picture(history((0.9, 0.6, 0.7), numbers, 0.03), tmp_path / "history.png")
    assert (tmp_path / "history.png").read_bytes().startswith(b"\x89PNG")
    assert found["advice"]
    assert [path.name for path in tmp_path.iterdir()] == ["history.png"]


def test_accepted_proposals_do_not_make_a_model_look_better():
    curve = (0.9, 0.6, 0.7)
    own = history(curve, kind="drawn")[::2] + history(curve, kind="corrected")[1::2]
    agreed = [{**entry, "mean": 1.0, "changed": 0, "kind": "accepted"} for entry in own]
    assert expected_gain([*own, *agreed]) == expected_gain(own)


def test_of_entries_from_before_kinds_those_without_a_change_are_accepted_proposals():
    former = history((0.9, 0.6, 0.7), changed=30)
    agreed = [{**entry, "mean": 1.0, "changed": 0} for entry in former]
    assert expected_gain([*former, *agreed])["points"] == expected_gain(former)["points"]
    assert len(expected_gain(former)["points"]) == len(former)


def test_a_label_that_a_person_drew_counts_though_the_model_had_said_the_same():
    entries = history((0.9, 0.6, 0.7), changed=0, kind="drawn")
    assert len(expected_gain(entries)["points"]) == len(entries)


def test_it_is_time_to_stop_only_where_even_the_upper_end_of_the_interval_is_not_worth_it():
    assert not is_hardly_worth_it({"source": "corrected", "points": []}), "nothing is known yet"
    assert is_hardly_worth_it({"high": WORTH - 0.001, "gain": 0.0, "low": -0.01})
    assert not is_hardly_worth_it({"high": WORTH, "gain": 0.0, "low": -0.01})
