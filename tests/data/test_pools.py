from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewlabel.data.pools import VALIDATION_FROM, make_pools, remember

IMAGES = [f"case_{number}" for number in range(20)]
SHARES = st.floats(0, 0.99)
SEEDS = st.integers(0, 3)


@st.composite
def stories(draw):
    """Several trainings of one study: the labelled cases at each, which mostly grow."""
    order = draw(st.permutations(IMAGES))
    sizes = sorted(draw(st.lists(st.integers(0, len(IMAGES)), min_size=1, max_size=6)))
    withdrawn = draw(st.lists(st.sets(st.sampled_from(IMAGES), max_size=3), min_size=len(sizes), max_size=len(sizes)))
    return [set(order[:size]) - gone for size, gone in zip(sizes, withdrawn, strict=True)]


@settings(deadline=None)
@given(stories(), SHARES, SEEDS)
def test_pools_are_disjoint_and_labels_are_never_unlabelled(story, share, seed):
    kept = {}
    for labelled in story:
        pools = make_pools(labelled, IMAGES, kept, share, seed)
        kept = remember(pools, kept)
        every = [*pools.labelled, *pools.unlabelled, *pools.validation]
        assert len(every) == len(set(every))
        assert {*pools.labelled, *pools.validation} == labelled
        assert not labelled & set(pools.unlabelled)


@settings(deadline=None)
@given(stories(), SHARES, SEEDS)
def test_validation_stays_for_ever_and_a_trained_case_never_becomes_validation(story, share, seed):
    kept, validated, trained = {}, set(), set()
    for labelled in story:
        pools = make_pools(labelled, IMAGES, kept, share, seed)
        kept = remember(pools, kept)
        assert validated & labelled <= set(pools.validation)
        assert not validated & {*pools.labelled, *pools.unlabelled}
        assert not trained & set(pools.validation)
        validated |= set(pools.validation)
        trained |= set(pools.labelled)


@settings(deadline=None)
@given(st.permutations(IMAGES), st.integers(0, 20), SHARES, SEEDS)
def test_the_order_of_labels_and_of_files_does_not_matter(order, count, share, seed):
    labelled = sorted(order[:count])
    assert make_pools(order[:count], order, {}, share, seed) == make_pools(labelled, IMAGES, {}, share, seed)


@settings(deadline=None)
@given(st.integers(1, 20), SHARES, SEEDS)
def test_a_first_training_always_has_something_to_train_on(count, share, seed):
    assert make_pools(IMAGES[:count], IMAGES, {}, share, seed).labelled


@pytest.mark.parametrize(
    ("count", "validation", "words"),
    [
        (0, 0, "No labels yet"),
        (1, 0, "1 labelled: all are used for training, so the model is not validated"),
        (2, 0, "2 labelled"),
        (3, 0, "3 labelled"),
        (4, 0, "4 labelled"),
        (5, 1, "1 of 5"),
        (9, 1, "1 of 9"),
        (10, 2, "2 of 10"),
    ],
)
def test_what_happens_with_few_labels_is_fixed_and_noted(count, validation, words):
    pools = make_pools(IMAGES[:count], IMAGES, {})
    assert (len(pools.labelled), len(pools.validation)) == (count - validation, validation)
    assert len(pools.unlabelled) == len(IMAGES) - count
    assert words in pools.note


def test_validation_begins_with_the_first_label_that_no_training_has_seen():
    kept = remember(make_pools(IMAGES[:4], IMAGES, {}), {})
    pools = make_pools(IMAGES[:5], IMAGES, kept)
    assert pools.validation == [IMAGES[4]]
    assert pools.labelled == IMAGES[:4]


def test_where_every_label_was_trained_on_a_note_says_that_the_next_will_serve():
    pools = make_pools(IMAGES[:6], IMAGES, {"trained": IMAGES[:6]})
    assert pools.validation == []
    assert "next new labels will serve" in pools.note


def test_a_share_of_zero_validates_nothing_and_does_not_blame_the_labels():
    pools = make_pools(IMAGES[:8], IMAGES, {}, share=0)
    assert pools.validation == []
    assert "as requested" in pools.note


