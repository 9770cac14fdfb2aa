"""Which labels validate in a study that trains all the time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewlabel.data.held_back import FIRST, LATEST, decide, no_validation_yet
from fewlabel.data.pools import make_pools

CASES = [f"case_{number}" for number in range(30)]
ORDERS, SEEDS, SHARES = st.permutations(CASES), st.integers(0, 5), st.floats(0.01, 0.9)


@settings(deadline=None)
@given(ORDERS, SEEDS, SHARES)
def test_the_first_three_never_validate_and_of_the_fourth_to_eighth_one_does(order, seed, share):
    kept = decide(order, {}, share, seed)
    assert not set(order[: FIRST - 1]) & set(kept["validation"])
    assert set(order[FIRST - 1 : LATEST]) & set(kept["validation"])


@settings(deadline=None)
@given(ORDERS, SEEDS, st.lists(st.integers(0, 30), max_size=6))
def test_it_is_decided_once_however_often_it_is_asked(order, seed, sizes):
    kept = {}
    for size in [*sorted(sizes), 30]:
        before, kept = kept, decide(order[:size], kept, 0.2, seed)
        assert set(before.get("validation", ())) <= set(kept["validation"])
        assert set(before.get("trained", ())) <= set(kept["trained"])
    assert kept == decide(order, {}, 0.2, seed)
    assert sorted([*kept["validation"], *kept["trained"]]) == sorted(CASES)


@settings(deadline=None)
@given(ORDERS, ORDERS, SEEDS)
def test_after_the_eighth_the_id_alone_decides(first, second, seed):
    """Whatever was asked for before, and by which strategy."""
    start = {"validation": ["v"], "trained": list("abcdefg")}
    assert decide(first, start, 0.2, seed) == decide(second, start, 0.2, seed)


def test_another_seed_keeps_others():
    assert decide(CASES, {}, 0.2, seed=0) != decide(CASES, {}, 0.2, seed=1)


def test_about_as_many_validate_as_were_asked_for():
    many = [f"scan {number}" for number in range(2000)]
    assert len(decide(many, {}, 0.2)["validation"]) == pytest.approx(400, abs=60)


def test_a_share_of_zero_keeps_none():
    assert decide(CASES, {}, 0.0)["validation"] == []


@settings(deadline=None)
@given(ORDERS, st.integers(1, 30))
def test_the_pools_follow_what_was_decided(order, size):
    labelled = order[:size]
    kept = decide(labelled, {}, 0.2)
    pools = make_pools(labelled, CASES, kept)
    assert pools.validation == kept["validation"]
    assert pools.labelled == kept["trained"]


def test_what_an_earlier_study_decided_stays():
    kept = {"validation": ["case_0", "case_1"], "trained": ["case_2"]}
    decided = decide(CASES[:3], kept)
    assert decided == kept


def test_while_none_is_kept_a_note_says_when_one_will_be():
    assert no_validation_yet(1).startswith("The only label is used for training")
    assert no_validation_yet(3) == (
        "All 3 labels are used for training, so the model is not validated; of the 4th to the 8th at least one is kept "
        "for validation."
    )
