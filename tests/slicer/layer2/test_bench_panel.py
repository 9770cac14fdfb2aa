"""The bench of the interface's thread plays its rounds and tells each kind of action; it asserts no times."""

import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")


def test_each_kind_of_action_is_in_the_table(booted, qt):
    from experiments.speed import panel

    held = panel.measure((12, 20, 24), 2, booted)
    assert held.keys() >= {*panel.NAMES, "press: submitButton", "press: nextButton"}
    lines = panel.table({"24 x 20 x 12": held}).splitlines()
    assert len(lines) == 2 + len(held)
    assert len({line.count("|") for line in lines}) == 1
