"""Picks cases that differ from those that are labelled, handed out or picked before."""

from __future__ import annotations

import numpy as np

from fewlabel.selection.features import Geometry

_DUPLICATE = 0.1  # of the median distance between scans: closer ones are considered duplicates
_SHORTLIST = 64  # cases for which diversity is computed, plus four for each case of a batch


class Picker:
    """Picks one case after the other: the largest sum of utility and log distance to the nearest taken scan.

    The distance is relative to the pool's median; a scan closer than a tenth of that to a taken one comes last.

    Args:
        geometry: distances between scans; scans without features count as neither near nor far.
        cases: ids, in the order that decides between equals.
        taken: ids of scans that the picked ones shall differ from.
        free: of ``cases``, whether each may be picked; not changed.
        count: how many will be picked.

    Attributes:
        differs: the picked cases in their order, and whether each is further than the median from all taken before.

    Examples:
        >>> geometry = Geometry({"a": [0.0], "b": [0.0], "c": [1.0]})
        >>> picker = Picker(geometry, ["a", "b", "c"], [], np.ones(3, bool), 2)
        >>> [picker.pick(np.array([1.0, 0.9, 0.5])) for _ in range(2)]  # b is the same scan as a
        [0, 2]
    """

    def __init__(self, geometry: Geometry, cases: list[str], taken: list[str], free: np.ndarray, count: int) -> None:
        self.geometry, self.free, self.count = geometry, free.copy(), count
        self.indices = np.array([geometry.index.get(case, -1) for case in cases], int)
        self.nearest = geometry.to_nearest(taken)
        self.differs: dict[int, bool] = {}

    def pick(self, utility: np.ndarray) -> int:
        """The number of the best free case, which is then taken. The utility is in standard deviations."""
        order = np.argsort(-np.where(self.free, utility, -np.inf), kind="stable")
        shortlist = order[: min(int(self.free.sum()), _SHORTLIST + 4 * self.count)]
        relative = self.relative(shortlist)
        total = utility[shortlist] + np.log(np.clip(relative, 0.25, 4.0)) - 50.0 * (relative < _DUPLICATE)
        best = int(np.argmax(total))
        self._take(int(shortlist[best]), bool(relative[best] > 1.0))
        return int(shortlist[best])

    def _take(self, number: int, differs: bool) -> None:
        self.free[number], self.differs[number] = False, differs
        known = self.indices[number]
        if known >= 0:
            self.nearest = np.minimum(self.nearest, self.geometry.distance[known])

    def relative(self, numbers: np.ndarray) -> np.ndarray:
        """Distances of these cases to the nearest taken one; 1 without features, or where nothing is taken."""
        known = self.indices[numbers]
        values = self.nearest[known] / self.geometry.median if len(self.nearest) else np.full(len(known), np.inf)
        return np.where((known >= 0) & np.isfinite(values), values, 1.0)

    def order(self, utility: np.ndarray) -> list[int]:
        """Numbers of all cases: the picked ones, then the others by utility."""
        rest = np.argsort(-utility, kind="stable")
        return [*self.differs, *rest[~np.isin(rest, list(self.differs))].tolist()]


def standardised(values: np.ndarray) -> np.ndarray:
    """Logarithms minus their mean, in their standard deviations, so that small and large organs are comparable.

    Args:
        values: above 0; NaN where there is none, and NaN in the result.
    """
    logs = np.log(np.clip(values, 1e-6, None))
    known = np.isfinite(logs)
    if not known.any():
        return logs
    spread = float(np.std(logs[known]))
    return (logs - float(np.mean(logs[known]))) / (spread if spread > 1e-9 else 1.0)
