"""Tables of rounds in which one training goes on."""

import pytest

from experiments.rounds.gains import all_table, rare_table, read_runs
from experiments.rounds.kinds import ORDINARY, rare, read_kinds, write_kinds
from experiments.rounds.simulate import Annotation
from fewlabel.workspace import write_json

KINDS = {"o1": ORDINARY, "o2": ORDINARY, "r1": "resection", "p1": ORDINARY, "p2": "resection", "p3": "second scanner"}


def cell(table, line, column):
    head, _, *lines = [[each.strip() for each in text.strip("|").split("|")] for text in table.splitlines()]
    return next(each for each in lines if each[0] == line)[head.index(column)]


def outcome(strategy, seed, ordinary, of_rare, labelled, whole=True):
    """Curves of the ordinary and of the rare test cases by number of labels."""
    row = Annotation(strategy, "bcp", seed, tuple(ordinary), seconds=9.0, measured=tuple(ordinary))
    rounds = [
        {
            "labels": size,
            "labelled": labelled,
            "dice": (2 * dice + of_rare[size]) / 3,
            "of_case": {"o1": dice, "o2": dice + 0.01, "r1": of_rare[size]},
        }
        for size, dice in ordinary.items()
    ]
    return {"row": row.to_dict(), "rounds": rounds, "choosing": 1.0, "scoring": 2.0, "history": [], "whole": whole}


@pytest.fixture
def runs(tmp_path):
    """Two seeds; the strategy reaches the rare cases' Dice of 8 random labels with 4, the others' with 8."""
    flat = {2: 0.6, 4: 0.7, 8: 0.8}
    for seed in (0, 1):
        write_json(
            tmp_path / "outcomes" / f"r{seed}.json",
            outcome("random", seed, flat, {2: 0.1, 4: 0.2, 8: 0.3}, ["p1"]),
        )
        write_json(
            tmp_path / "outcomes" / f"c{seed}.json",
            outcome("coverage", seed, flat, {2: 0.1, 4: 0.3 + 0.1 * seed, 8: 0.5}, ["p1", "p2", "p3"]),
        )
    other = outcome("first", 0, flat, {2: 0.0, 4: 0.0, 8: 0.0}, ["p1"], whole=False)
    write_json(tmp_path / "outcomes" / "unfinished.json", other)
    return read_runs(tmp_path)


def test_only_runs_that_are_over_count(runs):
    assert sorted({run.row.strategy for run in runs}) == ["coverage", "random"]


def test_each_strategy_is_compared_with_random_cases_of_its_own_seed(runs):
    table = all_table(runs)
    assert len({line.count("|") for line in table.splitlines()}) == 1
    assert cell(table, "bcp, coverage", "seeds") == "2"
    gains = [(0.05 + 0.15) / 3 / 2, (0.1 + 0.2) / 3 / 2]  # of each seed, over two doublings of the labels
    assert cell(table, "bcp, coverage", "area − random's").startswith(f"{sum(gains) / 2:+.3f} (")
    assert cell(table, "bcp, random", "area − random's") == ""
    assert cell(table, "bcp, random", "labels for random's last Dice") == "8.0"
    assert cell(table, "bcp, coverage", "worst case") == "0.500"


def test_rare_cases_have_a_table_of_their_own(runs):
    table = rare_table(runs, KINDS)
    assert len({line.count("|") for line in table.splitlines()}) == 1
    assert cell(table, "bcp, coverage", "Dice of rare cases with 4") == "0.350 ± 0.071"
    assert cell(table, "bcp, coverage", "labels for random's last Dice") == f"{(4 + 2 ** (1 + 2 / 3)) / 2:.1f}"
    assert cell(table, "bcp, random", "rare ones labelled") == "0, 0"
    assert cell(table, "bcp, coverage", "rare ones labelled") == "2, 2"
    assert cell(table, "bcp, coverage", "resection, with 8") == "0.500 ± 0.000"
    assert "second scanner" not in table, "none was measured"


def test_without_kinds_there_is_no_such_table(runs):
    assert rare_table(runs, {}) == ""


def test_a_dice_that_is_never_reached_is_said_so(tmp_path):
    curve = {2: 0.5, 4: 0.6}
    for name, values in (("random", {2: 0.5, 4: 0.9}), ("coverage", curve)):
        write_json(tmp_path / "outcomes" / f"{name}.json", outcome(name, 0, values, values, ["p1"]))
    table = all_table(read_runs(tmp_path))
    assert cell(table, "bcp, coverage", "labels for random's last Dice") == "not reached"


def test_kinds_are_read_as_they_were_written(tmp_path):
    assert read_kinds(tmp_path) == {}
    write_kinds(tmp_path, KINDS)
    assert read_kinds(tmp_path) == KINDS
    assert rare(KINDS) == {"r1", "p2", "p3"}
