"""Scores how uncertain the published method is about each unlabelled case, into a file for the strategies."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor

from fewlabel.data.transforms import Preprocessing
from fewlabel.inference.predict import sliding_window
from fewlabel.plan import Plan
from fewlabel.predictions.pool import Keeper
from fewlabel.selection.slices import worst_slices
from fewlabel.uncertainty import case_score, uncertain_voxels
from fewlabel.volumes.reading import UnreadableVolume
from fewlabel.workspace import read_json, write_json

_WRITE_EVERY = 5.0  # seconds


@torch.no_grad()
def score_cases(
    members: Callable[[torch.Tensor], list[torch.Tensor]],
    plan: Plan,
    records: Sequence[dict],
    path: Path,
    version: int,
    minutes: float,
    device: str,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
    keeper: Keeper | None = None,
    ends: Callable[[], bool] = lambda: False,
) -> int:
    """Score as many cases as time allows, in random order, so that the scored ones are a fair sample.

    Scores of this version of the model are kept and not computed again: a second call goes on where the first one
    stopped.

    Args:
        members: the probabilities BCDHW that each member gives for crops B1DHW (see Method.members).
        plan: its plan.
        records: unlabelled cases, each with ``id`` and ``image``.
        path: ``scores.json``: ``{version, done, of, cases: {id: {score, ...}}}``, rewritten atomically every few
            seconds, so that scoring may be interrupted.
        version: of the published model.
        minutes: time budget.
        device: to compute on.
        seed: of the order, together with the version, so that each training scores another sample.
        report: called with (done, of) before each pass of the network and after each case.
        keeper: predicts instead of ``members``, and stores the predictions.
        ends: asked before each case whether to stop here.

    Returns:
        number of cases with a score; unreadable ones are left out.
    """
    file = _ScoreFile(path, version, {record["id"] for record in records})
    order = random.Random(seed + version).sample(list(records), len(records))
    steps, end = Preprocessing(plan), time.monotonic() + minutes * 60

    def say() -> None:
        if report is not None:
            report(len(file.cases), len(order))

    look = keeper or partial(_look, members, sliding_window(plan, overlap=0.25), device, say)
    for record in [record for record in order if record["id"] not in file.cases]:
        if time.monotonic() > end or ends() or not _score(record, steps, look, plan, file):
            break
        say()
    file.write()
    return len(file.cases)


class _ScoreFile:
    """The scores of one version of the model, in memory and in ``path``."""

    def __init__(self, path: Path, version: int, asked: set[str]) -> None:
        self.path, self.version = path, version
        self.cases = _scored_by(version, path, asked)
        self.of = len(asked)
        self._written = time.monotonic()

    def write(self) -> bool:
        """Write the scores; False where a newer model was scored meanwhile, whose scores are kept."""
        kept = read_json(self.path, {})
        if isinstance(kept, dict) and kept.get("version", 0) > self.version:
            return False
        content = {"version": self.version, "done": len(self.cases), "of": self.of, "cases": self.cases}
        write_json(self.path, content)
        self._written = time.monotonic()
        return True

    def write_if_due(self) -> bool:
        """``write`` every few seconds; True where it is not due."""
        return time.monotonic() - self._written <= _WRITE_EVERY or self.write()


def _look(
    members: Callable[[torch.Tensor], list[torch.Tensor]],
    inferer: Callable[..., Any],
    device: str,
    say: Callable[[], None],
    record: Mapping[str, Any],
    image: MetaTensor,
) -> list[torch.Tensor]:
    """The members' probabilities of a whole image."""

    def predict(crops: torch.Tensor) -> dict[int, torch.Tensor]:
        """A dict, since the inferer unpacks a tuple of one element."""
        say()
        return dict(enumerate(members(crops)))

    return list(inferer(image.as_tensor().to(device)[None], predict).values())


def _score(record: dict, steps: Preprocessing, look: Callable, plan: Plan, file: _ScoreFile) -> bool:
    """Score one case, unless it is unreadable; False where another model is being scored."""
    try:
        image = steps({"image": record["image"]})["image"]
    except (UnreadableVolume, OSError):
        return True
    try:
        predicted = look(record, image)
    except (RuntimeError, MemoryError):
        file.write()  # for example out of memory: scores so far are kept
        raise
    file.cases[record["id"]] = _describe(predicted, image, plan)
    return file.write_if_due()


def _scored_by(version: int, path: Path, asked: set[str]) -> dict[str, dict]:
    """Scores of this version of the model, for the given cases."""
    kept = read_json(path, {})
    if not isinstance(kept, dict) or kept.get("version") != version or not isinstance(kept.get("cases"), dict):
        return {}
    return {case: said for case, said in kept["cases"].items() if case in asked}


def _describe(predicted: list[torch.Tensor], image: MetaTensor, plan: Plan) -> dict[str, Any]:
    """The scores of one case, its classes by name, and where to look."""
    score = case_score(predicted)
    score["classes"] = {plan.classes[value - 1]: each for value, each in score["classes"].items()}
    uncertain = uncertain_voxels(predicted)[0].cpu().numpy()
    grid = image.meta["original_affine"], image.meta["spatial_shape"]
    return {**score, **worst_slices(uncertain, image.affine.numpy(), *grid)}
