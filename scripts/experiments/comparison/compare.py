"""The command ``experiment.py compare``: from its options to runs, tables and pictures."""

from __future__ import annotations

import argparse
import ast
import os
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.comparison.by_mark import draw_marks, marks_table
from experiments.comparison.cases import UnusableData, draw_split, read_cases
from experiments.comparison.experiment import Experiment, make_experiment_plan
from experiments.comparison.outcomes import ablation, groups, read_outcomes, write_csv
from experiments.comparison.plot import draw_ablations, draw_methods
from experiments.comparison.rows import Row, comparison
from experiments.comparison.schedule import Run, Schedule
from experiments.comparison.table import ablation_table, methods_table
from experiments.options import PUBLISHED
from experiments.speed.table import machine
from fewlabel.devices import choose_device
from fewlabel.methods import METHODS
from fewlabel.networks import NETWORKS
from fewlabel.settings import Settings
from fewlabel.wording import amount


def compare(options: argparse.Namespace, say: Callable[[str], None]) -> str:
    """Run what is missing, write ``runs.csv``, ``cases.csv`` and pictures, give the tables.

    Raises:
        UnusableData: the options or the data cannot work; the message says why.
        RuntimeError: a run failed; the others are kept.
    """
    check(options)
    experiment = make_experiment(options)
    tried = [parse_trial(words) for words in options.attempt]
    asked = options.methods, options.labelled, options.seeds, options.ablations, tried
    rows = comparison(
        *asked, references=not options.no_references, radiology=not (options.no_radiology or options.anytime)
    )
    return run(experiment, rows, options, say)


def run(experiment: Experiment, rows: list[Row], options: argparse.Namespace, say: Callable[[str], None]) -> str:
    """Run what is missing of these rows in ``options.output``, give the tables; raises as ``compare`` does."""
    _check_rows(rows, experiment)
    return carry_out(experiment, rows, options, say, "row", write_report)


def carry_out(
    experiment: Experiment,
    runs: Sequence[Run],
    options: argparse.Namespace,
    say: Callable[[str], None],
    command: str,
    write_report: Callable[[Path], str],
) -> str:
    """Run what is missing in ``options.output``, each run by this command of experiment.py; give the report.

    Raises:
        UnusableData: the folder holds outcomes that were made with other settings.
        RuntimeError: a run failed; the others are kept.
    """
    folder = options.output
    folder.mkdir(parents=True, exist_ok=True)
    experiment.keep(folder)
    schedule = Schedule(folder, runs, options.jobs, experiment.minutes * 60, say, command)
    if not options.report_only:
        schedule.run()
    report = write_report(folder)
    if schedule.failed:
        raise RuntimeError("\n".join(schedule.failed.values()))
    return report


def write_report(folder: Path) -> str:
    """Tables of all outcomes in a folder; CSV files and pictures are written beside them."""
    experiment, outcomes = Experiment.read(folder), read_outcomes(folder)
    if not outcomes:
        return "There are no outcomes yet."
    write_csv(folder, outcomes)
    if experiment.marks:
        draw_marks(outcomes, folder / "anytime.png")
        return _kept(folder, [_heading(experiment, outcomes), marks_table(outcomes)])
    found = groups(outcomes)
    ablated = [part for part in dict.fromkeys(group.part for group in found) if ablation(found, part)]
    draw_methods(found, folder / "methods.png")
    parts = [_heading(experiment, outcomes), methods_table(found)]
    for method in ablated:
        draw_ablations(found, method, folder / f"{method}.png")
        count = ablation(found, method)[0].labelled
        parts += [f"Ablation of `{method}`, {count} labelled cases:", ablation_table(found, method)]
    return _kept(folder, parts)


def _kept(folder: Path, parts: list[str]) -> str:
    text = "\n\n".join(parts)
    (folder / "report.md").write_text(text + "\n", encoding="utf-8")
    return text


