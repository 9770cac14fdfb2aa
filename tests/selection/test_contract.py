"""What every strategy must do, whatever it asks for: over every name of the table, with and without scores."""

from __future__ import annotations

import inspect
import os

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.selection import table
from fewlabel.selection.base import FewLabelStrategy, Ranking
from fewlabel.selection.table import DEFAULT_STRATEGY, STRATEGIES, make_strategies

NAMES = tuple(STRATEGIES)
CASES = "abcdefghij"
SPREAD = {case: [float(number), float(number % 3)] for number, case in enumerate(CASES)}


def missing(strategy: object, datastore: object) -> list[str]:
    """What a strategy lacks, a sentence each; it is tried on a datastore with some cases."""
    if not isinstance(strategy, FewLabelStrategy):
        return ["Derive it from FewLabelStrategy (fewlabel.selection.base)."]
    if not hasattr(strategy, "leases"):
        return ["It does not know who has which case: call super().__init__(description, leases)."]
    lacking, said = [], strategy.description
    if not isinstance(said, str) or not 5 < len(said) < 120 or "\n" in said:
        lacking.append("It has no description: one line, which viewers show.")
    if strategy.info().get("config") != {"count": 1}:
        lacking.append("Its info is not that of FewLabelStrategy: leave it out, or add to super().info().")
    if type(strategy).rank is FewLabelStrategy.rank:
        return [*lacking, "It has no rank(unlabelled, datastore, count)."]
    try:
        inspect.signature(strategy.rank).bind([], datastore, 1)
    except TypeError:
        return [*lacking, "Its rank must take (unlabelled, datastore, count)."]
    return [*lacking, *missing_in_use(strategy, datastore)]


def missing_in_use(strategy, datastore):
    """What is seen only once it has ranked some cases."""
    unlabelled = datastore.get_unlabeled_images()
    try:
        ranking = strategy.rank(list(unlabelled), datastore, 2)
        if not isinstance(ranking, Ranking):
            return [f"Its rank gives {type(ranking).__name__}: give Ranking(order, describe)."]
        if sorted(ranking.order) != sorted(unlabelled):
            return ["Its rank leaves cases out or names them twice: rank all that it is given, each once."]
        reasons = [(ranking.describe(case) or {}).get("reason") for case in unlabelled]
    except Exception as error:
        return [f"Its rank, or the describe of its Ranking, fails on {len(unlabelled)} cases: {error}"]
    if not all(str(reason).endswith(".") for reason in reasons):
        return ['Its describe(case) gives no "reason": a sentence for the person who labels the case.']
    return []


def missing_in_class(kind: object) -> list[str]:
    """What a class lacks, as far as it can be seen before one is made."""
    if not (isinstance(kind, type) and issubclass(kind, FewLabelStrategy)):
        return ["Derive it from FewLabelStrategy (fewlabel.selection.base)."]
    return [] if kind.rank is not FewLabelStrategy.rank else ["It has no rank(unlabelled, datastore, count)."]


@pytest.fixture
def lacks(make, images):
    """Callable (name): what the strategy of the table lacks."""

    def look(name):
        try:
            strategy = make(name, known=SPREAD)
        except Exception as error:
            return [f"Its line fails: {error!r}. Give a function that takes the Parts and makes the strategy."]
        return missing(strategy, images("abc"))

    return look


@pytest.mark.parametrize("row", NAMES)
def test_it_is_complete(complete, lacks, row):
    """The parts of the contract in words (see ``missing``)."""
    complete("strategy", row, lacks(row))


def test_every_strategy_has_its_line(every_line):
    every_line("selection", "STRATEGIES", "table.py", missing_in_class)


@pytest.fixture(params=NAMES)
def name(request, if_complete, lacks):
    """Of a strategy that has all its parts."""
    return if_complete("strategy", request.param, lacks(request.param))


def test_the_default_is_in_the_table_and_shown_first(workspace, lacks, if_complete, monkeypatch):
    for each in NAMES:
        if_complete("strategy", each, lacks(each))
    monkeypatch.setattr(table, "STRATEGIES", STRATEGIES)  # of which ``make`` leaves one line
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


def test_what_was_skipped_is_not_offered_while_others_are_free(ask, images, name):
    best = ask(name).rank(list("abcd"), images("abcd"), 1).order[0]
    assert ask(name)({"skip": best}, images("abcd"))["id"] != best


def test_labelled_cases_are_not_offered(ask, images, name):
    strategy = ask(name)
    assert {strategy({}, images("abcd", labelled="bd"))["id"] for _ in range(6)} == {"a", "c"}


@pytest.mark.parametrize(("cases", "labelled", "words"), [("ab", "ab", "Every case"), ("", "", "no images")])
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
