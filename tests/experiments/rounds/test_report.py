"""Curves of simulated annotation."""

from __future__ import annotations

import math

import pytest

from experiments.rounds.report import area, draw_rounds, labels_needed, read_curves, rounds_table, write_rounds_csv
from fewlabel.workspace import write_json

LINE = {2: 0.5, 4: 0.6, 8: 0.7, 16: 0.8}


def test_the_area_is_the_mean_dice_over_the_logarithm_of_the_labels():
    assert area({2: 0.7, 4: 0.7, 16: 0.7}) == pytest.approx(0.7)
    assert area(LINE) == pytest.approx(0.65)
    assert area({2: 0.0, 4: 1.0, 16: 1.0}) == pytest.approx((0.5 + 2 * 1.0) / 3)
    assert area({2: 0.4}) == 0.4


def test_labels_needed_lie_between_the_rounds():
    assert labels_needed(LINE, 0.5) == 2
    assert labels_needed(LINE, 0.65) == pytest.approx(2**2.5)
    assert labels_needed(LINE, 0.8) == 16
    assert math.isinf(labels_needed(LINE, 0.81))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "outcomes").mkdir()
    for method, gain in (("supervised", 0.0), ("bcp", 0.1)):
        for seed in (0, 1):
            rounds = [
                {"labels": size, "labelled": ["a"], "dice": dice + gain + 0.01 * seed} for size, dice in LINE.items()
            ]
            row = {"method": method, "strategy": "random", "seed": seed}
            write_json(tmp_path / "outcomes" / f"{method}-{seed}.json", {"row": row, "rounds": rounds})
    return tmp_path


def test_the_table_has_a_line_for_each_run_and_says_how_many_labels_were_needed(folder):
    table = rounds_table(read_curves(folder), "supervised, random").splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert "0.505 ± 0.007" in next(line for line in table if line.startswith("| supervised"))
    assert table[-1].endswith("| 16.0 |")
    assert next(line for line in table if line.startswith("| bcp")).endswith("| 8.0 |")


def test_a_picture_and_a_csv_are_written(folder):
    draw_rounds(read_curves(folder), folder / "rounds.png")
    write_rounds_csv(folder)
    assert (folder / "rounds.png").stat().st_size > 1000
    assert len((folder / "rounds.csv").read_text().splitlines()) == 1 + 2 * 2 * 4
