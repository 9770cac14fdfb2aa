"""How many cases a second are scored, and what scoring writes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from experiments.speed.table import Row
from fewlabel.devices import choose_device
from fewlabel.methods import make_method
from fewlabel.networks import find
from fewlabel.plan import make_plan, scan_facts
from fewlabel.predictions.pool import Keeper
from fewlabel.predictions.predict import Eyes
from fewlabel.predictions.store import PredictionStore
from fewlabel.selection.scoring import score_cases
from fewlabel.settings import Settings
from fewlabel.volumes.reading import read_volume


def scored(random: np.random.Generator, classes: Sequence[str]) -> dict:
    """What scoring writes of a case with two classes, made up."""
    first, second = random.random(2).tolist()
    axes = ("sagittal", "coronal", "axial")
    return {
        "score": (first + second) / 2,
        "disagreement": first / 2,
        "foreground": second / 9,
        "classes": dict(zip(classes, (first, second), strict=True)),
        "slices": {axis: random.integers(0, 40, 3).tolist() for axis in axes},
        "points": {axis: random.uniform(-99, 99, (3, 3)).round(1).tolist() for axis in axes},
    }


def scoring_row(studies: Path, target: Path, classes: Sequence[str], seed: int) -> Row:
    """Score and store all volumes of a folder with an untrained mean teacher of the network that the plan chooses."""
    files = sorted(each for each in studies.iterdir() if each.is_file())
    device = choose_device(None)
    plan = make_plan([scan_facts(read_volume(file)) for file in files[:12]], classes, Settings(), device)
    build = partial(find(plan.network), len(classes) + 1)
    method = make_method("mean_teacher", build, build, len(classes) + 1).to(device).eval()
    records = [{"id": file.name, "image": str(file)} for file in files]
    store = PredictionStore(target.with_name("predictions"), plan)
    keeper = Keeper(Eyes(method.deployed, method.member_networks, plan), store, plan, 1, device)
    started = time.perf_counter()
    done = score_cases(method.members, plan, records, target, 1, 60.0, device, seed, keeper=keeper)
    each, size = done / (time.perf_counter() - started), store.bytes / max(1, done) / 1e6
    what = f"Scoring and storing, {done} volumes, two `{plan.network}`, {device}"
    return Row(what, f"{each:.1f} cases/s, {size:.2f} MB a case")
