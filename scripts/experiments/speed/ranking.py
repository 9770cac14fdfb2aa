"""How long each strategy takes to rank a large pool."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from experiments.speed.scoring import scored
from experiments.speed.table import Row, latency
from fewlabel.selection.features import LENGTH
from fewlabel.selection.table import STRATEGIES, make_strategies
from fewlabel.workspace import Workspace, write_json

_READ = 500  # scans with features, as many as the product reads
_LABELLED = 50
_AT_MOST = 0.1  # seconds
_OLDER = 3  # every third case was scored by the version before


def ranking_rows(folder: Path, cases: int, times: int, classes: list[str], seed: int) -> list[Row]:
    """Median and longest of so many rankings by each strategy, of cases that two versions of a model have scored.

    Lists of cases are in memory, as in the server. Each strategy ranks once before; the score file is not read again.
    """
    workspace, random = Workspace(folder / "ranking"), np.random.default_rng(seed)
    names = [f"case_{number:05d}" for number in range(cases)]
    _write(workspace, names, classes, random)
    strategies, features = make_strategies(workspace, seed)
    features.known = dict(zip(names, random.random((min(_READ, cases), LENGTH)).tolist(), strict=False))
    begun = time.perf_counter()
    strategies["uncertainty"].scores.read()
    rows = [Row(f"Reading the scores of {cases:,} cases after a change", f"{time.perf_counter() - begun:.2f} s")]
    study = SimpleNamespace(
        list_images=lambda: names,
        get_labeled_images=lambda: names[:_LABELLED],
        get_unlabeled_images=lambda: names[_LABELLED:],
        get_image_uri=lambda case: str(folder / case),
    )
    for name in STRATEGIES:
        ask = _asking(strategies[name], study)
        ask()
        seconds = [ask() for _ in range(times)]
        rows.append(latency(f"Ranking {cases:,} scored cases, `{name}`", seconds, _AT_MOST))
    return rows


def _asking(strategy, study):
    def ask() -> float:
        begun = time.perf_counter()
        strategy.rank(study.get_unlabeled_images(), study, 1)
        return time.perf_counter() - begun

    return ask


def _write(workspace: Workspace, names: list[str], classes: list[str], random: np.random.Generator) -> None:
    """Scores of two versions, and a history of corrected labels."""
    said = {name: scored(random, classes) for name in names}
    for number, each in enumerate(said.values()):
        each |= {"parts": {name: min(1.0, 2 * value) for name, value in each["classes"].items()}}
        each |= {"version": 1 if number % _OLDER == 0 else 2}
    write_json(workspace.scores, {"version": 2, "done": len(said), "of": len(said), "cases": said})
    entries = [
        {"case": name, "first": True, "kind": "drawn", "dice": dict.fromkeys(classes, float(random.random()))}
        for name in names[:_LABELLED]
    ]
    write_json(workspace.history, {"notes": [], "entries": entries})
