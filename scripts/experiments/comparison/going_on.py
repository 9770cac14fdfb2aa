"""One row of a comparison as a training that goes on."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

from experiments.comparison import worker
from experiments.comparison.anytime import Anytime, AnytimeTrainer, Kept, MarkProgress
from experiments.comparison.experiment import Experiment
from experiments.comparison.passes import Passes
from experiments.comparison.times import CoreTime, StepTime
from experiments.comparison.worker import begin, label_map, measured, method_of_row, records_of, size
from fewlabel.data.loaders import PairedLoader
from fewlabel.predictions.store import PredictionStore
from fewlabel.training.budget import TrainerConfig
from fewlabel.training.clock import Clock
from fewlabel.workspace import read_json, write_json


def work(folder: Path, key: str) -> None:
    """Run a row whichever way its comparison trains: to a planned end (see worker.py), or on and on."""
    if Experiment.read(folder).marks:
        go_on(folder, key)
    else:
        worker.work(folder, key)


def go_on(folder: Path, key: str) -> None:
    """A training that goes on; each mark is written to ``folder/outcomes/KEY.json`` as soon as it was measured."""
    row, experiment, state, file, _ = begin(folder, key)
    cases = experiment.cases()
    device, plan = experiment.device, experiment.plan
    method = method_of_row(row, experiment, cases, state)
    drawn = cases.draw(row.labelled, row.seed)
    known, pool = records_of(method, cases, drawn)
    marks = read_json(file, {}).get("marks", [])
    now = StepTime() if experiment.steps else CoreTime()
    store = PredictionStore(state / "predictions", plan) if pool and "pseudo_label" in method.needs else None
    passes = Passes(store, plan, pool, device, now) if store else None

    def measure(kind: str, minutes: float, kept: Kept) -> None:
        same = [mark for mark in marks if (mark["publishes"], mark["steps"]) == (kind, kept.step)]
        found = same[-1]["cases"] if same else measured(cases, plan, partial(label_map, kept.network, experiment))
        name = row.name if len(experiment.publishes) == 1 else f"{row.name} {kind}"
        outcome = {"row": {**row.to_dict(), "name": name}, "labelled_cases": drawn[0], "cases": list(found)}
        outcome |= {"minutes": minutes, "publishes": kind, "published": kept.seconds / 60, "seconds": kept.seconds}
        outcome |= {"steps": kept.step, "seconds_per_step": kept.seconds / max(1, kept.step)}
        marks.append(
            {**outcome, "notes": trainer.progress.snapshot()["notes"], **size(method, method.deployed, device)}
        )
        whole = len(marks) == len(experiment.marks) * len(experiment.publishes)
        write_json(file, {"row": row.to_dict(), "marks": marks, "whole": whole})

    done = [(mark["publishes"], mark["minutes"]) for mark in marks]
    anytime = Anytime(experiment.publishes, experiment.marks, now, passes, measure, done, experiment.fresh)
    make_loader = partial(PairedLoader, known, pool, plan, views=method.needs, predictions=store)
    progress = MarkProgress(state / "progress.json", anytime.share)
    identity = {"row": row.to_dict(), "labelled": drawn[0]}
    config = TrainerConfig(device, experiment.learning_rate, state / "checkpoint.pt", identity)
    trainer = AnytimeTrainer(anytime, method, make_loader(seed=row.seed), Clock(), progress, config)
    progress.note(trainer.resume())
    if trainer.step:  # other crops than before, not the first ones again
        trainer.use(make_loader(seed=row.seed + trainer.step), identity)
    trainer.run()
    shutil.rmtree(state)
