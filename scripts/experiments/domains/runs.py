"""One run: the product's trainer with the loaders of the setting, then the test scans of the target."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from monai.utils import set_determinism

from experiments.comparison.experiment import Experiment
from experiments.comparison.outcomes import means
from experiments.comparison.worker import label_map, make_method_of, make_trainer, measured
from experiments.domains.rows import Row
from experiments.domains.tasks import Task
from fewlabel.data.setting import Sampling
from fewlabel.settings import Settings
from fewlabel.training.budget import NO_LIMIT, Budget
from fewlabel.training.progress import Progress

_DAY = 24 * 60.0  # minutes


def experiment_of(task: Task, seconds: float, steps: int, device: str, threads: int) -> Experiment:
    """What all runs of a task share. Steps end a run where they are not 0, else the seconds of a core do."""
    minutes = _DAY if steps else seconds / 60
    rate = Settings().learning_rate
    return Experiment("", "", False, steps, minutes, device, threads, rate, task.plan, of_core=not steps)


def run(task: Task, row: Row, experiment: Experiment, folder: Path) -> dict[str, Any]:
    """Train and measure with the last weights.

    Args:
        task, row: what is run.
        experiment: see ``experiment_of``.
        folder: for what the training writes; removed afterwards.

    Returns:
        The further columns of its line.
    """
    set_determinism(row.seed)
    drawn = drawn_for(task, row)
    method = make_method_of(row.method, task.plan, experiment.device, **row.settings)
    steps, seconds = experiment.steps or NO_LIMIT, math.inf if experiment.steps else experiment.minutes * 60
    trainer = make_trainer(
        method,
        experiment,
        task.cases,
        drawn,
        row.seed,
        Budget(steps, seconds, of_core=experiment.of_core),
        Progress(folder / "progress.json", seconds, 0.0),
        folder / "checkpoint.pt",
        {"task": task.name, "row": row.name, "labelled": list(drawn[0])},
        sampling=Sampling() if row.on_target else task.sampling,
    )
    try:
        trainer.run()
        spent = trainer.budget.elapsed()
        predict = partial(label_map, trainer.method.deployed.eval(), experiment)
        cases = list(measured(task.cases, task.plan, predict))
        return {**counts(drawn), **outcome(cases), "steps": trainer.step, "spent": round(spent, 1)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def drawn_for(task: Task, row: Row) -> tuple[Sequence[str], Sequence[str]]:
    """The cases whose labels are learned from, and those without."""
    return (task.of_target, ()) if row.on_target else (task.labelled, task.unlabelled)


def counts(drawn: tuple[Sequence[str], Sequence[str]]) -> dict[str, int]:
    """How many of each."""
    return {"labelled": len(drawn[0]), "unlabelled": len(drawn[1])}


def outcome(cases: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means over classes and cases, the worst case, and predictions without a class that is there."""
    found = means(cases)
    of_case: dict[str, list[float]] = {}
    for case in cases:
        of_case.setdefault(case["case"], []).append(case["dice"])
    worst = min(sum(values) / len(values) for values in of_case.values())
    means_of = {name: found[name] for name in ("dice", "hausdorff95", "surface_distance")}
    return {**means_of, "worst": worst, "empty": found["empty"], "test": len(of_case)}
