"""Made-up scans on disk, and guesses of them, so that a measured step has the cost of its crops too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from fewlabel.data.loaders import PairedLoader
from fewlabel.files import Stamp
from fewlabel.methods.base import Method
from fewlabel.plan import Plan
from fewlabel.volumes.reading import write_volume

_LABELLED, _UNLABELLED = 4, 8
_LARGER = 1.5  # each side of a scan against that of a crop


class Guesses:
    """A stored guess of every scan: its own boxes, sure everywhere."""

    def __init__(self, cases: list[str], truth: np.ndarray) -> None:
        self.cases = frozenset(cases)
        self.known = torch.from_numpy(np.stack([truth, np.full_like(truth, 255)]))

    def usable(self) -> frozenset[str]:
        return self.cases

    def version(self, case: str) -> float | None:
        return 1.0 if case in self.cases else None

    def guess(self, case: str, grid: tuple[tuple[int, ...], np.ndarray], source: Stamp | None) -> torch.Tensor | None:
        return self.known


def made_up_loader(folder: Path, method: Method, plan: Plan) -> PairedLoader:
    """The product's loader over scans that are written into a folder; of the pool if the method learns from it."""
    sides = tuple(int(side * _LARGER) for side in plan.patch)
    truth = np.zeros(sides, np.uint8)
    for value in range(1, len(plan.classes) + 1):
        start = [side * value // (len(plan.classes) + 2) for side in sides]
        truth[tuple(slice(first, first + side // 4) for first, side in zip(start, sides, strict=True))] = value
    random, records = np.random.default_rng(0), []
    write_volume(folder / "label.nii", truth, np.eye(4))
    for number in range(_LABELLED + _UNLABELLED):
        path = folder / f"{number}.nii"
        write_volume(path, (random.normal(size=sides) + truth).astype(np.float32), np.eye(4))
        records.append({"id": str(number), "image": str(path)})
    labelled = [{**record, "label": str(folder / "label.nii")} for record in records[:_LABELLED]]
    pool = records[_LABELLED:] if method.learns_from_unlabelled(1.0) else []
    guesses = Guesses([record["id"] for record in pool], truth)
    return PairedLoader(labelled, pool, plan, views=method.needs, predictions=guesses)
