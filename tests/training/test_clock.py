"""When things happen in a training whose end nobody knows."""

from __future__ import annotations

import math

import pytest

from fewlabel.training.clock import (
    BRANCH,
    FIRST_LOOK,
    PUBLISH_EVERY,
    REST_AFTER,
    REST_UNVALIDATED,
    RISE,
    WARM_UP,
    Clock,
)


def test_progress_grows_with_the_training_time_to_one_and_stays():
    shares = [Clock(trained=share * WARM_UP).progress() for share in (0, 0.25, 0.5, 1, 7)]
    assert shares == [0, 0.25, 0.5, 1, 1]


def test_a_new_label_sends_nothing_back_but_the_wait_for_something_better():
    clock = Clock(trained=WARM_UP + 900, looked=WARM_UP + 800, improved=3.0, best=0.9)
    before = clock.progress(), clock.rate(1.0), clock.looked
    clock.label_came()
    assert (clock.progress(), clock.rate(1.0), clock.looked) == before
    assert clock.improved == clock.trained
    clock.has_looked(0.5)
    assert clock.best == 0.5


def test_the_rate_rises_and_then_never_changes():
    assert Clock().rate(2.0) == pytest.approx(0.2)
    assert Clock(trained=RISE / 2).rate(2.0) == pytest.approx(1.1)
    assert {Clock(trained=seconds).rate(2.0) for seconds in (RISE, 100, 1e6)} == {2.0}


def test_the_first_look_comes_soon_and_the_others_every_round():
    clock = Clock(trained=FIRST_LOOK - 1)
    assert not clock.is_look_due()
    clock.trained = FIRST_LOOK
    assert clock.is_look_due()
    clock.has_looked(math.nan)
    clock.trained += PUBLISH_EVERY - 1
    assert not clock.is_look_due()
    clock.trained += 1
    assert clock.is_look_due()
    assert PUBLISH_EVERY == 120


@pytest.mark.parametrize("trained", [0, 20, 60, 120, 1e5])
def test_a_branch_takes_at_most_a_fifth_of_the_time_once_it_is_longer_than_the_shortest(trained):
    clock = Clock(trained=trained)
    seconds = clock.branch()
    assert BRANCH[0] <= seconds <= BRANCH[1]
    assert seconds <= max(BRANCH[0], (min(trained, PUBLISH_EVERY) + seconds) / 5 + 1e-9)


def test_it_rests_when_nothing_was_better_for_long_and_noise_is_not_better():
    clock = Clock()
    clock.trained = 100
    clock.has_looked(0.8)
    clock.trained = 100 + REST_AFTER - 1
    clock.has_looked(0.804)
    assert not clock.may_rest(validated=True)
    clock.trained += 1
    assert clock.may_rest(validated=True)
    clock.has_looked(0.81)
    assert not clock.may_rest(validated=True)


def test_without_validation_it_rests_a_fixed_time_after_the_last_label():
    clock = Clock(trained=REST_UNVALIDATED - 1)
    clock.has_looked(math.nan)
    assert not clock.may_rest(validated=False)
    clock.trained += 1
    assert clock.may_rest(validated=False)
    clock.label_came()
    assert not clock.may_rest(validated=False)


def test_a_checkpoint_keeps_all_of_it():
    clock = Clock(trained=7.0, looked=5.0, improved=4.0, best=0.3, look_every=9.0)
    restored = Clock(look_every=9.0)
    restored.restore(clock.state())
    assert restored == clock


def test_what_an_older_checkpoint_lacks_stays_as_it_is():
    clock = Clock()
    clock.restore({"trained": 3.0})
    assert clock == Clock(trained=3.0)
