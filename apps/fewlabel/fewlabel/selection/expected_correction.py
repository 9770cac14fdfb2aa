"""A strategy that expects the most correction where similar scans needed it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from monailabel.interfaces.datastore import Datastore

from fewlabel.files import ReadAgain
from fewlabel.selection.base import Ranking, mixing
from fewlabel.selection.coverage import Coverage
from fewlabel.selection.diversity import Picker, standardised
from fewlabel.selection.features import FeatureStore, Geometry
from fewlabel.selection.leases import Leases
from fewlabel.selection.scores import ScoreFile
from fewlabel.selection.uncertain_part import UncertainPart
from fewlabel.workspace import read_json

_LEAST = 3  # corrected scans
_WIDTH = 0.5  # of the median distance between scans: standard deviation of the kernel of likeness
_PRIOR = 0.5  # weight of the mean over all corrected scans, as that of half a scan that is alike
_HALVED_EVERY = 8  # later submissions: the model that needed the correction is as much older
_COUNTED = (None, "drawn", "corrected")  # kinds of labels; an accepted one is the model's answer


class Corrections:
    """How much of each scan was corrected at its first submission, from the history of the review.

    Args:
        path: ``history.json`` of the workspace.

    Examples:
        >>> from tempfile import mkdtemp
        >>> from fewlabel.workspace import write_json
        >>> path = Path(mkdtemp()) / "history.json"
        >>> entries = [{"case": "a", "first": True, "dice": {"liver": 0.75}, "kind": "corrected"}]
        >>> write_json(path, {"notes": [], "entries": entries})
        >>> Corrections(path).read()
        {'a': {'liver': 0.25}}
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: ReadAgain[dict[str, dict[str, float]]] = ReadAgain(_parse, dict)

    def read(self) -> dict[str, dict[str, float]]:
        """By case, oldest submission first: 1 - Dice of each class; {} where the file is absent or damaged."""
        return self._read(self.path)


def _parse(path: Path) -> dict[str, dict[str, float]]:
    content = read_json(path, {})
    entries = content.get("entries") if isinstance(content, dict) else None
    found: dict[str, dict[str, float]] = {}
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping) or not entry.get("first") or entry.get("kind") not in _COUNTED:
            continue
        dice = entry.get("dice")
        if not isinstance(dice, Mapping):  # no model yet
            continue
        known = {str(name): 1 - float(value) for name, value in dice.items() if isinstance(value, int | float)}
        known = {name: value for name, value in known.items() if math.isfinite(value)}
        if known:
            found[str(entry.get("case"))] = known
    return found


@dataclass(frozen=True)
class _Expected:
    """What the history says about some cases.

    Attributes:
        share: expected 1 - Dice of each case, a mean over the classes.
        relative: the same with each class in units of its own mean, so that one that always needs much does not decide.
        mean: of 1 - Dice over the corrected scans.
        scans: number of corrected scans.
    """

    share: np.ndarray
    relative: np.ndarray
    mean: float
    scans: int


def _expect(corrected: Mapping[str, Mapping[str, float]], geometry: Geometry, cases: list[str]) -> _Expected:
    """A mean over the corrected scans, weighted by their likeness to each case and by how recent they are.

    A Nadaraya-Watson estimate with a Gaussian kernel on the distances of the features, and a prior at the mean.

    Args:
        corrected: 1 - Dice by case and class, oldest first; at least one that has features.
        geometry: distances between scans.
        cases: ids; one without features gets the mean.
    """
    known = [case for case in corrected if case in geometry.index]
    names = dict.fromkeys(name for case in known for name in corrected[case])
    typical = {name: float(np.mean([corrected[c][name] for c in known if name in corrected[c]])) for name in names}
    units = {name: max(value, 1e-6) for name, value in typical.items()}
    share = np.array([np.mean(list(corrected[case].values())) for case in known])
    relative = np.array([np.mean([value / units[name] for name, value in corrected[case].items()]) for case in known])
    age = 0.5 ** (np.arange(len(known))[::-1] / _HALVED_EVERY)
    to = geometry.distance[:, geometry.indices(known)] / (_WIDTH * geometry.median)
    weights = np.exp(-0.5 * to.astype(float) ** 2) * age
    totals = weights.sum(1) + _PRIOR
    rows = np.array([geometry.index.get(case, -1) for case in cases], int)

    def estimate(values: np.ndarray) -> np.ndarray:
        found = (weights @ values + _PRIOR * values.mean()) / totals
        return np.where(rows >= 0, found[rows], values.mean())

    return _Expected(estimate(share), estimate(relative), float(share.mean()), len(known))


