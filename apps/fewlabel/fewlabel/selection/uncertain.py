"""Strategies that prefer cases about which the published model is uncertain."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from monailabel.interfaces.datastore import Datastore

from fewlabel.selection.base import FewLabelStrategy, Ranking, mixing
from fewlabel.selection.coverage import Coverage
from fewlabel.selection.features import FeatureStore, Geometry
from fewlabel.selection.leases import Leases
from fewlabel.selection.scores import ScoreFile, Scores
from fewlabel.wording import amount

_STRATIFIED = 2 / 3  # share of the cases chosen for single classes in turn (ClaSP PE: 66 % of the budget)
_NOISE = 0.5  # standard deviations of the scores, at the first label; halved with every eight further labels
_HALVED_EVERY = 8
_DUPLICATE = 0.1  # of the median distance between scans: closer ones are considered duplicates
_SHORTLIST = 64  # cases for which diversity is computed, plus four for each case of a batch


class Uncertainty(FewLabelStrategy):
    """The case with the highest score first; without scores, the most representative one.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> leases = Leases(folder / "served.json")
        >>> coverage = Coverage(leases, FeatureStore(folder / "features.json"))
        >>> strategy = Uncertainty(leases, ScoreFile(folder / "scores.json"), coverage)
        >>> strategy.rank_scored(["a", "b"], [], 1, Scores(cases={"a": {"score": 0.1}, "b": {"score": 0.7}})).order
        ['b', 'a']
    """

    def __init__(self, leases: Leases, scores: ScoreFile, coverage: Coverage) -> None:
        super().__init__("The scans that the model is least sure about", leases)
        self.scores, self.coverage = scores, coverage

    def rank(self, unlabelled: list[str], datastore: Datastore, count: int) -> Ranking:
        scores, labelled = self.scores.read(), datastore.get_labeled_images()
        if not any(case in scores.cases for case in unlabelled):
            before = "The model has scored none of these" if scores.version else "No model yet"
            self.coverage.features.fill_in_background(datastore.list_images(), datastore.get_image_uri)
            return self.coverage.cover(unlabelled, labelled, count, before)
        return self.rank_scored(sorted(unlabelled), labelled, count, scores)

    def rank_scored(self, unlabelled: list[str], labelled: list[str], count: int, scores: Scores) -> Ranking:
        """Rank by score; cases without one come last."""
        values = scores.column(unlabelled)
        order = [unlabelled[index] for index in np.argsort(-np.nan_to_num(values, nan=-1.0), kind="stable")]
        return Ranking(order, lambda case: describe(case, scores, values))


class UncertaintyAndDiversity(Uncertainty):
    """Uncertain cases that differ from labelled ones, for each class in turn, with decreasing noise.

    After ClaSP PE (class-stratified scheduled power predictive entropy, nnActive): two of three cases are chosen by
    the uncertainty of one class, the classes in turn, the third by the mean over all, so that no small or easy
    structure is neglected. Scores are standardised by their logarithm's mean and standard deviation over the pool,
    class by class, which makes small and large organs comparable. Gumbel noise (power noise, Kirsch 2023: log score +
    noise) keeps the errors of an early model from determining all choices; it is halved with every eight labels and is
    the same for repeated requests. Inferred: the logarithm of the distance to the nearest labelled or handed out scan,
    relative to the pool's median, is added; a scan closer than a tenth of that median to such a scan comes last.

    Deviation: ClaSP PE queries patches, this strategy whole volumes.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> leases, features = Leases(folder / "served.json"), FeatureStore(folder / "features.json")
        >>> file, coverage = ScoreFile(folder / "scores.json"), Coverage(leases, features)
        >>> strategy = UncertaintyAndDiversity(leases, file, coverage, features, seed=0)
        >>> cases = {"a": {"score": 0.1, "classes": {"liver": 0.1}}, "b": {"score": 0.7, "classes": {"liver": 0.7}}}
        >>> ranking = strategy.rank_scored(["a", "b"], [], 1, Scores(cases=cases))
        >>> ranking.order[0], ranking.describe("b")["uncertain_class"]
        ('b', 'liver')
    """

    def __init__(
        self, leases: Leases, scores: ScoreFile, coverage: Coverage, features: FeatureStore, seed: int = 0
    ) -> None:
        super().__init__(leases, scores, coverage)
        self.description = (
            "First scans that represent the others, then scans that the model is unsure about and that look new"
        )
        self.features, self.seed = features, seed

    def rank_scored(self, unlabelled: list[str], labelled: list[str], count: int, scores: Scores) -> Ranking:
        given = [case for case in unlabelled if self.leases.recent(case)]
        number = len(labelled) + len(given)
        free = np.array([self.is_free(case) for case in unlabelled])
        turns = range(number, number + min(count, int(free.sum())))
        wanted = [_class_of_turn(turn, scores.classes()) for turn in turns]
        noise = self._noise(unlabelled, scores.version, number)
        utility = {name: _utility(unlabelled, scores, name, noise) for name in {None, *wanted}}
        near = _Nearness(self.features.geometry(), unlabelled, [*labelled, *given])
        picked: list[int] = []
        why: dict[str, tuple[str | None, bool]] = {}
        for name in wanted:
            best = self._best(utility[name], near, free, count)
            free[best] = False
            picked.append(best)
            why[unlabelled[best]] = name, bool(near.relative(np.array([best]))[0] > 1.0)
            near.take(best)
        chosen = set(picked)
        rest = [index for index in np.argsort(-utility[None], kind="stable") if index not in chosen]
        order = [unlabelled[index] for index in (*picked, *rest)]
        values = scores.column(unlabelled)
        return Ranking(order, lambda case: describe(case, scores, values, *why.get(case, (None, False))))

    def _noise(self, cases: list[str], version: int, labelled: int) -> np.ndarray:
        """Gumbel noise in standard deviations, the same for each class and for repeated requests."""
        gumbel = -np.log(-np.log([mixing(self.seed + version, case) for case in cases]))
        return _NOISE * 0.5 ** (labelled / _HALVED_EVERY) * gumbel * math.sqrt(6) / math.pi

    def _best(self, utility: np.ndarray, near: _Nearness, free: np.ndarray, count: int) -> int:
        """The free case with the largest sum of utility and log distance, from a shortlist by utility."""
        order = np.argsort(-np.where(free, utility, -np.inf), kind="stable")
        shortlist = order[: min(int(free.sum()), _SHORTLIST + 4 * count)]
        relative = near.relative(shortlist)
        total = utility[shortlist] + np.log(np.clip(relative, 0.25, 4.0)) - 50.0 * (relative < _DUPLICATE)
        return int(shortlist[int(np.argmax(total))])


def _utility(cases: list[str], scores: Scores, name: str | None, noise: np.ndarray) -> np.ndarray:
    """Standardised log score with noise; cases without a score far below all others."""
    logs = np.log(np.clip(scores.column(cases, name), 1e-6, None))
    known = np.isfinite(logs)
    if not known.any():
        return np.full(len(cases), -100.0)
    spread = max(float(np.std(logs[known])), 1e-6)
    return np.where(known, (logs - float(np.mean(logs[known]))) / spread + noise, -100.0)


class _Nearness:
    """Distances from each case to the nearest taken one, relative to the median over the pool."""

    def __init__(self, geometry: Geometry, cases: list[str], taken: list[str]) -> None:
        self.geometry = geometry
        self.indices = np.array([geometry.index.get(case, -1) for case in cases], int)
        self.nearest = geometry.to_nearest(taken)

    def take(self, number: int) -> None:
        """Mark ``cases[number]`` as taken."""
        known = self.indices[number]
        if known >= 0:
            self.nearest = np.minimum(self.nearest, self.geometry.distance[known])

    def relative(self, numbers: np.ndarray) -> np.ndarray:
        """Distances of ``cases[numbers]``; 1 where the scan has no features or nothing is taken."""
        known = self.indices[numbers]
        values = self.nearest[known] / self.geometry.median if len(self.nearest) else np.full(len(known), np.inf)
        return np.where((known >= 0) & np.isfinite(values), values, 1.0)


def _class_of_turn(turn: int, classes: list[str]) -> str | None:
    """The class whose turn it is, or None for all of them."""
    if len(classes) < 2 or turn % 3 >= 3 * _STRATIFIED:
        return None
    return classes[(turn - turn // 3) % len(classes)]


def describe(
    case: str, scores: Scores, values: np.ndarray, wanted: str | None = None, differs: bool = False
) -> dict[str, Any]:
    """The fields of a scored case: reason, score, most uncertain class, where to look.

    Args:
        case: id.
        scores: of all cases.
        values: scores of the unlabelled cases, NaN where there is none.
        wanted: the class that it was chosen for; None: all.
        differs: whether it differs from the labelled cases.
    """
    said = scores.details(case)
    if case not in scores.cases:
        return {"reason": "The model has not scored it yet.", **said}
    known = scores.cases[case]
    rank, of = 1 + int(np.sum(values > known["score"])), int(np.isfinite(values).sum())
    worst = wanted or said.get("uncertain_class")
    about = f", most about {worst}" if worst else ""
    also = " It also looks different from the scans already chosen." if differs else ""
    if known.get("missing"):
        also = f" It sees no {' and no '.join(known['missing'])} in it, unlike in nearly all scans.{also}"
    reason = (
        f"Model version {scores.version} is unsure about it{about}: uncertainty {known['score']:.2f}, number {rank} "
        f"of the {amount(of, 'unlabelled case')} that it has scored.{also}"
    )
    return {"reason": reason, **said, **({"uncertain_class": worst} if worst else {})}
