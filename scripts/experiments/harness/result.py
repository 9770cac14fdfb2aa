"""What one run of the demo found out: plain data from which the report is written, and its arithmetic."""

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass
class Choice:
    """One case that the server asked for: why it did, and what made it hard (generated scans only)."""

    id: str
    reason: str
    score: float | None = None
    hard: str | None = None


@dataclass
class Round:
    """One round of labelling and training.

    Attributes:
        labels: labelled cases so far.
        choices: the cases labelled in this round.
        seconds: wall time of the training, with start-up and scoring.
        training: the server's last progress record.
        dice: case -> class -> Dice in [0, 1], None where a class is neither there nor found.
    """

    labels: int
    choices: list[Choice]
    seconds: float = 0.0
    training: dict = field(default_factory=dict)
    dice: dict[str, dict[str, float | None]] = field(default_factory=dict)


@dataclass
class Comparison:
    """The label maps of server and exported bundle for one case: their files, and how they differ."""

    case: str
    server: str
    bundle: str
    voxels: int
    different: int
    same_grid: bool

    @property
    def equal(self) -> bool:
        return self.same_grid and self.different == 0


@dataclass
class Result:
    """A whole run.

    Attributes:
        classes: class names in order.
        cases: number of images.
        facts: name -> text for the report: machine, seeds, command, times.
        folders: where "images", "truth" and "predictions" lie.
    """

    classes: list[str]
    cases: int
    rounds: list[Round] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)

    def evaluated(self) -> list[str]:
        """Cases measured after every round, so never labelled."""
        measured = [set(done.dice) for done in self.rounds]
        return sorted(set.intersection(*measured)) if measured else []

    def save(self, path: Path) -> None:
        """Write as JSON."""
        path.write_text(json.dumps(dataclasses.asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Result":
        """Read what `save` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        rounds = [
            Round(**{**done, "choices": [Choice(**choice) for choice in done["choices"]]}) for done in values["rounds"]
        ]
        comparisons = [Comparison(**each) for each in values["comparisons"]]
        return cls(**{**values, "rounds": rounds, "comparisons": comparisons})


def dice(predicted: np.ndarray, truth: np.ndarray) -> float | None:
    """Dice overlap of two boolean maps; None where both are empty, 0 where only one is."""
    size = int(predicted.sum()) + int(truth.sum())
    if size == 0:
        return None
    return 2 * int((predicted & truth).sum()) / size


def mean(values: list[float | None]) -> float:
    """Mean of the values that are there, NaN if none is."""
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else math.nan


def class_means(done: Round, cases: list[str], classes: list[str]) -> dict[str, float]:
    """Mean Dice of each class over `cases` after one round; NaN where no case has the class."""
    return {name: mean([done.dice[case][name] for case in cases]) for name in classes}


def round_mean(done: Round, cases: list[str], classes: list[str]) -> float:
    """Mean over the classes of the mean over the cases."""
    means = class_means(done, cases, classes).values()
    return mean([value for value in means if math.isfinite(value)])


def table(result: Result) -> list[list[str]]:
    """Header and one row a round, as text; Dice on the cases that were never labelled."""
    cases = result.evaluated()
    rows = [["labels", *result.classes, "mean", "worst case", "unlabelled", "training"]]
    for done in result.rounds:
        means = class_means(done, cases, result.classes)
        worst = [mean(list(done.dice[case].values())) for case in cases]
        worst = [value for value in worst if math.isfinite(value)]
        rows.append(
            [
                str(done.labels),
                *(number(means[name]) for name in result.classes),
                number(round_mean(done, cases, result.classes)),
                number(min(worst, default=math.nan)),
                str(done.training.get("unlabelled", "-")),
                f"{done.seconds:.0f} s",
            ]
        )
    return rows


def number(value: float) -> str:
    """Three decimals, "-" for no number."""
    return f"{value:.3f}" if math.isfinite(value) else "-"


def print_table(rows: list[list[str]]) -> str:
    """Rows as aligned text."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
