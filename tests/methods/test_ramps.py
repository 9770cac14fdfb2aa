from __future__ import annotations

import math

import pytest

from fewlabel.methods.ramps import linear_ramp, sigmoid_ramp


def test_nothing_before_the_start_and_everything_after_the_ramp():
    assert sigmoid_ramp(0.34, 0.35, 0.2) == 0
    assert sigmoid_ramp(0.55, 0.35, 0.2) == pytest.approx(1)
    assert sigmoid_ramp(1.0, 0.35, 0.2) == 1


def test_half_way_up_it_is_the_published_value():
    assert sigmoid_ramp(0.45, 0.35, 0.2) == pytest.approx(math.exp(-1.25))


def test_it_never_falls():
    values = [sigmoid_ramp(step / 100, 0.35, 0.2) for step in range(101)]
    assert values == sorted(values)


def test_a_ramp_without_length_is_a_step():
    assert [sigmoid_ramp(progress, 0.5, 0.0) for progress in (0.4, 0.5, 1.0)] == [0, 1, 1]


def test_a_linear_ramp_goes_from_its_first_value_at_the_start_to_its_last_at_the_end():
    values = [linear_ramp(progress, 0.2, 0.5, 0.8) for progress in (0.0, 0.2, 0.6, 1.0)]
    assert values == pytest.approx([0.5, 0.5, 0.65, 0.8])