class ExpectedCorrection(UncertainPart):
    """The cases in which the most has to be corrected, judging by the labelled scans like them; none like another.

    Each class counts in units of its own mean correction, and Dice does not depend on its size, so a small structure
    counts as much as a large one. With fewer than three corrected scans it is ``uncertain_part``. Inferred: no paper.

    Examples:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> leases, features = Leases(folder / "served.json"), FeatureStore(folder / "features.json")
        >>> features.known = {"poor": [0.0], "like it": [0.1], "well": [2.0], "fine": [1.9], "other": [1.8]}
        >>> file, coverage = ScoreFile(folder / "scores.json"), Coverage(leases, features)
        >>> strategy = ExpectedCorrection(leases, file, coverage, features, Corrections(folder / "history.json"))
        >>> corrected = {"poor": {"liver": 0.5}, "well": {"liver": 0.1}, "fine": {"liver": 0.1}}
        >>> strategy.rank_corrected(["like it", "other"], list(corrected), 1, corrected).order[0]
        'like it'
    """

    def __init__(
        self,
        leases: Leases,
        scores: ScoreFile,
        coverage: Coverage,
        features: FeatureStore,
        corrections: Corrections,
        seed: int = 0,
    ) -> None:
        super().__init__(leases, scores, coverage, features, seed)
        self.description = "The scans like those in which the model had to be corrected most"
        self.corrections = corrections

    def rank(self, unlabelled: list[str], datastore: Datastore, count: int) -> Ranking:
        corrected = self.corrections.read()
        if sum(case in self.features.known for case in corrected) < _LEAST:
            return super().rank(unlabelled, datastore, count)
        self.features.fill_in_background(datastore.list_images(), datastore.get_image_uri)
        return self.rank_corrected(unlabelled, datastore.get_labeled_images(), count, corrected)

    def rank_corrected(
        self, unlabelled: list[str], labelled: list[str], count: int, corrected: Mapping[str, Mapping[str, float]]
    ) -> Ranking:
        """Rank by the expected correction.

        Args:
            unlabelled, labelled: ids.
            count: cases that are handed out together.
            corrected: 1 - Dice by case and class, oldest first; at least one of a scan with features.
        """
        mixed, geometry = sorted(unlabelled, key=lambda case: mixing(self.seed, case)), self.features.geometry()
        expected, scores = _expect(corrected, geometry, mixed), self.scores.read()
        taken = [*labelled, *(case for case in mixed if self.leases.recent(case))]
        seen = np.array([case in geometry.index for case in mixed])
        utility = np.where(seen, standardised(expected.relative), -100.0)
        free = np.array([self.is_free(case) for case in mixed])
        picker = Picker(geometry, mixed, taken, free, count)
        for _ in range(min(count, int(free.sum()))):
            picker.pick(utility)
        shares = dict(zip(mixed, expected.share, strict=True))

        def describe(case: str) -> dict[str, Any]:
            said = scores.details(case)
            if case not in geometry.index:
                return {
                    "reason": "Its image has not been read yet, so nobody knows which labelled scans it is like.",
                    **said,
                }
            reason = (
                f"A correction of {shares[case]:.0%} (1 - Dice) is expected in it from the {expected.scans} corrected "
                f"scans, weighted by their likeness; their mean is {expected.mean:.0%}."
            )
            return {"reason": reason, **said}

        return Ranking([mixed[index] for index in picker.order(utility)], describe)
