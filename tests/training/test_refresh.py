"""When a training predicts the pool again, and how much of its time that may take."""

from __future__ import annotations

import math
from collections import namedtuple

import pytest
from torch import nn

from fewlabel.methods import METHODS
from fewlabel.predictions.pool import Pass
from fewlabel.training import refresh as refresh_module
from fewlabel.training.refresh import MOST_TIME, SHARES, Movement, PoolPasses, PoolRefresh


class Store:
    current = 5


class Time:
    """A budget whose clock is set by hand."""

    def __init__(self):
        self.now = 0.0

    def elapsed(self):
        return self.now


@pytest.fixture
def budget():
    return Time()


@pytest.fixture
def passes(monkeypatch, budget):
    """Each pass costs 30 seconds, or what it may cost; gives (version, seconds that were allowed)."""
    made = []

    def predict_pool(eyes, store, plan, records, version, device, seconds, clock):
        made.append((version, seconds))
        budget.now += max(0.0, min(30.0, seconds))
        return Pass(1, 1, 0.0)

    monkeypatch.setattr(refresh_module, "predict_pool", predict_pool)
    monkeypatch.setattr(refresh_module, "Eyes", lambda deployed, members, *rest: (deployed, members))
    return made


@pytest.fixture
def method():
    return METHODS["mean_teacher"](lambda: nn.Conv3d(1, 2, 1), 2, teacher="cached")


def run(refresh, method, budget, steps=100, seconds=1000.0):
    for number in range(steps + 1):
        budget.now = max(budget.now, seconds * number / steps)
        refresh(method, number / steps)


def test_the_pool_is_predicted_after_each_share_and_never_else(passes, method, budget):
    run(PoolRefresh(Store, None, [], "cpu", budget, first=5), method, budget)
    assert [version for version, _ in passes] == pytest.approx([5.2, 5.35, 5.5, 5.65, 5.8])
    assert len(passes) == len(SHARES)


def test_it_takes_a_fifth_of_the_time_at_most(passes, method, budget):
    refresh = PoolRefresh(Store, None, [], "cpu", budget)
    run(refresh, method, budget, seconds=100.0)
    assert len(passes) == len(SHARES)
    assert passes[0][1] == pytest.approx(MOST_TIME * 20.0)
    assert refresh.spent <= MOST_TIME * budget.now + 1e-9


def test_shares_that_passed_at_once_make_one_pass(passes, method, budget):
    refresh = PoolRefresh(Store, None, [], "cpu", budget)
    budget.now = 600.0
    refresh(method, 0.55)
    refresh(method, 0.56)
    assert [version for version, _ in passes] == [0.5]


def test_an_interrupted_training_goes_on_with_the_version_that_it_had(passes, method, budget):
    """So what that version predicted already is not predicted again (see predict_pool)."""
    PoolRefresh(Store, None, [], "cpu", budget)(method, 0.39)
    made = len(passes)
    resumed = PoolRefresh(Store, None, [], "cpu", budget)
    resumed(method, 0.41)
    assert passes[-1][0] == passes[-2][0] == 0.35
    assert len(passes) == made + 1


def test_nothing_is_predicted_when_the_training_ends(passes, method, budget):
    PoolRefresh(Store, None, [], "cpu", budget)(method, 1.0)
    assert passes == []


def test_the_published_network_predicts_and_not_the_student(monkeypatch, passes, method, budget):
    asked = []
    monkeypatch.setattr(refresh_module, "Eyes", lambda deployed, members, *rest: asked.append((deployed, members)))
    PoolRefresh(Store, None, [], "cpu", budget)(method, 0.3)
    assert asked == [(method.teacher.network, [method.teacher.network])]


def never():
    raise AssertionError("looked at scans although the answer was known")


def test_the_first_pass_and_each_new_label_are_worth_it_without_a_look():
    movement = Movement()
    assert movement.is_worth_it(0.8, never)
    movement.predicted(0.8)
    movement.label_came()
    assert movement.is_worth_it(0.8, never)


@pytest.mark.parametrize(
    ("dice", "changed", "worth"),
    [(0.805, 0.01, False), (0.795, 0.03, False), (0.82, None, True), (0.78, None, True), (0.8, 0.04, True)],
)
def test_a_model_that_did_not_move_predicts_nothing_again(dice, changed, worth):
    movement = Movement()
    movement.predicted(0.8)
    assert movement.is_worth_it(dice, never if changed is None else lambda: changed) == worth


def test_where_nothing_validates_the_scans_tell():
    movement = Movement()
    movement.predicted(math.nan)
    assert not movement.is_worth_it(math.nan, lambda: 0.0)
    assert movement.is_worth_it(math.nan, lambda: 0.5)
    assert movement.is_worth_it(math.nan, lambda: math.nan)  # none of them had a prediction


class Playing:
    """A training that publishes a version every 40 seconds; predicting one of its scans takes a second."""

    def __init__(self, scans):
        self.now, self.heads, self.cases = 0.0, {}, [f"scan {number}" for number in range(scans)]
        self.passes, self.version, self.spent = PoolPasses(lambda: self.now), 0, []

    def publish(self, changed=1.0, after=40.0):
        self.now += after
        self.version += 1
        begun = self.now
        self.passes(self, self.version, math.nan, self.cases, lambda: changed, self.predict)
        self.spent.append(self.now - begun)

    def predict(self, seconds):
        oldest = sorted(self.cases, key=lambda case: self.heads.get(case, Head(-1)).version)
        for case in oldest[: int(seconds)]:
            self.heads[case] = Head(self.version)
            self.now += 1
        return len(oldest) <= seconds


Head = namedtuple("Head", "version")


def test_passes_take_at_most_a_fifth_of_the_time():
    played = Playing(scans=200)
    for _ in range(40):
        played.publish()
        assert sum(played.spent) <= 0.2 * played.now
    assert sum(played.spent) > 0.15 * played.now


def test_the_first_pass_may_take_its_shortest_time_however_early_it_is():
    played = Playing(scans=200)
    played.publish(after=1.0)
    played.publish(after=1.0)
    assert played.spent == [5.0, 0.0]


def test_a_cut_pass_goes_on_until_each_scan_is_predicted_and_a_new_version_alone_begins_none():
    played = Playing(scans=25)
    for _ in range(3):
        played.publish(changed=0.0)
    assert {head.version for head in played.heads.values()} == {1, 2, 3}
    assert len(played.heads) == 25
    before = dict(played.heads)
    for _ in range(5):
        played.publish(changed=0.0)
    assert played.heads == before
    played.publish(changed=0.5)
    assert all(head.version == played.version for head in played.heads.values())
