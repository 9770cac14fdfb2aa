"""The expected Dice: from which comparisons, with which interval, and what is said of its calibration."""

import numpy as np
import pytest

from fewlabel.review.expected import FOR_INTERVAL, LATEST, ExpectedDice, certainty, in_turn, left_out


def entry(confidence, mean, **others):
    known = confidence if isinstance(confidence, dict) else {"liver": confidence}
    return {"case": "a", "first": True, "kind": "drawn", "mean": mean, "confidence": known, **others}


def pairs(number, slope=1.5, offset=-0.5, noise=0.02, seed=0):
    """Certainties and Dice of cases whose Dice depends on the certainty by a line, with noise."""
    random = np.random.default_rng(seed)
    certainties = random.uniform(0.7, 0.95, number)
    return certainties, offset + slope * certainties + random.normal(0, noise, number)


def history(number, **arguments):
    return [entry(x, d) for x, d in zip(*pairs(number, **arguments), strict=True)]


def test_nothing_is_expected_before_a_label_was_compared():
    expected = ExpectedDice([])
    assert expected((0.9,)) is None
    assert "No expected Dice yet" in expected.sentence()


@pytest.mark.parametrize(
    "useless",
    [
        {"first": False},
        {"kind": "accepted"},
        {"kind": None, "changed": 0},
        {"mean": None},
        {"confidence": {}},
        {"confidence": None},
        {"confidence": {"liver": None}},
    ],
    ids=str,
)
def test_only_first_submissions_of_own_work_with_a_known_certainty_count(useless):
    """A case that was submitted before may have been learned; an accepted label is the model's own answer."""
    assert ExpectedDice([{**entry(0.9, 0.2), **useless}])((0.9,)) is None
    assert ExpectedDice([entry(0.9, 0.7), {**entry(0.9, 0.2), **useless}])((0.9,)).dice == 0.7


@pytest.mark.parametrize("number", [1, FOR_INTERVAL - 1])
def test_below_eight_comparisons_there_is_a_difference_and_no_interval(number):
    expected = ExpectedDice([entry(0.9, 0.8)] * number)
    assert vars(expected((0.7,))) == {"dice": 0.6, "low": None, "high": None}
    assert f"From {FOR_INTERVAL} on" in expected.sentence()
    assert "wrong by" not in expected.sentence()


def test_from_eight_on_there_is_an_interval_around_the_estimate():
    expected = ExpectedDice(history(FOR_INTERVAL))
    found = expected((0.85,))
    assert found.low < found.dice < found.high
    assert found.dice == pytest.approx(-0.5 + 1.5 * 0.85, abs=0.03)
    assert "wrong by 0.0" in expected.sentence()


def test_the_interval_holds_eight_of_ten_new_cases():
    inside = []
    for seed in range(60):
        expected = ExpectedDice(history(20, seed=seed))
        x, d = pairs(20, seed=1000 + seed)
        found = [expected((each,)) for each in x]
        inside += [each.low <= dice <= each.high for each, dice in zip(found, d, strict=True)]
    assert np.mean(inside) == pytest.approx(0.8, abs=0.06)


def test_a_left_out_label_has_no_part_in_its_own_estimate():
    x, d = pairs(9)
    d[4] = 0.0
    without = np.polyfit(np.delete(x, 4), np.delete(d, 4), 1)
    assert left_out(x, d)[4] == pytest.approx(0.0 - np.polyval(without, x[4]))


def test_what_is_said_of_the_calibration_uses_earlier_labels_only():
    x, d = pairs(14)
    d[-1] -= 0.5
    inside = in_turn(x, d)
    assert len(inside) == 14 - FOR_INTERVAL
    assert inside[-1] is False
    assert inside[:-1] == in_turn(x[:-1], d[:-1])
    said = ExpectedDice([entry(a, b) for a, b in zip(x, d, strict=True)]).sentence()
    assert f"Of the last 6 labels, {sum(inside)} lay inside" in said
    assert all(len(sentence.split()) <= 25 for sentence in said.split(". "))


def test_a_surer_model_is_never_expected_to_be_worse():
    expected = ExpectedDice(history(20, slope=-2.0, offset=2.5))
    assert expected((0.95,)).dice == expected((0.7,)).dice


def test_equal_certainties_give_the_mean_and_nothing_leaves_zero_to_one():
    same = ExpectedDice([entry(0.9, dice) for dice in np.linspace(0.9, 1.0, 11)])
    found = same((0.2,))
    assert found.dice == pytest.approx(0.95)
    assert found.high == 1.0
    assert ExpectedDice([entry(0.9, 0.1)])((0.1,)).dice == 0.0


def test_certainty_is_the_mean_over_the_classes_that_are_predicted():
    assert certainty((0.8, 0.0, 0.6)) == pytest.approx(0.7)
    assert certainty((0.0, 0.0)) == 0.0


def test_the_newest_comparisons_count():
    old = [entry(0.9, 0.1)] * 50
    assert ExpectedDice([*old, *[entry(0.9, 0.8)] * LATEST])((0.9,)).dice == pytest.approx(0.8)