def _heading(experiment: Experiment, outcomes: list[dict[str, Any]]) -> str:
    plan, cases = experiment.plan, experiment.cases()
    seeds = sorted({outcome["row"]["seed"] for outcome in outcomes})
    unit = "core-minute" if experiment.of_core else "minute"
    budget = amount(experiment.steps, "step") if experiment.steps else amount(experiment.minutes, unit)
    weights = "what is published, of a training that goes on" if experiment.marks else "last weights"
    measured = "development cases held out for tuning" if experiment.tuning else "test cases"
    return (
        f"{Path(experiment.data).name}: {len(cases.test)} {measured}, classes {', '.join(cases.classes)}; {budget} of "
        f"`{plan.network}`, crops {'×'.join(map(str, plan.patch))}, batch {plan.batch} labelled + {plan.batch} "
        f"unlabelled, {weights}; seeds {', '.join(map(str, seeds))}; mean ± sd over seeds. {machine()}."
    ) + "".join(f" {remark}" for remark in experiment.remarks)


def make_experiment(options: argparse.Namespace) -> Experiment:
    """What the options say, with a plan made from the development images."""
    split = options.split or options.data / "splits.json"
    if options.draw_split and not split.exists():
        draw_split(options.data, split)
    cases = read_cases(options.data, split)
    device = choose_device(options.device)
    marks = tuple(sorted(set(getattr(options, "anytime", ()))))
    minutes = max(marks, default=0) or options.core_minutes or options.minutes
    settings = Settings(network=options.network, patch=options.patch, batch=options.batch)
    return Experiment(
        data=str(options.data.resolve()),
        split=str(split.resolve()),
        tuning=options.tuning,
        steps=0 if minutes else options.steps,
        minutes=minutes or 24 * 60.0,
        of_core=bool(marks or options.core_minutes),
        device=device,
        threads=threads_of(options),
        learning_rate=settings.learning_rate,
        plan=make_experiment_plan(cases, settings, device),
        marks=marks,
        fresh=bool(marks) and options.fresh,
        publishes=tuple(name for name in PUBLISHED if marks and name in options.publishes),
    )


def threads_of(options: argparse.Namespace) -> int:
    """Of each run on a CPU."""
    return options.threads or max(1, (os.cpu_count() or 1) // options.jobs)


def parse_trial(words: list[str]) -> tuple[str, str, dict[str, Any]]:
    """``NAME METHOD key=value ...`` to (name, method, settings); values are Python's: 0.5, True, (0.3, 0.7)."""
    if len(words) < 2 or words[1] not in METHODS:
        raise UnusableData(
            f"--try {' '.join(words)}: give a name, a method ({', '.join(METHODS)}) and key=value pairs."
        )
    settings = {}
    for pair in words[2:]:
        key, equals, value = pair.partition("=")
        try:
            settings[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            equals = ""
        if not equals:
            raise UnusableData(f"--try {words[0]}: {pair} is not of the form key=value, such as threshold=0.9.")
    return words[0], words[1], settings


def _check_rows(rows: Sequence[Row], experiment: Experiment) -> None:
    check_names(rows)
    cases = experiment.cases()
    for row in rows:
        cases.draw(row.labelled, row.seed)


def check_names(rows: Sequence[Row]) -> None:
    """Refuse two runs of one name, whose files would be the same."""
    key, times = Counter(row.key for row in rows).most_common(1)[0] if rows else ("", 1)
    if times > 1:
        raise UnusableData(f"{times} runs are called {key}: give each --try a name of its own, and no number twice.")


def check(options: argparse.Namespace) -> None:
    """Refuse in words names that there are not."""
    for what, given, known in (
        ("--methods", options.methods, METHODS),
        ("--ablations", options.ablations, [name for name, method in METHODS.items() if method.switches]),
        ("--network", [options.network] if options.network else [], NETWORKS),
    ):
        wrong = [name for name in given if name not in known]
        if wrong:
            raise UnusableData(f"{what} {wrong[0]}: there is {', '.join(known)}.")
