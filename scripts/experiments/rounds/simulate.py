"""One simulated annotator: asks a strategy, gets the reference label, trains, and again."""

from __future__ import annotations

import itertools
import math
import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.utils import set_determinism

from experiments.comparison.cases import Cases
from experiments.comparison.experiment import Experiment
from experiments.comparison.outcomes import means
from experiments.comparison.worker import make_method_of, make_trainer, measured
from fewlabel.inference.predict import segment
from fewlabel.methods.base import Method
from fewlabel.plan import Plan
from fewlabel.selection.base import FewLabelStrategy
from fewlabel.selection.scoring import score_cases
from fewlabel.selection.table import make_strategies
from fewlabel.training.budget import Budget
from fewlabel.training.progress import Progress
from fewlabel.workspace import Workspace, read_json, write_json


@dataclass(frozen=True)
class Annotation:
    """One run: a strategy, a method, a seed.

    Attributes:
        strategy: a name of the server's.
        method: of the table of methods.
        seed: of the strategy, the crops and the networks' start.
        sizes: numbers of labels after each round, growing.
        seconds: core-seconds of each round of a training that goes on (see continuous.py); 0: each round is a training
            with an end.
        measured: numbers of labels after which the former is measured.
        teacher: of the former's method, ``live`` or ``cached``.
    """

    strategy: str
    method: str
    seed: int
    sizes: tuple[int, ...] = (2, 4, 8, 16)
    part: str = field(default="rounds")
    seconds: float = 0.0
    measured: tuple[int, ...] = ()
    teacher: str = "live"

    @property
    def name(self) -> str:
        """As the tables call it."""
        return f"{self.method}, {self.strategy}"

    @property
    def key(self) -> str:
        """Name of its files."""
        return f"{self.method}-{self.strategy.replace('+', '-and-')}-{self.seed}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the inverse is ``Annotation.of(values)``."""
        values = asdict(self)
        if not self.seconds:  # as runs were written before there were trainings that go on
            for name in ("seconds", "measured", "teacher"):
                values.pop(name)
        return values

    @classmethod
    def of(cls, values: dict[str, Any]) -> Annotation:
        """The one that ``to_dict`` gave, read from JSON."""
        return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()})


class Images:
    """What a strategy asks of a datastore: the development cases, some of them labelled."""

    def __init__(self, cases: Cases) -> None:
        self.cases, self.labelled = cases, []

    def list_images(self) -> list[str]:
        return list(self.cases.development)

    def get_labeled_images(self) -> list[str]:
        return list(self.labelled)

    def get_unlabeled_images(self) -> list[str]:
        return [case for case in self.cases.development if case not in self.labelled]

    def get_image_uri(self, case: str) -> str:
        return str(self.cases.images[case])


def annotate(row: Annotation, experiment: Experiment, state: Path) -> dict[str, Any]:
    """Play all rounds; what was measured after each.

    A round that was played already is read from ``state/rounds.json``, so an interrupted run loses one round at most.

    Args:
        row: what to play.
        experiment: data, plan and steps of each round.
        state: folder of the run: its workspace and what it wrote so far.
    """
    rounds: list[dict[str, Any]] = read_json(state / "rounds.json", [])
    if not rounds:
        shutil.rmtree(state / "workspace", ignore_errors=True)
    cases, workspace = experiment.cases(), Workspace(state / "workspace")
    images, strategy = Images(cases), _strategy(row, workspace, cases)
    images.labelled = list(rounds[-1]["labelled"]) if rounds else []
    for number, size in enumerate(row.sizes[len(rounds) :], len(rounds)):
        set_determinism(row.seed + 1000 * number)
        begun = time.monotonic()
        images.labelled += _ask(strategy, images, size - len(images.labelled))
        method = _train(row, experiment, cases, images, workspace, state, number)
        _score(method, experiment, images, workspace, number, row.seed)
        network = method.deployed.eval()
        predict = partial(_label_map, network, experiment.plan, experiment.device)
        found = list(measured(cases, experiment.plan, predict))
        seconds = time.monotonic() - begun
        rounds.append({"labels": size, "labelled": list(images.labelled), "seconds": seconds, **means(found)})
        write_json(state / "rounds.json", rounds)
    return {"row": row.to_dict(), "rounds": rounds}


def _label_map(network: torch.nn.Module, plan: Plan, device: str, image: Path) -> torch.Tensor:
    return segment(network, plan, image, device)[0]


def _strategy(row: Annotation, workspace: Workspace, cases: Cases) -> FewLabelStrategy:
    strategies, features = make_strategies(workspace, row.seed)
    features.fill(list(cases.development), lambda case: str(cases.images[case]), row.seed)
    return strategies[row.strategy]


def _ask(strategy: FewLabelStrategy, images: Images, count: int) -> list[str]:
    """Cases asked for together, as an annotator does who takes a few home."""
    answer = strategy({"count": count}, images)
    return [given["id"] for given in answer.get("batch", [answer])]


def _train(
    row: Annotation,
    experiment: Experiment,
    cases: Cases,
    images: Images,
    workspace: Workspace,
    state: Path,
    number: int,
) -> Method:
    """A round's training, which starts from the weights of the last one, as in the product."""
    left = [case for case in cases.images if case not in {*images.labelled, *cases.test}]
    trainer = make_trainer(
        make_method_of(row.method, experiment.plan, experiment.device),
        experiment,
        cases,
        (images.labelled, left),
        row.seed + 1000 * number,
        Budget(experiment.steps, math.inf),
        Progress(state / "training.json", experiment.minutes * 60),
        workspace.checkpoint,
        {"method": row.method, "labelled": list(images.labelled)},
    )
    trainer.resume()
    trainer.run()
    write_json(state / "progress.json", {"progress": (number + 1) / len(row.sizes)})
    return trainer.method


def _score(
    method: Method, experiment: Experiment, images: Images, workspace: Workspace, number: int, seed: int
) -> None:
    method.eval()
    records = [{"id": case, "image": images.get_image_uri(case)} for case in images.get_unlabeled_images()]
    given = experiment.plan, records, workspace.scores, number + 1
    score_cases(method.members, *given, minutes=experiment.minutes, device=experiment.device, seed=seed)


def annotations(
    strategies: Iterable[str], methods: Iterable[str], seeds: Iterable[int], sizes: tuple[int, ...], **more: Any
) -> list[Annotation]:
    """All runs, seed by seed; ``more`` are further fields of each."""
    every = itertools.product(seeds, methods, strategies)
    return [Annotation(strategy, method, seed, sizes, **more) for seed, method, strategy in every]
