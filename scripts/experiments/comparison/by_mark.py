"""Trainings that go on, as a table and a picture: what they are worth after how many minutes."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.comparison.outcomes import Group, groups
from experiments.comparison.table import row, spread
from experiments.harness.picture import lines_over

_HEAD = (
    "| labelled | method | minutes | Dice | median seed | median case | worst case | 95HD, mm | steps | "
    "published after, minutes | seeds |"
)


def marks_table(outcomes: Sequence[dict[str, Any]]) -> str:
    """A line for each method and mark: mean Dice ± sd over seeds, the median seed, the median and the worst case."""
    lines = [_HEAD, "|" + "---|" * (_HEAD.count("|") - 1)]
    for _, of_name in sorted(_by_name(outcomes).items(), key=lambda item: (item[0][0] is None, item[0][0] or 0)):
        lines += [_line(minutes, group) for minutes, group in of_name]
    return "\n".join(lines)


def draw_marks(outcomes: Sequence[dict[str, Any]], file: Path) -> None:
    """Mean Dice of each method over the minutes, each seed as a dot."""
    with lines_over(file, "minutes of training", "mean Dice") as axis:
        for (_, name), of_name in _by_name(outcomes).items():
            minutes = [each for each, _ in of_name]
            (line,) = axis.plot(minutes, [group.spread("dice")[0] for _, group in of_name], marker="o", label=name)
            for each, group in of_name:
                dots = [run["dice"] for run in group.runs.values()]
                axis.plot([each] * len(dots), dots, ".", color=line.get_color(), markersize=4)


def _by_name(outcomes: Sequence[dict[str, Any]]) -> dict[tuple[int | None, str], list[tuple[float, Group]]]:
    """Of each number of labels and name, the groups of its marks, earliest first."""
    found: dict[tuple[int | None, str], list[tuple[float, Group]]] = {}
    for minutes in sorted({outcome["minutes"] for outcome in outcomes}):
        for group in groups([outcome for outcome in outcomes if outcome["minutes"] == minutes]):
            found.setdefault((group.labelled, group.name), []).append((minutes, group))
    return found


def _line(minutes: float, group: Group) -> str:
    runs = list(group.runs.values())
    cases = [case["dice"] for run in runs for case in run["cases"] if case["dice"] is not None]
    return row(
        [
            "all" if group.labelled is None else str(group.labelled),
            group.name,
            f"{minutes:g}",
            spread(*group.spread("dice")),
            f"{statistics.median(run['dice'] for run in runs):.3f}",
            f"{statistics.median(cases):.3f}",
            f"{min(cases):.3f}",
            spread(*group.spread("hausdorff95"), digits=2),
            f"{group.spread('steps')[0]:.0f}",
            f"{group.spread('published')[0]:.1f}",
            str(len(runs)),
        ]
    )
