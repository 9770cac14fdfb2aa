"""What every strategy must do about equals, about versions of the model, and for people who ask at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fewlabel.errors import Refusal
from fewlabel.selection.table import DEFAULT_STRATEGY, STRATEGIES
from fewlabel.workspace import write_json

CASES = "abcdefghij"
SPREAD = {case: [float(number), float(number % 3)] for number, case in enumerate(CASES)}


@pytest.fixture(params=STRATEGIES)
def name(request):
    return request.param


def test_equals_are_not_told_apart_by_their_names_alone(make, images, write_scores, write_history, name):
    write_scores(dict.fromkeys(CASES, 0.5), parts={"organ": 0.5}, classes={"organ": 0.5}, foreground=0.2)
    write_history(dict.fromkeys("xyz", 0.5))
    strategy = make(name, known={case: [1.0, 2.0] for case in (*CASES, *"xyz")})
    order = strategy.rank(list(CASES), images([*CASES, *"xyz"], labelled="xyz"), 1).order
    by_name = order in (sorted(CASES), sorted(CASES)[::-1])
    assert by_name == (name == "first"), f"{name}: let mixing(seed, case) decide between equals"


def test_what_an_older_version_said_counts_by_rank_and_never_by_value(make, images, workspace, name):
    """The same ranks of the older version on another scale: the same order."""
    orders = []
    for scale in (1.0, 0.01):
        workspace.leases.unlink(missing_ok=True)
        cases = {}
        for number, case in enumerate(CASES):
            value = (0.05 + 0.09 * ((7 * number) % 10)) * (scale if number % 2 else 1.0)
            said = {"score": value, "classes": {"organ": value}, "parts": {"organ": value}}
            cases[case] = {**said, "version": 1 if number % 2 else 2, "foreground": 0.1}
        write_json(workspace.scores, {"version": 2, "done": 5, "of": 10, "cases": cases})
        batch = make(name, known=SPREAD)({"count": 10}, images(CASES))["batch"]
        orders.append([answer["id"] for answer in batch])
    assert orders[0] == orders[1]


@pytest.mark.parametrize("count", [1, 2])
def test_people_who_ask_at_once_get_cases_that_differ(ask, images, name, count):
    """Two groups of scans that look alike, the larger with the higher scores; one of each is given."""
    strategy = ask(name, known={case: [(number > 3) + 0.001 * number] for number, case in enumerate(CASES)})
    given = [strategy({"count": count}, images(CASES)) for _ in range(3 - count)]
    ids = [each["id"] for answer in given for each in answer.get("batch", [answer])]
    assert len(set(ids)) == 2
    if strategy.diverse:
        assert {CASES.index(case) > 3 for case in ids} == {False, True}


def test_the_default_gives_cases_that_differ(make):
    assert make(DEFAULT_STRATEGY).diverse


def test_people_who_ask_at_the_same_moment_never_get_the_same_case(ask, images, monkeypatch, name):
    strategy = ask(name, known=SPREAD)
    rank = strategy.rank

    def slowly(*given):
        time.sleep(0.02)
        return rank(*given)

    monkeypatch.setattr(strategy, "rank", slowly)
    with ThreadPoolExecutor(4) as people:
        given = [answer["id"] for answer in people.map(lambda _: strategy({}, images(CASES)), range(4))]
    assert len(set(given)) == 4


def test_a_case_that_nobody_could_use_is_never_offered_again(ask, clock, images, name):
    strategy, datastore = ask(name), images("ab")
    first = strategy({}, datastore)["id"]
    other = strategy({"skip": first}, datastore)["id"]
    while strategy({}, datastore)["id"] != first:
        clock.now += 3600
    strategy.leases.skip(first)
    clock.now += 48 * 3600
    assert {strategy({}, datastore)["id"] for _ in range(3)} == {other}
    with pytest.raises(Refusal, match="1 cases without a label was skipped twice"):
        strategy({}, images("ab", labelled=other))
    strategy.leases.unskip(first)
    assert strategy({}, images("ab", labelled=other))["id"] == first
