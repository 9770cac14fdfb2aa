"""One run of a comparison, in a process of its own: train, measure on the test cases, write what came out."""

from __future__ import annotations

import json
import math
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.utils import set_determinism

from experiments.comparison.cases import Cases
from experiments.comparison.experiment import Experiment
from experiments.comparison.measures import measure
from experiments.comparison.pretrain import begun_with, pretrained
from experiments.comparison.radiology import Radiology
from experiments.comparison.rows import RADIOLOGY, Row
from fewlabel.data.loaders import PairedLoader, Record
from fewlabel.inference.predict import segment
from fewlabel.methods import make_method
from fewlabel.methods.base import Method
from fewlabel.networks import find, partner
from fewlabel.plan import Plan
from fewlabel.predictions.store import PredictionStore
from fewlabel.training.budget import Budget, TrainerConfig
from fewlabel.training.progress import Progress
from fewlabel.training.refresh import PoolRefresh
from fewlabel.training.trainer import Trainer
from fewlabel.volumes.reading import read_label
from fewlabel.workspace import read_json, write_json

_FOREVER = 10**9


def work(folder: Path, key: str) -> None:
    """Run the row that ``folder/rows/KEY.json`` describes; the outcome goes to ``folder/outcomes/KEY.json``."""
    row, experiment, state, file, seconds = begin(folder, key)
    cases, plan = experiment.cases(), experiment.plan
    train = _radiology if row.method == RADIOLOGY else ours
    outcome, predict = train(row, experiment, cases, plan, state, seconds)
    outcome["cases"] = list(measured(cases, plan, predict))
    write_json(file, {"row": row.to_dict(), **outcome})
    shutil.rmtree(state)


def begin(folder: Path, key: str) -> tuple[Row, Experiment, Path, Path, float]:
    """Prepare this process; the row, what it is a part of, its own folder, the file of its outcome, its seconds."""
    given = json.loads((folder / "rows" / f"{key}.json").read_text(encoding="utf-8"))
    experiment = Experiment.read(folder)
    row, state = Row(**given["row"]), folder / "running" / key
    state.mkdir(parents=True, exist_ok=True)
    experiment.prepare_process()
    set_determinism(row.seed)
    return row, experiment, state, folder / "outcomes" / f"{key}.json", given["seconds"]


def measured(cases: Cases, plan: Plan, predict: Callable[[Path], torch.Tensor]) -> Any:
    """Measures of each class of each test case."""
    for case in cases.test:
        truth = read_label(cases.labels[case])
        reference = torch.as_tensor(truth.array.astype("int64"))
        for found in measure(predict(cases.images[case]), reference, truth.spacing, plan.classes):
            yield {"case": case, **found}


def ours(
    row: Row, experiment: Experiment, cases: Cases, plan: Plan, state: Path, seconds: float, **loading: Any
) -> tuple[dict[str, Any], Callable[[Path], torch.Tensor]]:
    """A method of the table; the last weights are taken, never a checkpoint chosen on anything.

    ``loading``: further arguments of the PairedLoader.
    """
    device = experiment.device
    drawn = cases.draw(row.labelled, row.seed)
    labelled = drawn[0]
    trainer = make_trainer(
        method_of_row(row, experiment, cases, state),
        experiment,
        cases,
        drawn,
        row.seed,
        Budget(experiment.steps or _FOREVER, math.inf if experiment.steps else seconds, of_core=experiment.of_core),
        Progress(state / "progress.json", seconds, 0.0),
        state / "checkpoint.pt",
        {"row": row.to_dict(), "labelled": labelled},
        **loading,
    )
    method = trainer.method
    whole = "weights of the last" in trainer.resume()
    done = read_json(state / "trained.json", {})
    if not whole or done.get("row") != row.to_dict():  # else stopped while it was measured: not trained for longer
        done = {"row": row.to_dict(), "labelled_cases": labelled, **_train(trainer, method, device)}
        write_json(state / "trained.json", done)
    network = method.deployed.eval()
    return done, partial(label_map, network, experiment)


def label_map(network: torch.nn.Module, experiment: Experiment, image: Path) -> torch.Tensor:
    return segment(network, experiment.plan, image, experiment.device, experiment.overlap)[0]


