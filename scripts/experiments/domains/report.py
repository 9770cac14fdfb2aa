"""The outcomes of the tasks as Markdown tables."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from experiments.comparison.experiment import Experiment
from experiments.comparison.outcomes import Group, groups, read_outcomes
from experiments.comparison.table import row, spread
from experiments.domains.task import SOURCE_ONLY, TARGET_SUPERVISED, Task
from experiments.speed.table import machine
from fewlabel.wording import amount

LEAST_GAP = 0.02  # Dice between the references; a task with less says nothing about methods
ONE_SEED = "†"
_HEAD = (
    "| method | labelled + unlabelled | Dice | median seed (range) | share of the gap | median scan | worst scan | "
    "95HD, mm | empty | steps | seeds |"
)


def report(output: Path, tasks: Sequence[Task]) -> str:
    """A table for each task that has outcomes."""
    found = [(task, read_outcomes(output / task.name)) for task in tasks]
    found = [(task, outcomes) for task, outcomes in found if outcomes]
    if not found:
        return "There are no outcomes yet."
    remarks = dict.fromkeys(remark for task, _ in found for remark in task.remarks)
    parts = [_of_task(task, outcomes) for task, outcomes in found]
    return "\n\n".join([_heading(Experiment.read(output / found[0][0].name)), *remarks, *parts])


def gap_of(outcomes: Sequence[dict[str, Any]]) -> float | None:
    """Mean Dice between the two references over the seeds that have both; None where there is none yet."""
    named = {group.name: group for group in groups(outcomes)}
    lower, upper = named.get(SOURCE_ONLY), named.get(TARGET_SUPERVISED)
    if lower is None or upper is None or not lower.runs.keys() & upper.runs.keys():
        return None
    return upper.gain(lower)[0]


def _heading(experiment: Experiment) -> str:
    each = amount(experiment.steps, "step") if experiment.steps else amount(experiment.minutes, "core-minute")
    return (
        f"{each} a run, `{experiment.plan.network}`, {amount(experiment.threads, 'thread')}, last weights, measured on "
        f"test scans of the target; mean ± sd over seeds; {ONE_SEED}: one seed. {machine()}."
    )


def _of_task(task: Task, outcomes: Sequence[dict[str, Any]]) -> str:
    gap = gap_of(outcomes)
    crop = "×".join(map(str, task.patch))
    said = f"**{task.title}** (`{task.name}`; {amount(len(task.cases.test), 'test scan')}, crops {crop})"
    if gap is not None and gap < LEAST_GAP:
        said += f". Dropped: the references differ by {gap:.3f}, less than {LEAST_GAP}, so no method was run."
    found = sorted(groups(outcomes), key=_place)
    named = {group.name: group for group in found}
    body = [_line(group, named.get(SOURCE_ONLY), named.get(TARGET_SUPERVISED)) for group in found]
    return "\n".join([said, "", _HEAD, "|" + "---|" * (_HEAD.count("|") - 1), *body])


def _place(group: Group) -> int:
    """The lower reference first, the upper one last."""
    return {SOURCE_ONLY: 0, TARGET_SUPERVISED: 2}.get(group.name, 1)


def _line(group: Group, lower: Group | None, upper: Group | None) -> str:
    runs = list(group.runs.values())
    seeds = [run["dice"] for run in runs]
    scans = [dice for run in runs for dice in _of_scans(run["cases"])]
    mark, reach = (f" {ONE_SEED}", "") if len(runs) == 1 else ("", f" ({min(seeds):.3f} to {max(seeds):.3f})")
    return row(
        [
            f"`{group.name}`{mark}",
            f"{len(runs[0]['labelled_cases'])} + {runs[0]['unlabelled']}",
            spread(*group.spread("dice")),
            f"{statistics.median(seeds):.3f}{reach}",
            _share(group, lower, upper),
            f"{statistics.median(scans):.3f}",
            f"{min(scans):.3f}",
            spread(*group.spread("hausdorff95"), digits=1),
            str(sum(run["empty"] for run in runs)),
            f"{group.spread('steps')[0]:.0f}",
            str(len(runs)),
        ]
    )


def _of_scans(cases: Sequence[dict[str, Any]]) -> list[float]:
    """Mean Dice over the classes of each scan."""
    of_scan: dict[str, list[float]] = {}
    for case in cases:
        if case["dice"] is not None:
            of_scan.setdefault(case["case"], []).append(case["dice"])
    return [statistics.fmean(values) for values in of_scan.values()]


def _share(group: Group, lower: Group | None, upper: Group | None) -> str:
    """Of the gap between the references that the method closes, over the seeds that all three have."""
    if lower is None or upper is None or group in (lower, upper):
        return ""
    seeds = group.runs.keys() & lower.runs.keys() & upper.runs.keys()
    least, most, reached = (sum(each.runs[seed]["dice"] for seed in seeds) for each in (lower, upper, group))
    return f"{(reached - least) / (most - least):.0%}" if most > least else ""
