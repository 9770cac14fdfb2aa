"""A strategy for the first labels that weighs how typical a scan is against how hard it is to reconstruct."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from monailabel.interfaces.datastore import Datastore
from scipy.stats import rankdata

from fewlabel.selection.base import FewLabelStrategy, Ranking, mixing
from fewlabel.selection.diversity import Picker, standardised
from fewlabel.selection.features import FeatureStore, Geometry
from fewlabel.selection.leases import Leases

_NEIGHBOURS = 20  # as in TypiClust (Hacohen 2022)
_EXPLAINED = 0.9  # share of the variance that the components keep from which scans are reconstructed
_HALF = 8  # labels after which difficulty has half of the weight that it may reach


@dataclass(frozen=True)
class _Signals:
    """What the features say of every known scan, as shares of the scans below it, in (0, 1).

    Attributes:
        typical: inverse of the mean distance to the nearest scans.
        hard: error of its reconstruction from the main components of all scans.
        alignment: rank correlation of the two, -1..1.
    """

    typical: np.ndarray
    hard: np.ndarray
    alignment: float

    @classmethod
    def of(cls, geometry: Geometry) -> _Signals:
        """From the features of at least two scans; fewer are neither typical nor hard."""
        number = len(geometry.points)
        if number < 2:
            return cls(np.full(number, 0.5), np.full(number, 0.5), 0.0)
        nearest = min(_NEIGHBOURS, number - 1)
        closest = np.partition(geometry.distance, nearest, axis=1)[:, : nearest + 1]  # with its distance to itself, 0
        typical, hard = _shares(-closest.sum(1)), _shares(_reconstruction_error(geometry.points))
        spread = float(np.std(typical) * np.std(hard))
        covariance = float(np.mean((typical - typical.mean()) * (hard - hard.mean())))
        return cls(typical, hard, covariance / spread if spread > 0 else 0.0)

    def weight(self, labels: int) -> float:
        """Share of difficulty in the score, 0..1: grows with the labels, and with the alignment of the two."""
        return labels / (labels + _HALF) * (1 + self.alignment) / 2


def _shares(values: np.ndarray) -> np.ndarray:
    return (rankdata(np.round(values, 6)) - 0.5) / len(values)


def _reconstruction_error(points: np.ndarray) -> np.ndarray:
    centred = points - points.mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    values = np.clip(values[::-1], 0, None)
    total = values.sum()
    if total <= 0:
        return np.zeros(len(points))
    kept = min(1 + int(np.searchsorted(np.cumsum(values) / total, _EXPLAINED)), max(1, len(points) // 2))
    main = vectors[:, ::-1][:, :kept]
    return np.linalg.norm(centred - centred @ main @ main.T, axis=1)


class ColdStart(FewLabelStrategy):
    """Typical scans first, hard ones the sooner the more typical the hard ones are, none like a chosen one.

    After CSCS (arXiv 2606.20765): a geometric mean of typicality and of the difficulty of reconstruction, whose weight
    depends on the number of labels and on how well the two agree over the pool. Where hard scans are outliers, they
    wait; where they are typical, they come soon.

    Deviations: both signals come from the features of ``coverage`` and not from a trained autoencoder (difficulty is
    what their main components cannot reconstruct); the rule for the weight is ours; no strata, but the distance to
    labelled and handed out scans is added, as in ``uncertainty+diversity``.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> known = FeatureStore(folder / "features.json")
        >>> known.known = {"left": [0.0], "middle": [1.0], "right": [2.0]}
        >>> strategy = ColdStart(Leases(folder / "served.json"), known)
        >>> strategy.rank_known(["left", "middle", "right"], [], 1).order[0]
        'middle'
    """

    diverse: ClassVar[bool] = True

    def __init__(self, leases: Leases, features: FeatureStore, seed: int = 0) -> None:
        super().__init__("Typical scans, then hard ones, without a model", leases)
        self.features, self.seed = features, seed
        self._signals: tuple[Geometry, _Signals] | None = None

    def rank(self, unlabelled: list[str], datastore: Datastore, count: int) -> Ranking:
        self.features.fill_in_background(datastore.list_images(), datastore.get_image_uri)
        return self.rank_known(unlabelled, datastore.get_labeled_images(), count)

    def rank_known(self, unlabelled: list[str], labelled: list[str], count: int) -> Ranking:
        """Rank by the features that are known; scans that were not read yet come last.

        Args:
            unlabelled, labelled: ids.
            count: cases that are handed out together.
        """
        geometry = self.features.geometry()
        signals = self._of(geometry)
        mixed = sorted(unlabelled, key=lambda case: mixing(self.seed, case))
        taken = [*labelled, *(case for case in mixed if self.leases.recent(case))]
        at = np.array([geometry.index.get(case, -1) for case in mixed], int)
        weight, scans = signals.weight(len(taken) + count), len(geometry.index)
        utility = np.full(len(mixed), -100.0)
        seen = at >= 0
        score = signals.typical ** (1 - weight) * signals.hard**weight
        utility[seen] = standardised(score)[at[seen]]
        free = np.array([self.is_free(case) for case in mixed]) & seen
        picker = Picker(geometry, mixed, taken, free, count)
        for _ in range(min(count, int(free.sum()))):
            picker.pick(utility)

        def describe(case: str) -> dict[str, Any]:
            number = geometry.index.get(case)
            if number is None:
                return {"reason": "No model is used, and its image has not been read yet: taken in random order."}
            reason = (
                f"No model is used: of the {scans} scans read so far, it is more typical than "
                f"{signals.typical[number]:.0%} and harder to reconstruct than {signals.hard[number]:.0%}, "
                f"which counts {weight:.0%}."
            )
            return {"reason": reason, "score": round(float(score[number]), 4)}

        return Ranking([mixed[index] for index in picker.order(utility)], describe)

    def _of(self, geometry: Geometry) -> _Signals:
        """Computed again only when the features changed."""
        if self._signals is None or self._signals[0] is not geometry:
            self._signals = geometry, _Signals.of(geometry)
        return self._signals[1]
