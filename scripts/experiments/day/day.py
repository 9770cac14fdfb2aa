"""The command ``experiment.py day``: from its options to played days, tables and a picture."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from experiments.comparison.cases import UnusableData
from experiments.comparison.compare import carry_out, make_experiment
from experiments.comparison.experiment import Experiment
from experiments.comparison.outcomes import read_outcomes, write_csv
from experiments.day.report import clock_table, draw_days, labels_table
from experiments.day.rows import AFTER, WHILE, days
from experiments.day.rules import read_looks, rules_table
from experiments.speed.table import machine
from fewlabel.methods import METHODS
from fewlabel.wording import amount


def day(options: argparse.Namespace, say: Callable[[str], None]) -> str:
    """Play the days that are missing; write ``runs.csv``, ``cases.csv`` and ``day.png``; give the tables.

    Raises:
        UnusableData: the options or the data cannot work; the message says why.
        RuntimeError: a day failed; the others are kept.
    """
    for method, teacher in zip(options.methods, options.teachers, strict=True):
        if method not in METHODS or (teacher == "cached" and not METHODS[method].takes_cached):
            raise UnusableData(f"--methods {method} with --teachers {teacher}: there is {', '.join(METHODS)}.")
    options.core_minutes = options.until
    experiment = make_experiment(options)
    experiment.cases().draw(options.labels, 0)
    more = {name: getattr(options, name) for name in ("draw", "train", "until", "every", "rules")}
    rows = days(options.seeds, tuple(options.methods), tuple(options.teachers), labelled=options.labels, **more)
    chosen = [row for row in rows if {WHILE: "while", AFTER: "after"}[row.way] in options.ways]
    return carry_out(experiment, chosen, options, say, "played", write_report)


def write_report(folder: Path) -> str:
    """Tables of all days in a folder; the CSV files and the picture are written beside them."""
    experiment, outcomes = Experiment.read(folder), read_outcomes(folder)
    if not outcomes:
        return "There are no outcomes yet."
    write_csv(folder, outcomes)
    draw_days(outcomes, folder / "day.png")
    row, cases = outcomes[0]["row"], experiment.cases()
    measured = "development cases held out for tuning" if experiment.tuning else "test cases"
    ways = ", ".join(sorted({f"*{outcome['row']['name']}*" for outcome in outcomes}))
    heading = (
        f"{Path(experiment.data).name}: {len(cases.test)} {measured}; {amount(row['labelled'], 'label')} of "
        f"{amount(row['draw'], 'minute')} each, trainings that are waited for of {row['train']:g} core-minutes; "
        f"{ways}; `{experiment.plan.network}`; the published model; mean Dice ± sd over seeds. {machine()}."
    )
    parts = [heading, "By the clock:", clock_table(outcomes), "When each label is submitted:", labels_table(outcomes)]
    looks = read_looks(folder)
    if looks:
        parts += ["Without validation, mean over the looks with so many labels of what each rule publishes:"]
        parts.append(rules_table(looks))
    text = "\n\n".join(parts)
    (folder / "report.md").write_text(text + "\n", encoding="utf-8")
    return text
