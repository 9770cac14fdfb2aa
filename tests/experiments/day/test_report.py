"""Tables and the picture of played days, and what the command refuses."""

import pytest

import experiment
from experiments.comparison.cases import UnusableData
from experiments.comparison.outcomes import read_outcomes
from experiments.day.day import day, write_report
from experiments.day.report import clock_table, labels_table
from experiments.day.rows import AFTER, WHILE, Day, days
from fewlabel.workspace import write_json


@pytest.fixture
def out(data, outcome, tmp_path):
    """A folder with two seeds of both ways: the first has a Dice of 0.7 + minutes / 1000, the second 0.05 less."""
    folder = tmp_path / "out"
    data.experiment().keep(folder)
    for row in days((0, 1), ("bcp", "bcp"), ("cached", "live"), labelled=2, until=20.0):
        marks = []
        for minute in row.marks():
            dice = 0.7 + minute / 1000 + 0.01 * row.seed - (0.05 if row.way == AFTER else 0)
            labels = sum(row.submitted(number) < minute for number in (1, 2))
            values = {"minutes": minute, "labels": labels, "publishes": "published", "published": minute}
            described = {**row.to_dict(), "name": row.name, "settings": row.settings}
            marks.append({**outcome(row, dice, **values), "row": described})
        write_json(folder / "outcomes" / f"{row.key}.json", {"row": row.to_dict(), "marks": marks, "whole": True})
    return folder


def cells(table, number):
    return [cell.strip() for cell in table.splitlines()[2 + number].strip("|").split("|")]


def test_by_the_clock_both_ways_are_compared_at_the_same_minute(out):
    table = clock_table(read_outcomes(out))
    assert cells(table, 0) == ["10", "0.715 ± 0.007", "1", "0.710", "0.665 ± 0.007", "1", "0.660", "+0.050 ± 0.000"]
    assert len(table.splitlines()) == 2 + 3


def test_by_labels_each_way_is_taken_at_its_own_minute(out):
    """The second label is submitted at minute 10 of the first way, and at 15 of the second."""
    table = labels_table(read_outcomes(out))
    assert cells(table, 0)[0:2] == ["2", "0.715 ± 0.007"]
    assert cells(table, 0)[4] == "0.670 ± 0.007"
    assert cells(table, 0)[-1] == "+0.045 ± 0.000"


def test_tables_csv_files_and_a_picture_are_written(out):
    text = write_report(out)
    assert (out / "report.md").read_text() == text + "\n"
    assert {"runs.csv", "cases.csv", "day.png"} <= {file.name for file in out.iterdir()}
    assert "By the clock:" in text
    assert len((out / "runs.csv").read_text().splitlines()) == 1 + 4 * 3


def test_minutes_of_labels():
    on, waits = Day(WHILE, "bcp", "cached", 0), Day(AFTER, "bcp", "live", 0)
    assert [on.submitted(number) for number in (1, 2, 8)] == [5, 10, 40]
    assert [waits.submitted(number) for number in (1, 2, 8)] == [5, 15, 75]
    assert on.marks() == waits.marks() == [5.0 * number for number in range(2, 17)]
    assert on.key != waits.key


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--methods", "magic", "bcp"], "--methods magic with --teachers cached: there is"),
        (["--methods", "supervised", "bcp"], "--methods supervised with --teachers cached"),
        (["--labels", "9"], "There are 4 development cases, too few to label 9"),
    ],
)
def test_what_cannot_work_is_refused(data, tmp_path, arguments, sentence):
    fixed = ["day", "--data", str(data.folder), "--output", str(tmp_path / "out"), "--device", "cpu"]
    with pytest.raises(UnusableData, match=sentence):
        day(experiment.parse([*fixed, *arguments]), lambda text: None)
