"""What every strategy must do, whatever it asks for: over every name of the table, with and without scores."""

from __future__ import annotations

import inspect
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.selection.base import FewLabelStrategy, Ranking
from fewlabel.selection.table import DEFAULT_STRATEGY, STRATEGIES, make_strategies
from fewlabel.workspace import write_json

NAMES = tuple(STRATEGIES)
CASES = "abcdefghij"
SPREAD = {case: [float(number), float(number % 3)] for number, case in enumerate(CASES)}


@pytest.fixture(params=["no model", "scores", "history"])
def ask(request, make, write_scores, write_history):
    """Callable (name): a strategy of the table, before a model, with its scores, and with corrected labels besides."""

    def build(name, **more):
        if request.param != "no model":
            write_scores({case: 0.1 + 0.05 * number for number, case in enumerate(CASES)}, foreground=0.2)
        if request.param == "history":
            write_history({case: 0.5 + 0.04 * number for number, case in enumerate(CASES)})
        return make(name, **more)

    return build


def missing(strategy: object, datastore: object) -> list[str]:
    """What a strategy lacks, a sentence each; it is tried on a datastore with some cases."""
    if not isinstance(strategy, FewLabelStrategy):
        return ["Derive it from FewLabelStrategy (fewlabel.selection.base)."]
    if not hasattr(strategy, "leases"):
        return ["It does not know who has which case: call super().__init__(description, leases)."]
    lacking = []
    if not 5 < len(strategy.description) < 120 or "\n" in strategy.description:
        lacking.append("It has no description: one line, which viewers show.")
    if strategy.info().get("config") != {"count": 1}:
        lacking.append("Its info is not that of FewLabelStrategy: leave it out, or add to super().info().")
    if type(strategy).rank is FewLabelStrategy.rank:
        return [*lacking, "It has no rank(unlabelled, datastore, count)."]
    try:
        inspect.signature(strategy.rank).bind([], datastore, 1)
    except TypeError:
        return [*lacking, "Its rank must take (unlabelled, datastore, count)."]
    unlabelled = datastore.get_unlabeled_images()
    ranking = strategy.rank(list(unlabelled), datastore, 2)
    if not isinstance(ranking, Ranking):
        return [*lacking, f"Its rank gives {type(ranking).__name__}: give Ranking(order, describe)."]
    if sorted(ranking.order) != sorted(unlabelled):
        lacking.append("Its rank leaves cases out or names them twice: rank all that it is given, each once.")
    elif not all(str((ranking.describe(case) or {}).get("reason", "")).endswith(".") for case in unlabelled):
        lacking.append('Its describe(case) gives no "reason": a sentence for the person who labels the case.')
    return lacking


@pytest.fixture(params=NAMES)
def name(request, complete, make, images):
    """Of a strategy that has all its parts; of another the test fails and says what it lacks."""
    try:
        strategy = make(request.param, known=SPREAD)
    except Exception as error:
        pytest.fail(f"The table of strategies cannot be made: {error!r}. Each line takes the Parts.", pytrace=False)
    return complete("strategy", request.param, missing(strategy, images("abc")))


def test_it_is_complete(name):
    """The parts of the contract in words (see ``missing``)."""


def test_the_default_is_in_the_table_and_shown_first(workspace):
    strategies, _ = make_strategies(workspace, 0)
    assert list(strategies) == list(STRATEGIES)
    assert next(iter(strategies)) == DEFAULT_STRATEGY


def test_a_ranking_holds_every_unlabelled_case_once_and_can_describe_each(ask, images, name):
    strategy, datastore = ask(name, known=SPREAD), images(CASES, labelled="be")
    unlabelled = datastore.get_unlabeled_images()
    ranking = strategy.rank(list(unlabelled), datastore, 2)
    assert sorted(ranking.order) == sorted(unlabelled), f"{name}: rank all the cases that it is given, each once"
    for case in unlabelled:
        assert ranking.describe(case)["reason"].endswith("."), f"{name}: describe(case) gives a reason, a sentence"


def test_it_changes_neither_what_it_is_given_nor_who_has_a_case(ask, images, name):
    strategy, unlabelled = ask(name, known=SPREAD), list(CASES)
    strategy.rank(unlabelled, images(CASES), 3)
    assert unlabelled == list(CASES), f"{name}: sort a copy"
    assert not any(strategy.leases.recent(case) for case in CASES), f"{name}: rank hands nothing out"


def test_what_is_handed_out_is_the_best_of_the_ranking(ask, images, monkeypatch, name):
    """The order is the strategy's, from its first on: never from its end."""
    strategy, datastore, kept = ask(name, known=SPREAD), images(CASES), []
    rank = strategy.rank
    monkeypatch.setattr(strategy, "rank", lambda *given: kept.append(rank(*given)) or kept[-1])
    batch = strategy({"count": 3}, datastore)["batch"]
    assert [answer["id"] for answer in batch] == kept[0].order[:3]
    assert [answer["rank"] for answer in batch] == [1, 2, 3]
    assert all(answer["reason"] == kept[0].describe(answer["id"])["reason"] for answer in batch)


def test_an_answer_says_which_case_and_why(ask, images, name):
    answer = ask(name)({}, images(CASES))
    assert answer["id"] in CASES
    assert 1 <= answer["rank"] <= answer["of"] == len(CASES)
    assert answer["reason"].endswith(".")
    assert "batch" not in answer


