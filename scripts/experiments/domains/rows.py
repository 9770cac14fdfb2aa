"""Which runs the tasks are made of, and the file in which each has a line as soon as it has ended."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.comparison.cases import UnusableData
from experiments.comparison.outcomes import as_text
from fewlabel.methods import METHODS
from fewlabel.workspace import replace_file

FILE = "runs.csv"
SOURCE_ONLY, CEILING = "source-only", "target-supervised"
LEAST_GAP = 0.02  # Dice between the two; a task with less says nothing about methods
_LABELS_ONLY = "supervised"
_SAME = ("seconds", "steps_given", "network", "threads")  # of all runs that a table compares


@dataclass(frozen=True)
class Row:
    """One run of a task.

    Attributes:
        name: as the table calls it.
        method: of ``fewlabel.methods.METHODS``.
        seed: of the crops and of the networks' start.
        on_target: whether it learns from the labels of the target, and from nothing else.
        settings: keyword arguments of the method.
    """

    name: str
    method: str
    seed: int
    on_target: bool = False
    settings: dict[str, Any] = field(default_factory=dict, hash=False)


def references(seed: int) -> list[Row]:
    """Labels of the sources alone, and labels of the target alone: between them lies what there is to gain."""
    return [Row(SOURCE_ONLY, _LABELS_ONLY, seed), Row(CEILING, _LABELS_ONLY, seed, on_target=True)]


def rows_of(methods: Sequence[str], seed: int) -> list[Row]:
    """A row for each method."""
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise UnusableData(f"--methods {unknown[0]}: there is {', '.join(METHODS)}.")
    return [Row(name, name, seed) for name in methods]


class Lines:
    """The lines of the CSV file of a folder.

    Args:
        folder: of the results.
        same: what all runs have in common; see ``_SAME``.

    Raises:
        UnusableData: the folder holds runs that were made with other settings.
    """

    def __init__(self, folder: Path, same: dict[str, Any]) -> None:
        self.file, self.same = folder / FILE, {name: str(same[name]) for name in _SAME}
        self.lines = read_lines(self.file)
        for line in self.lines:
            other = [f"--{name} {line[name]}, not {self.same[name]}" for name in _SAME if line[name] != self.same[name]]
            if other:
                raise UnusableData(
                    f"{self.file} holds runs of {', '.join(other)}. Give the same to go on, or another --output."
                )

    def find(self, task: str, name: str, seed: int) -> dict[str, str] | None:
        """The line of a run; None where it was not run."""
        wanted = task, name, str(seed)
        return next((line for line in self.lines if (line["task"], line["name"], line["seed"]) == wanted), None)

    def add(self, task: str, row: Row, outcome: dict[str, Any]) -> None:
        """Write the line of a run that has ended."""
        line = {"task": task, "name": row.name, "method": row.method, "seed": row.seed, **self.same, **outcome}
        self.lines.append({key: str(as_text(value)) for key, value in line.items()})
        text = io.StringIO()
        writer = csv.DictWriter(text, self.lines[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.lines)
        replace_file(self.file, lambda path: path.write_text(text.getvalue(), encoding="utf-8"))

    def gap(self, task: str) -> float | None:
        """Mean Dice between the two references over the seeds that have both; None where there is none yet."""
        pairs = [[self.find(task, name, int(seed)) for name in (CEILING, SOURCE_ONLY)] for seed in self.seeds(task)]
        gaps = [float(pair[0]["dice"]) - float(pair[1]["dice"]) for pair in pairs if pair[0] and pair[1]]
        return sum(gaps) / len(gaps) if gaps else None

    def seeds(self, task: str) -> list[str]:
        """Of the runs of a task."""
        return sorted({line["seed"] for line in self.lines if line["task"] == task}, key=int)


def read_lines(file: Path) -> list[dict[str, str]]:
    """The lines of a file; [] where there is none."""
    if not file.exists():
        return []
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


def tasks_of(lines: Iterable[dict[str, str]]) -> list[str]:
    """Names of the tasks that have a line, in their order."""
    return list(dict.fromkeys(line["task"] for line in lines))
