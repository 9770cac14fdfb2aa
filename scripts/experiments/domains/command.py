"""The command ``experiment.py domains``: run what has no outcome yet, give the tables."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.comparison.cases import UnusableData
from experiments.comparison.compare import carry_out, check, check_names, parse_trial
from experiments.comparison.experiment import Experiment
from experiments.comparison.outcomes import read_outcomes, write_csv
from experiments.comparison.rows import FLOOR, Row, comparison
from experiments.domains.report import LEAST_GAP, gap_of, report
from experiments.domains.task import SOURCE_ONLY, TARGET_SUPERVISED, Task
from experiments.domains.tasks import make_tasks
from fewlabel.devices import choose_device
from fewlabel.plan import Plan
from fewlabel.settings import Settings
from fewlabel.workspace import read_json, write_json

_DAY = 24 * 60.0  # minutes


def domains(options: argparse.Namespace, say: Callable[[str], None]) -> str:
    """Run the references of all tasks, then the methods on those whose references differ enough; give the tables.

    Raises:
        UnusableData: the options or the data cannot work; the message says why.
        RuntimeError: runs failed; the others are kept.
    """
    check(options)
    tried = [parse_trial(words) for words in options.attempt]
    methods = comparison(options.methods, [None], options.seeds, tried=tried, references=False)
    check_names([*references(options.seeds), *methods])
    tasks, skipped = make_tasks(options.tasks, options.output / "data", options.data)
    for sentence in skipped:
        say(sentence)
    if not tasks:
        raise UnusableData("\n".join(skipped))
    failed: list[str] = []
    for number, task in enumerate(tasks):
        _take_over(task, tasks[:number], options)
        failed += _run(task, references(options.seeds), options, say)
    for task in tasks:
        gap = gap_of(read_outcomes(options.output / task.name))
        if gap is None or gap >= LEAST_GAP:
            failed += _run(task, methods, options, say)
    if failed:
        raise RuntimeError("\n".join(failed))
    text = "\n\n".join([report(options.output, tasks), *skipped])
    (options.output / "report.md").write_text(text + "\n", encoding="utf-8")
    return text


def references(seeds: Sequence[int]) -> list[Row]:
    """Labels of the sources alone, and labels of the target alone: between them lies what there is to gain."""
    return [Row(name, FLOOR, None, seed) for seed in seeds for name in (SOURCE_ONLY, TARGET_SUPERVISED)]


def experiment_of(task: Task, options: argparse.Namespace) -> Experiment:
    """What all runs of a task share: core-minutes, or steps, and one plan."""
    reasons = ("the same for all tasks of these data",)
    plan = Plan(task.spacing, task.patch, "meanstd", None, options.network, 2, task.cases.classes, reasons)
    steps = options.steps or 0
    return Experiment(
        data=task.title,
        split="",
        tuning=False,
        steps=steps,
        minutes=_DAY if steps else options.minutes,
        device=choose_device(options.device),
        threads=options.threads,
        learning_rate=Settings().learning_rate,
        plan=plan,
        remarks=task.remarks,
        of_core=not steps,
    )


def _run(task: Task, rows: Sequence[Row], options: argparse.Namespace, say: Callable[[str], None]) -> list[str]:
    """Run what is missing of these rows in the task's folder; what went wrong."""
    folder = options.output / task.name
    task.keep(folder)
    inside = argparse.Namespace(**{**vars(options), "output": folder})
    say(f"{task.title}:")
    try:
        carry_out(experiment_of(task, options), rows, inside, say, "transfer", _write_csv)
    except RuntimeError as trouble:
        return [f"{task.name}: {trouble}"]
    return []


def _write_csv(folder: Path) -> str:
    write_csv(folder, read_outcomes(folder))
    return ""


def _take_over(task: Task, others: Sequence[Task], options: argparse.Namespace) -> None:
    """Copy outcomes of the very same runs of other tasks: two with one target share ``target-supervised``."""
    learned = task.cases_of(TARGET_SUPERVISED)
    same = [other for other in others if other.cases_of(TARGET_SUPERVISED) == learned]
    rows = [row for row in references(options.seeds) if row.name == TARGET_SUPERVISED]
    for other, row in [] if options.report_only else itertools.product(same, rows):
        there, here = (options.output / each.name / "outcomes" / f"{row.key}.json" for each in (other, task))
        if there.exists() and not here.exists():
            write_json(here, read_json(there, {}))
