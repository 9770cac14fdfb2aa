"""The command ``experiment.py rounds``: from its options to runs, a table and a picture."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from experiments.comparison.cases import UnusableData
from experiments.comparison.compare import carry_out, make_experiment
from experiments.comparison.experiment import Experiment
from experiments.rounds.report import draw_rounds, read_curves, rounds_table, write_rounds_csv
from experiments.rounds.simulate import Annotation, annotate, annotations
from experiments.speed.table import machine
from fewlabel.methods import METHODS
from fewlabel.selection.table import STRATEGIES
from fewlabel.wording import amount
from fewlabel.workspace import write_json


def rounds(options: argparse.Namespace, say: Callable[[str], None]) -> str:
    """Run what is missing; write ``rounds.csv`` and ``rounds.png``; give the table.

    Raises:
        UnusableData: the options or the data cannot work; the message says why.
        RuntimeError: a run failed; the others are kept.
    """
    experiment = make_experiment(options)
    _check(options, experiment)
    runs = annotations(options.strategies, options.methods, options.seeds, tuple(options.sizes))
    return carry_out(experiment, runs, options, say, "annotation", write_report)


def play(folder: Path, key: str) -> None:
    """One run, in a process of its own: what ``folder/rows/KEY.json`` describes, to ``folder/outcomes/KEY.json``."""
    given = json.loads((folder / "rows" / f"{key}.json").read_text(encoding="utf-8"))["row"]
    row = Annotation(**{**given, "sizes": tuple(given["sizes"])})
    experiment = Experiment.read(folder)
    experiment.prepare_process()
    state = folder / "running" / key
    state.mkdir(parents=True, exist_ok=True)
    write_json(folder / "outcomes" / f"{key}.json", annotate(row, experiment, state))
    shutil.rmtree(state)


def write_report(folder: Path) -> str:
    """The table of all outcomes in a folder; the CSV file and the picture are written beside them."""
    experiment, curves = Experiment.read(folder), read_curves(folder)
    if not curves:
        return "There are no outcomes yet."
    write_rounds_csv(folder)
    draw_rounds(curves, folder / "rounds.png")
    cases, plan = experiment.cases(), experiment.plan
    measured = "development cases held out for tuning" if experiment.tuning else "test cases"
    heading = (
        f"{Path(experiment.data).name}: {len(cases.test)} {measured}; {amount(experiment.steps, 'step')} of "
        f"`{plan.network}` a round, each begun with the weights of the last, crops {'×'.join(map(str, plan.patch))}, "
        f"batch {plan.batch} labelled + {plan.batch} unlabelled; mean ± sd over seeds. {machine()}."
    )
    text = f"{heading}\n\n{rounds_table(curves, 'supervised, random')}"
    (folder / "report.md").write_text(text + "\n", encoding="utf-8")
    return text


def _check(options: argparse.Namespace, experiment: Experiment) -> None:
    for what, given, known in (
        ("--strategies", options.strategies, STRATEGIES),
        ("--methods", options.methods, METHODS),
    ):
        wrong = [name for name in given if name not in known]
        if wrong:
            raise UnusableData(f"{what} {wrong[0]}: there is {', '.join(known)}.")
    if list(options.sizes) != sorted(set(options.sizes)):
        raise UnusableData(f"--sizes {' '.join(map(str, options.sizes))}: each round must have more labels.")
    most = len(experiment.cases().development)
    if max(options.sizes) > most:
        raise UnusableData(f"There are {most} development cases, too few to label {max(options.sizes)}.")