def test_repeated_asks_give_every_case_before_any_comes_again_the_longest_ago_first(ask, clock, images, name):
    strategy, datastore, given = ask(name), images("abcde"), []
    for _ in range(10):
        clock.now += 1
        given.append(strategy({}, datastore))
    ids = [answer["id"] for answer in given]
    assert set(ids[:5]) == set("abcde")
    assert ids[5:] == ids[:5]
    assert all("handed out" in answer["reason"] for answer in given[5:])
    assert not any("handed out" in answer["reason"] for answer in given[:5])


def test_a_case_is_kept_from_others_for_an_hour_and_no_longer(ask, clock, images, name):
    strategy, datastore = ask(name), images("ab")
    first = strategy({}, datastore)["id"]
    clock.now += 3599
    assert strategy({}, datastore)["id"] != first
    clock.now += 3601
    assert {strategy({}, datastore)["id"] for _ in range(2)} == {"a", "b"}
    assert "handed out" in strategy({}, datastore)["reason"]


def test_what_was_handed_out_or_skipped_is_known_after_a_restart(ask, images, name):
    first, second = (ask(name)({}, images("abcd"))["id"] for _ in range(2))
    third, fourth = set("abcd") - {first, second}
    assert second != first
    assert ask(name)({"skip": third}, images("abcd"))["id"] == fourth


def test_labelled_cases_are_not_offered(ask, images, name):
    strategy = ask(name)
    assert {strategy({}, images("abcd", labelled="bd"))["id"] for _ in range(6)} == {"a", "c"}


@pytest.mark.parametrize(("cases", "labelled", "words"), [("ab", "ab", "All 2 cases"), ("", "", "no images")])
def test_with_nothing_left_it_says_so(ask, images, name, cases, labelled, words):
    with pytest.raises(Refusal, match=words) as refusal:
        ask(name)({}, images(cases, labelled))
    assert refusal.value.status_code == 404


def test_a_batch_holds_different_cases_with_a_reason_each_and_nobody_else_is_given_them(ask, images, name):
    strategy, datastore = ask(name), images(CASES)
    batch = strategy({"count": 4}, datastore)["batch"]
    following = strategy({"count": "4"}, datastore)["batch"]
    ids = [answer["id"] for answer in (*batch, *following)]
    assert len(set(ids)) == 8
    assert all(answer["reason"] and answer["of"] == 10 for answer in batch)


def test_more_than_there_are_gives_what_there_is(ask, images, name):
    assert len(ask(name)({"count": 9}, images("abc"))["batch"]) == 3


@pytest.mark.parametrize("count", [0, -1, 101, "many", None])
def test_a_count_that_is_none_is_refused_in_words(make, images, name, count):
    with pytest.raises(Refusal, match="ask for 1 to 100") as refusal:
        make(name)({"count": count}, images("abc"))
    assert refusal.value.status_code == 400


def test_a_skipped_case_comes_after_all_others_and_is_free_again_after_a_day(ask, clock, images, name):
    strategy, datastore = ask(name), images("abc")
    first = strategy({}, datastore)["id"]
    given = [strategy({"skip": first}, datastore)["id"], strategy({}, datastore)["id"], strategy({}, datastore)["id"]]
    assert given[:2] == [case for case in given[:2] if case != first]
    assert given[2] == first
    clock.now += 24 * 3600 - 3700
    assert strategy.leases.skipped(first)
    clock.now += 3701
    assert strategy.is_free(first)


def test_the_same_seed_and_study_give_the_same_order(ask, images, workspace, name):
    orders = []
    for _ in range(2):
        workspace.leases.unlink(missing_ok=True)
        strategy = ask(name, known=SPREAD, seed=4)
        orders.append([answer["id"] for answer in strategy({"count": 8}, images(CASES))["batch"]])
    assert orders[0] == orders[1]


def test_the_order_of_the_files_does_not_matter(ask, images, workspace, name):
    orders = []
    for cases in (CASES, CASES[::-1]):
        workspace.leases.unlink(missing_ok=True)
        answer = ask(name, known=SPREAD)({"count": 8}, images(cases))
        orders.append([each["id"] for each in answer["batch"]])
    assert orders[0] == orders[1]


def test_equals_are_not_told_apart_by_their_names_alone(make, images, write_scores, write_history, name):
    write_scores(dict.fromkeys(CASES, 0.5), parts={"organ": 0.5}, classes={"organ": 0.5}, foreground=0.2)
    write_history(dict.fromkeys("xyz", 0.5))
    strategy = make(name, known={case: [1.0, 2.0] for case in (*CASES, *"xyz")})
    order = strategy.rank(list(CASES), images([*CASES, *"xyz"], labelled="xyz"), 1).order
    assert (order in (sorted(CASES), sorted(CASES)[::-1])) == (name == "first"), (
        f"{name}: let mixing(seed, case) decide"
    )


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


@pytest.mark.parametrize("scored", [False, True])
def test_ten_thousand_cases_need_no_look_at_any_file(make, write_scores, images, monkeypatch, scored, name):
    names = [f"case-{number:05}" for number in range(10_000)]
    known = dict(zip(names[:500], np.random.default_rng(0).random((500, 219)).tolist(), strict=True))
    if scored:
        write_scores(dict(zip(names, np.random.default_rng(0).random(10_000).tolist(), strict=True)))
    strategy, datastore = make(name, known=known), images(names, labelled=names[:50])
    strategy({}, datastore)
    datastore.calls.clear()
    monkeypatch.setattr(strategy.leases, "_keep", lambda: None)  # which writes its one small file
    monkeypatch.setattr("builtins.open", None)
    monkeypatch.setattr(os, "open", None)
    monkeypatch.setattr(os, "listdir", None)
    answer = strategy({}, datastore)
    assert answer["of"] == 9950
    assert len(datastore.calls) <= 4
    assert "uri" not in datastore.calls
