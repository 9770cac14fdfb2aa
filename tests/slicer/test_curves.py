"""Where curves lie in a picture."""

import math

from FewLabelLib.panel.curves import MOST, Axis, Box, axis, pixels_of, tick


def test_an_axis_holds_all_values_and_ends_with_round_numbers():
    assert axis([0.13, 0.42]) == Axis(0.1, 0.45)
    assert axis([0.2, 0.9], 0.0, 1.0) == Axis(0.0, 1.0)
    assert axis([3.0]) == Axis(3.0, 4.0)
    assert axis([]) == axis([math.nan]) == Axis(0.0, 1.0)


def test_points_are_put_where_their_values_say_and_upwards():
    placed = pixels_of({"loss": [(0, 0), (5, 1), (10, 2)]}, Axis(0, 10), Axis(0, 2), Box(10, 20, 100, 50))
    assert placed == {"loss": [(10, 70), (60, 45), (110, 20)]}


def test_what_is_not_finite_is_left_out_and_what_lies_outside_is_put_to_the_edge():
    placed = pixels_of({"loss": [(0, math.nan), (5, 9)]}, Axis(0, 10), Axis(0, 2), Box(0, 0, 10, 10))
    assert placed == {"loss": [(5, 0)]}


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    points = [(number, 0.0) for number in range(10_000)]
    placed = pixels_of({"loss": points}, Axis(0, 9_999), Axis(0, 1), Box(0, 0, 9_999, 10))["loss"]
    assert len(placed) == MOST
    assert (placed[0][0], placed[-1][0]) == (0, 9_999)


def test_numbers_at_an_axis():
    assert [tick(value) for value in (0.0, 0.25, 1.0, 1500.0)] == ["0", "0.25", "1", "1,500"]