def test_a_validation_case_whose_label_is_deleted_is_not_learned_from_and_comes_back_as_validation():
    first = make_pools(IMAGES[:8], IMAGES, {})
    kept = remember(first, {})
    case = first.validation[0]
    without = make_pools(set(IMAGES[:8]) - {case}, IMAGES, kept)
    assert case not in {*without.labelled, *without.unlabelled, *without.validation}
    assert case in make_pools(IMAGES[:8], IMAGES, remember(without, kept)).validation


def test_where_only_validation_cases_are_left_a_note_asks_for_one_more_label():
    pools = make_pools(IMAGES[:1], IMAGES, {"validation": IMAGES[:2], "trained": IMAGES[2:6]})
    assert pools.labelled == []
    assert "label one more" in pools.note


def test_validation_needs_the_number_of_labels_that_the_note_names():
    assert not make_pools(IMAGES[: VALIDATION_FROM - 1], IMAGES, {}, 0.9).validation
    assert len(make_pools(IMAGES[:VALIDATION_FROM], IMAGES, {}, 0.9).labelled) == 1


def test_the_seed_chooses_other_validation_cases():
    chosen = {tuple(make_pools(IMAGES, IMAGES, {}, seed=seed).validation) for seed in range(6)}
    assert len(chosen) > 1


@settings(deadline=None)
@given(stories(), st.dictionaries(st.sampled_from(IMAGES), st.booleans()), SHARES, SEEDS)
def test_an_accepted_label_never_becomes_validation_and_is_trained_on_where_that_is_chosen(
    story, accepted, share, seed
):
    kept = {}
    for labelled in story:
        pools = make_pools(labelled, IMAGES, kept, share, seed, accepted, learn_accepted=True)
        kept = remember(pools, kept)
        assert not set(accepted) & set(pools.validation)
        assert set(accepted) & labelled <= set(pools.labelled)


@settings(deadline=None)
@given(stories(), st.dictionaries(st.sampled_from(IMAGES), st.booleans()), SHARES, SEEDS)
def test_by_default_a_case_with_an_accepted_label_is_an_unlabelled_one_for_training(story, accepted, share, seed):
    kept, without = {}, {}
    for labelled in story:
        pools = make_pools(labelled, IMAGES, kept, share, seed, accepted)
        same = make_pools(labelled - set(accepted), IMAGES, without, share, seed)
        assert pools == same
        kept, without = remember(pools, kept), remember(same, without)


def test_what_is_said_names_the_labels_that_are_not_trained_on():
    accepted = dict.fromkeys(IMAGES[:3], True)
    assert make_pools(IMAGES[:3], IMAGES, {}, accepted=accepted).note == (
        "3 accepted proposals are not trained on (--conf learn_accepted yes changes that). "
        "Draw or correct a label, then train."
    )
    note = make_pools(IMAGES[2:5], IMAGES, {}, accepted=accepted).note
    assert note.startswith("1 accepted proposal is not trained on")
    assert "2 labelled: all are used for training" in note


@settings(deadline=None)
@given(st.integers(5, 20), st.dictionaries(st.sampled_from(IMAGES), st.booleans()), SHARES)
def test_a_validation_case_that_gets_an_accepted_label_is_neither_measured_nor_learned_from(count, accepted, share):
    kept = remember(make_pools(IMAGES[:count], IMAGES, {}, share), {})
    pools = make_pools(IMAGES, IMAGES, kept, share, accepted=accepted, learn_accepted=True)
    assert not set(kept["validation"]) & {*pools.labelled, *pools.unlabelled}
    measured = {case for case in kept["validation"] if not accepted.get(case)}
    assert set(kept["validation"]) & set(pools.validation) == measured


def test_only_labels_that_a_person_made_count_for_the_share_of_validation():
    accepted = dict.fromkeys(IMAGES[4:], True)
    pools = make_pools(IMAGES, IMAGES, {}, accepted=accepted, learn_accepted=True)
    assert pools.validation == []
    assert "from 5 labels that were drawn or corrected on" in pools.note
    assert "16 of them are accepted proposals" in pools.note
    assert len(make_pools([*IMAGES, "new"], [*IMAGES, "new"], {}, accepted=accepted).validation) == 1
