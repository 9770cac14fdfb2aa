"""The command ``experiment.py rounds``: from its options to runs, a table and a picture."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.comparison.cases import UnusableData
from experiments.comparison.compare import carry_out, make_experiment
from experiments.comparison.experiment import Experiment
from experiments.rounds.continuous import go_on
from experiments.rounds.gains import GoingOn, all_table, rare_table, read_runs
from experiments.rounds.kinds import read_kinds
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
    if options.seconds:
        options.steps = 0
    experiment = make_experiment(options)
    _check(options, experiment)
    more = {}
    if options.seconds:
        measured = tuple(options.measured or options.sizes)
        more = {"seconds": options.seconds, "measured": measured, "teacher": options.teacher}
    runs = annotations(options.strategies, options.methods, options.seeds, tuple(options.sizes), **more)
    return carry_out(experiment, runs, options, say, "annotation", write_report)


def play(folder: Path, key: str) -> None:
    """One run, in a process of its own: what ``folder/rows/KEY.json`` describes, to ``folder/outcomes/KEY.json``."""
    row = Annotation.of(json.loads((folder / "rows" / f"{key}.json").read_text(encoding="utf-8"))["row"])
    experiment = Experiment.read(folder)
    experiment.prepare_process()
    state = folder / "running" / key
    state.mkdir(parents=True, exist_ok=True)
    file = folder / "outcomes" / f"{key}.json"
    write_json(file, go_on(row, experiment, state, file) if row.seconds else annotate(row, experiment, state))
    shutil.rmtree(state)


def write_report(folder: Path) -> str:
    """The table of all outcomes in a folder; the CSV file and the picture are written beside them."""
    experiment, curves = Experiment.read(folder), read_curves(folder)
    if not curves:
        return "There are no outcomes yet."
    write_rounds_csv(folder)
    draw_rounds(curves, folder / "rounds.png")
    runs = read_runs(folder)
    parts = [_heading(experiment, runs)]
    if runs:
        parts += [all_table(runs), rare_table(runs, read_kinds(Path(experiment.data)))]
    else:
        parts.append(rounds_table(curves, "supervised, random"))
    text = "\n\n".join(part for part in parts if part)
    (folder / "report.md").write_text(text + "\n", encoding="utf-8")
    return text


def _heading(experiment: Experiment, runs: Sequence[GoingOn]) -> str:
    """What was measured, in words."""
    cases, plan = experiment.cases(), experiment.plan
    measured = "development cases held out for tuning" if experiment.tuning else "test cases"
    if runs:
        each = (
            f"rounds of {amount(runs[0].row.seconds, 'core-second')} in one training that goes on, the published model"
        )
    else:
        each = f"{amount(experiment.steps, 'step')} a round, each begun with the weights of the last"
    return (
        f"{Path(experiment.data).name}: {len(cases.test)} {measured}; {each}; `{plan.network}`, crops "
        f"{'×'.join(map(str, plan.patch))}, batch {plan.batch} labelled + {plan.batch} unlabelled; mean ± sd over "
        f"seeds. {machine()}."
    )


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
    strange = sorted(set(options.measured or ()) - set(options.sizes))
    if strange:
        raise UnusableData(f"--measured {strange[0]}: it is none of --sizes {' '.join(map(str, options.sizes))}.")
    takes = [name for name in options.methods if METHODS[name].takes_cached]
    if options.teacher == "cached" and len(takes) < len(options.methods):
        raise UnusableData(f"--teacher cached: of these methods it is for {', '.join(takes) or 'none'}.")
