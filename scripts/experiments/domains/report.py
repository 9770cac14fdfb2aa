"""The runs of the tasks as Markdown tables."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from experiments.comparison.table import row as table_row
from experiments.comparison.table import spread
from experiments.domains.rows import CEILING, LEAST_GAP, SOURCE_ONLY, Lines, tasks_of
from experiments.domains.tasks import Task

_HEAD = ("method", "Dice", "share of the gap", "worst case", "95HD, mm", "empty", "steps")
ONE_SEED = "†"


def report(tasks: Sequence[Task], lines: Lines) -> str:
    """A table for each task that has runs, in the order of the tasks."""
    titles = {task.name: task.title for task in tasks}
    named = [name for name in titles if name in tasks_of(lines.lines)]
    return "\n\n".join(_of_task(name, titles[name], lines) for name in named) or "There are no runs yet."


def _of_task(name: str, title: str, lines: Lines) -> str:
    of_task = [line for line in lines.lines if line["task"] == name]
    gap, one = lines.gap(name), of_task[0]
    said = f"**{title}** (`{name}`; {one['test']} test scans)"
    if gap is not None and gap < LEAST_GAP:
        said += f". The references differ by {gap:.3f}, less than {LEAST_GAP}: no method was run."
    methods = sorted(dict.fromkeys(line["name"] for line in of_task), key=_place)
    body = [_line(method, [line for line in of_task if line["name"] == method], name, lines) for method in methods]
    rule = "|" + "---|" * (len(_HEAD) + 1)
    return "\n".join([said, "", table_row([*_HEAD[:1], "labelled + unlabelled", *_HEAD[1:]]), rule, *body])


def _place(name: str) -> tuple[int, str]:
    """The lower reference first, the upper one last."""
    return {SOURCE_ONLY: 0, CEILING: 3}.get(name, 1 if name.startswith(SOURCE_ONLY) else 2), name


def _line(method: str, runs: Sequence[dict[str, str]], task: str, lines: Lines) -> str:
    mark = f" {ONE_SEED}" if len(runs) == 1 else ""
    pool = f"{runs[0]['labelled']} + {runs[0]['unlabelled']}"
    steps = f"{statistics.fmean(float(run['steps']) for run in runs):.0f}"
    empty = str(sum(int(run["empty"]) for run in runs))
    share = _share(method, runs, task, lines)
    worst = f"{min(float(run['worst']) for run in runs):.3f}"
    return table_row(
        [
            f"`{method}`{mark}",
            pool,
            _spread(runs, "dice", 3),
            share,
            worst,
            _spread(runs, "hausdorff95", 1),
            empty,
            steps,
        ]
    )


def _spread(runs: Sequence[dict[str, str]], name: str, digits: int) -> str:
    values = [float(run[name]) for run in runs]
    return spread(statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else math.nan, digits)


def _share(method: str, runs: Sequence[dict[str, str]], task: str, lines: Lines) -> str:
    """Of the gap between the references that the method closes, over the seeds that all three have."""
    if method in (SOURCE_ONLY, CEILING):
        return ""
    trios = [
        (float(run["dice"]), lower, upper)
        for run in runs
        if (lower := _dice(lines, task, SOURCE_ONLY, run)) is not None
        and (upper := _dice(lines, task, CEILING, run)) is not None
    ]
    gap = sum(upper - lower for _, lower, upper in trios)
    return f"{sum(dice - lower for dice, lower, _ in trios) / gap:.0%}" if gap > 0 else ""


def _dice(lines: Lines, task: str, name: str, run: dict[str, str]) -> float | None:
    found = lines.find(task, name, int(run["seed"]))
    return float(found["dice"]) if found else None
