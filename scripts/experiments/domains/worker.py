"""One run of a task, in a process of its own: the worker of a comparison with the loaders of the setting."""

from __future__ import annotations

import shutil
from pathlib import Path

from experiments.comparison.worker import begin, measured, ours
from experiments.domains.task import Task
from fewlabel.workspace import write_json


def work(folder: Path, key: str) -> None:
    """Run the row that ``folder/rows/KEY.json`` describes; the outcome goes to ``folder/outcomes/KEY.json``."""
    row, experiment, state, file, seconds = begin(folder, key)
    task, plan = Task.read(folder), experiment.plan
    cases = task.cases_of(row.name)
    outcome, predict = ours(row, experiment, cases, plan, state, seconds, sampling=task.sampling_of(row.name))
    outcome |= {"unlabelled": len(cases.unlabelled or ()), "cases": list(measured(cases, plan, predict))}
    write_json(file, {"row": row.to_dict(), **outcome})
    shutil.rmtree(state)