def method_of_row(row: Row, experiment: Experiment, cases: Cases, state: Path) -> Method:
    """The row's method, whose first network was pretrained where the row says so."""
    weights = None
    if row.pretrain:
        weights = pretrained(state.parent.parent, experiment, cases, row.seed, row.pretrain)
        set_determinism(row.seed)  # else it would go on where the pretraining was
    return make_method_of(row.method, experiment.plan, experiment.device, weights, **row.settings)


def make_method_of(
    name: str, plan: Plan, device: str, weights: dict[str, torch.Tensor] | None = None, **settings: Any
) -> Method:
    """A method of the table with the plan's network, and its partner as the second one; the first with weights."""
    channels = len(plan.classes) + 1
    first, second = (partial(find(network), channels) for network in (plan.network, partner(plan.network)))
    first = first if weights is None else begun_with(first, weights)
    return make_method(name, first, second, channels, **settings).to(device)


def make_trainer(
    method: Method,
    experiment: Experiment,
    cases: Cases,
    drawn: tuple[Sequence[str], Sequence[str]],
    seed: int,
    budget: Budget,
    progress: Progress,
    checkpoint: Path,
    identity: dict[str, Any],
    **loading: Any,
) -> Trainer:
    """The product's trainer on some labelled and some unlabelled cases (``drawn``), without validation.

    ``loading``: further arguments of the PairedLoader.
    """
    plan, views = experiment.plan, method.needs
    known, pool = records_of(method, cases, drawn)
    store = PredictionStore(checkpoint.parent / "predictions", plan) if "pseudo_label" in views else None
    loader = PairedLoader(known, pool, plan, seed, views=views, predictions=store, **loading)
    refresh = PoolRefresh(store, plan, pool, experiment.device, budget, first=0) if store else None
    config = TrainerConfig(experiment.device, experiment.learning_rate, checkpoint, identity)
    return Trainer(method, loader, budget, progress, config, lambda *_: math.nan, refresh)


def records_of(
    method: Method, cases: Cases, drawn: tuple[Sequence[str], Sequence[str]]
) -> tuple[list[Record], list[Record]]:
    """Of some labelled and some unlabelled cases; of the latter none where a method learns from labels alone."""
    labelled, unlabelled = drawn
    known = [{"id": case, "image": str(cases.images[case]), "label": str(cases.labels[case])} for case in labelled]
    pool = [{"id": case, "image": str(cases.images[case])} for case in unlabelled]
    return known, pool if method.learns_from_unlabelled(1.0) else []


def _train(trainer: Trainer, method: Method, device: str) -> dict[str, Any]:
    """Spend the budget; what it cost."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    first, begun = trainer.step, time.monotonic()
    trainer.run()
    spent = time.monotonic() - begun
    return {
        "steps": trainer.step,
        "seconds_per_step": spent / max(1, trainer.step - first),
        "seconds": trainer.budget.elapsed(),
        "notes": trainer.progress.snapshot()["notes"],
        **size(method, method.deployed, device),
    }


def _radiology(
    row: Row, experiment: Experiment, cases: Cases, plan: Plan, state: Path, seconds: float
) -> tuple[dict[str, Any], Callable[[Path], torch.Tensor]]:
    labelled, _ = cases.draw(row.labelled, row.seed)
    recipe = Radiology(len(plan.classes) + 1, experiment.device)
    progress = Progress(state / "progress.json", seconds, 0.0)

    def tell(done: float) -> None:
        if progress.due():
            progress.update(done)

    files = [(cases.images[case], cases.labels[case]) for case in labelled]
    steps, each = recipe.train(files, experiment.steps or _FOREVER, seconds, tell)
    outcome = {
        "labelled_cases": labelled,
        "steps": steps,
        "seconds_per_step": each,
        "seconds": steps * each,
        "notes": [],
    }
    return {**outcome, "notes": [], **size(recipe.network, recipe.network, experiment.device)}, recipe.segment


def size(trained: torch.nn.Module, deployed: torch.nn.Module, device: str) -> dict[str, float]:
    """Peak memory in GiB (of the device; on a CPU of this process, with its libraries), and parameters."""
    if device.startswith("cuda"):
        memory = torch.cuda.max_memory_allocated() / 2**30
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "peak_memory": memory,
        "parameters_trained": sum(each.numel() for each in trained.parameters() if each.requires_grad),
        "parameters_deployed": sum(each.numel() for each in deployed.parameters()),
    }
