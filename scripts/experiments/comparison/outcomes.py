"""Outcomes of the runs: from one JSON file each to CSV files and to means over seeds."""

from __future__ import annotations

import csv
import io
import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.comparison.measures import MEASURES
from fewlabel.workspace import replace_file

_COSTS = ("steps", "seconds_per_step", "seconds", "peak_memory", "parameters_trained", "parameters_deployed")
_ROW = ("name", "method", "part", "labelled", "seed")
_MARK = ("minutes", "publishes", "published")  # of a training that goes on: when it was measured, with what, from when


def read_outcomes(folder: Path) -> list[dict[str, Any]]:
    """Every outcome there is, each with the means over its cases and classes, in the order of their files' names."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((folder / "outcomes").glob("*.json"))]
    measured = [outcome for each in found for outcome in each.get("marks", [each])]
    return [{**outcome, **means(outcome["cases"])} for outcome in measured]


def means(cases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Mean of each measure over the classes of each class's mean over cases, each class's Dice, and empty masks.

    Values that cannot be had (NaN, null in a file) are left out of the means; ``empty`` counts predictions without a
    class that the reference has.
    """
    classes = list(dict.fromkeys(row["class"] for row in cases))
    of_class = {name: [row for row in cases if row["class"] == name] for name in classes}
    result: dict[str, Any] = {
        measure: _mean(_mean(row[measure] for row in rows) for rows in of_class.values()) for measure in MEASURES
    }
    result |= {f"dice {name}": _mean(row["dice"] for row in rows) for name, rows in of_class.items()}
    return {**result, "empty": sum(row["empty"] == "prediction" for row in cases)}


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None and not math.isnan(value)]


def _mean(values: Iterable[float | None]) -> float:
    known = _known(values)
    return statistics.fmean(known) if known else math.nan


def _spread(values: Iterable[float]) -> tuple[float, float]:
    known = _known(values)
    return _mean(known), statistics.stdev(known) if len(known) > 1 else math.nan


def write_csv(folder: Path, outcomes: Sequence[dict[str, Any]]) -> None:
    """``runs.csv``, a line for each run, and ``cases.csv``, a line for each class of each case of each run.

    Of a training that goes on there is a line for each time that it was measured.
    """
    if not outcomes:
        return
    marked = [key for key in _MARK if key in outcomes[0]]
    measures = [key for key in outcomes[0] if key in MEASURES or key.startswith("dice ")]
    runs = [
        {
            **{key: outcome["row"][key] for key in _ROW},
            **{key: outcome[key] for key in (*marked, *measures, "empty", *_COSTS)},
            "settings": json.dumps(outcome["row"]["settings"]),
            "labelled_cases": " ".join(outcome["labelled_cases"][:16]),
            "notes": " ".join(outcome["notes"]),
        }
        for outcome in outcomes
    ]
    cases = [
        {**{key: each["row"][key] for key in _ROW}, **{key: each[key] for key in marked}, **case}
        for each in outcomes
        for case in each["cases"]
    ]
    for name, lines in (("runs.csv", runs), ("cases.csv", cases)):
        text = io.StringIO()
        writer = csv.DictWriter(text, lines[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: as_text(value) for key, value in line.items()} for line in lines)
        replace_file(folder / name, lambda path, text=text: path.write_text(text.getvalue(), encoding="utf-8"))


def as_text(value: Any) -> Any:
    """A cell that a spreadsheet takes for text, not for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


@dataclass(frozen=True)
class Group:
    """The runs of one row over all its seeds.

    Attributes:
        name: of the row.
        part: see Row.
        labelled: number of labelled cases; None for all.
        runs: outcome of each seed.
    """

    name: str
    part: str
    labelled: int | None
    runs: dict[int, dict[str, Any]]

    def spread(self, key: str) -> tuple[float, float]:
        """Mean and standard deviation over the seeds (NaN for a single one)."""
        return _spread([run[key] for run in self.runs.values()])

    def gain(self, other: Group, key: str = "dice") -> tuple[float, float]:
        """Mean and standard deviation of the difference to another group, over the seeds that both have."""
        common = [seed for seed in self.runs if seed in other.runs]
        return _spread([self.runs[seed][key] - other.runs[seed][key] for seed in common])


def groups(outcomes: Sequence[dict[str, Any]]) -> list[Group]:
    """Outcomes by name and number of labelled cases."""
    found: dict[tuple[str, int | None], Group] = {}
    for outcome in outcomes:
        row = outcome["row"]
        group = found.setdefault((row["name"], row["labelled"]), Group(row["name"], row["part"], row["labelled"], {}))
        group.runs[row["seed"]] = outcome
    return list(found.values())


def ablation(found: Sequence[Group], method: str) -> tuple[Group, list[Group]] | None:
    """A method and the same without each of its modules, for the smallest number of labelled cases that has both."""
    whole = {group.labelled: group for group in found if group.name == method and group.part == "methods"}
    without = [group for group in found if group.part == method and group.labelled in whole]
    if not without:
        return None
    count = min(group.labelled for group in without)
    return whole[count], [group for group in without if group.labelled == count]
