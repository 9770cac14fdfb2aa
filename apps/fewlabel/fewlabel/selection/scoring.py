"""How uncertain the published method is about each unlabelled case, in a file that the strategies read."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from monai.data import MetaTensor

from fewlabel.data.transforms import Preprocessing
from fewlabel.data.volumes import UnreadableVolume
from fewlabel.inference.predict import sliding_window
from fewlabel.methods.base import Method
from fewlabel.plan import Plan
from fewlabel.selection.places import places
from fewlabel.uncertainty import case_score, uncertain_places
from fewlabel.workspace import write_json

_WRITE_EVERY = 5.0  # seconds


@torch.no_grad()
def score_cases(
    method: Method,
    plan: Plan,
    records: Sequence[dict],
    path: Path,
    version: int,
    minutes: float,
    device: str,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> int:
    """Score as many cases as the time allows, in random order so that what is done is a fair sample.

    Args:
        method: whose ``members`` are compared; in eval mode.
        plan: its plan.
        records: unlabelled cases, each with ``id`` and ``image``.
        path: ``scores.json``: ``{version, done, of, cases: {id: {score, ...}}}``, rewritten every few seconds.
        version: of the published model.
        minutes: time budget.
        device: to compute on.
        seed: of the order, together with the version: another sample after each training.
        report: called with (done, of) before each pass of the network and after each case.

    Returns:
        number of cases scored; unreadable ones are left out.
    """
    order = random.Random(seed + version).sample(list(records), len(records))
    steps, inferer = Preprocessing(plan), sliding_window(plan, overlap=0.25)
    started = written = time.monotonic()
    cases: dict[str, dict] = {}
    report = report or (lambda done, of: None)

    def members(crops: torch.Tensor) -> dict[int, torch.Tensor]:
        """A dict, since the inferer takes a tuple of one apart."""
        report(len(cases), len(order))
        return dict(enumerate(method.members(crops)))

    def write() -> None:
        write_json(path, {"version": version, "done": len(cases), "of": len(order), "cases": cases})

    for record in order:
        if time.monotonic() - started > minutes * 60:
            break
        try:
            image = steps({"image": record["image"]})["image"]
        except (UnreadableVolume, OSError):
            continue
        predicted = list(inferer(image.as_tensor().to(device)[None], members).values())
        cases[record["id"]] = _describe(predicted, image, plan)
        report(len(cases), len(order))
        if time.monotonic() - written > _WRITE_EVERY:
            write()
            written = time.monotonic()
    write()
    return len(cases)


def _describe(predicted: list[torch.Tensor], image: MetaTensor, plan: Plan) -> dict[str, Any]:
    """The scores of one case, its classes by name, and where to look."""
    score = case_score(predicted)
    score["classes"] = {plan.classes[value - 1]: each for value, each in score["classes"].items()}
    uncertain = uncertain_places(predicted)[0].cpu().numpy()
    grid = image.meta["original_affine"], image.meta["spatial_shape"]
    return {**score, **places(uncertain, image.affine.numpy(), *grid)}
