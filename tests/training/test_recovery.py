"""After harm the pool rests, for how long, and at which weight it comes back, over a restart too."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from torch import nn

from fewlabel.training.clock import CHECK_EVERY, RETRY_AFTER, Clock
from fewlabel.training.recovery import RecoveringGuard


@pytest.fixture
def guard():
    """Of a training of ten minutes, just after harm."""
    guard, network = RecoveringGuard(Clock(trained=600.0)), nn.Linear(1, 1)
    optimiser = SimpleNamespace(state_dict=dict, load_state_dict=lambda state: None)
    guard.keep(1, network, optimiser)
    assert "after 5 minutes at half the weight" in guard.go_back(network, optimiser)
    assert guard.labels_only
    return guard


def after_restart(guard):
    again = RecoveringGuard(guard.clock)
    again.restore(guard.state())
    return again


@pytest.mark.parametrize("restart", [after_restart, lambda guard: guard], ids=["restarted", "running"])
def test_the_pool_rests_for_the_stated_time_and_comes_back_at_half_the_weight_once(guard, restart):
    guard = restart(guard)
    guard.clock.trained += RETRY_AFTER - 1
    assert guard.recover() == ""
    assert guard.labels_only
    guard.clock.trained += 1
    assert "0.5 of their weight" in guard.recover()
    guard = restart(guard)
    assert (guard.labels_only, guard.weight) == (False, 0.5)
    guard.clock.trained += 10 * RETRY_AFTER
    assert guard.recover() == ""
    assert guard.weight == 0.5


def test_a_new_label_brings_it_back_at_once_and_whole(guard):
    guard.weight = 0.25
    assert guard.label_came().endswith("with the new label.")
    assert (guard.labels_only, guard.weight, guard.retry_at) == (False, 1.0, math.inf)
    assert guard.label_came() == "", "there is nothing to tell where it did not rest"


def test_what_rested_for_good_in_a_training_on_request_is_tried_again(guard):
    again = RecoveringGuard(guard.clock)
    again.restore({"labels_only": True})
    assert again.recover() == ""
    guard.clock.trained += RETRY_AFTER
    assert again.recover()


def test_it_looks_by_minutes_of_training(guard):
    assert guard.is_due(0.0)
    guard.clock.trained += CHECK_EVERY - 1
    assert not guard.is_due(0.5)
    guard.clock.trained += 1
    assert guard.is_due(0.5)
