"""Scores of several versions of the model, made comparable."""

from __future__ import annotations

import numpy as np
import pytest

from fewlabel.selection.levels import columns_of, comparable, standings, with_missing


def of(version, **scores):
    return {case: {"score": value, "version": version} for case, value in scores.items()}


def order(cases):
    filled, levels = comparable(cases)
    assert filled.keys() == cases.keys()
    return sorted(cases, key=lambda case: -levels[("score",)][case])


def test_one_version_keeps_its_values():
    cases = of(3, a=0.1, b=0.9)
    assert comparable(cases) == (cases, {})


def test_the_most_frequent_version_keeps_its_values_and_others_take_those_of_the_same_rank():
    _, levels = comparable({**of(2, a=0.1, b=0.2, c=0.3), **of(1, d=0.8, e=0.9)})
    assert [levels[("score",)][case] for case in "abc"] == [0.1, 0.2, 0.3]
    assert 0.1 < levels[("score",)]["d"] < 0.2 < levels[("score",)]["e"] < 0.3


def test_the_values_of_an_older_version_do_not_matter_only_their_order():
    new = of(2, a=0.1, b=0.2, c=0.3)
    assert order({**new, **of(1, d=0.8, e=0.9)}) == order({**new, **of(1, d=0.0008, e=0.0009)})
    assert order({**new, **of(1, d=0.8, e=0.9)}) != order({**new, **of(1, d=0.9, e=0.8)})


def test_a_rank_that_was_taken_when_the_version_was_replaced_stays_when_all_others_are_scored_again():
    last = {"score": 0.2, "version": 1, "standing": {"score": 0.99}}
    _, levels = comparable({**of(2, a=0.1, b=0.2, c=0.3), "old": last})
    assert levels[("score",)]["old"] == 0.3


def test_with_few_scores_of_a_new_version_a_case_keeps_where_it_stood():
    new = of(2, x=0.5, y=0.6)
    for case, share in (("x", 0.99), ("y", 0.01)):
        new[case]["before"] = {"score": share}
    old = of(1, **{f"c{number}": 0.01 * number for number in range(9)})
    found = order({**old, **new})
    assert "x" in found[:2]
    assert "y" in found[-2:]
    many = of(2, **{f"n{number}": 0.1 + 0.01 * number for number in range(8)})  # ten of the new version
    older = of(1, **{f"c{number}": 0.01 * number for number in range(11)})
    found = order({**older, **new, **many})
    assert found.index("y") < found.index("x")


def test_equal_scores_have_equal_standings():
    found = standings(of(1, a=0.5, b=0.5, c=0.9))
    assert found["a"] == found["b"] != found["c"]
    assert all(0 < each["score"] < 1 for each in found.values())


def test_each_class_is_ranked_by_itself():
    cases = {
        "a": {"score": 0.5, "version": 1, "classes": {"x": 0.1, "y": 0.9}, "parts": {"x": 0.2}},
        "b": {"score": 0.5, "version": 1, "classes": {"x": 0.2, "y": 0.8}, "parts": {"x": 0.1}},
        "c": {"score": 0.4, "version": 2, "classes": {"x": 0.01, "y": 0.5}, "parts": {"x": 0.3}},
        "d": {"score": 0.5, "version": 2, "classes": {"x": 0.02, "y": 0.6}, "parts": {"x": 0.4}},
        "e": {"score": 0.6, "version": 2, "classes": {"x": 0.03, "y": 0.7}, "parts": {"x": 0.5}},
    }
    _, levels = comparable(cases)
    assert levels[("classes", "x")]["a"] < levels[("classes", "x")]["b"] < 0.03
    assert levels[("classes", "y")]["a"] > levels[("classes", "y")]["b"] > 0.5
    assert levels[("parts", "x")]["a"] > levels[("parts", "x")]["b"] > 0.3


def test_a_class_that_an_older_version_missed_stays_missed():
    cases = {f"{n}": {"score": 0.3, "version": 1, "classes": {"x": 0.1, "y": 0.1 + n / 100}} for n in range(20)}
    cases["19"] = {"score": 0.1, "version": 1, "classes": {"x": 0.1}}
    old = {"19": {**cases["19"], "standing": standings(cases)["19"]}}
    new = {case: {**said, "version": 2} for case, said in cases.items() if case != "19"}
    filled, levels = comparable({**new, **old})
    assert filled["19"]["missing"] == ["y"]
    assert levels[("classes", "y")]["19"] >= np.quantile([said["classes"]["y"] for said in new.values()], 0.9)


def test_the_part_of_a_missing_class_is_the_highest_as_well():
    cases = {f"{n}": {"score": 0.3, "classes": {"x": 0.1}, "parts": {"x": 0.3 + n / 100}} for n in range(20)}
    cases["0"] = {"score": 0.1, "classes": {}, "parts": {}}
    filled = with_missing(cases)["0"]
    assert filled["parts"]["x"] == pytest.approx(0.49)
    assert filled["missing"] == ["x"]


def test_columns_are_the_score_and_each_class():
    said = {"score": 1, "classes": {"x": 0.1}, "parts": {"x": 0.2}, "slices": {"axial": [1]}}
    assert columns_of(said) == {("score",): 1.0, ("classes", "x"): 0.1, ("parts", "x"): 0.2}
