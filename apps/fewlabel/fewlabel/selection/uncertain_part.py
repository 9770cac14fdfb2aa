"""A strategy that looks at the most uncertain part of each structure alone."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np

from fewlabel.selection.base import Ranking
from fewlabel.selection.coverage import Coverage
from fewlabel.selection.diversity import Picker, standardised
from fewlabel.selection.features import FeatureStore
from fewlabel.selection.leases import Leases
from fewlabel.selection.scores import ScoreFile, Scores
from fewlabel.selection.uncertain import Uncertainty, describe, place

_NONE = -100.0  # utility of a case that nobody scored


class UncertainPart(Uncertainty):
    """The cases whose structures have the most uncertain parts, and that differ from the labelled ones.

    "Better than Average: Spatially-Aware Aggregation of Segmentation Uncertainty" (arXiv 2603.29941): the mean over the
    most uncertain part per predicted class. The part is a tenth of the class's region and margin (inferred), so
    neither the size of the structure nor a certain inside dilutes it. Each class is standardised over the pool before
    the mean over the classes is taken, so that a small or an easy one counts as much as the others. Inferred: the
    distance to labelled or handed out scans is added, as in ``uncertainty+diversity``; there is no noise.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> leases, features = Leases(folder / "served.json"), FeatureStore(folder / "features.json")
        >>> file, coverage = ScoreFile(folder / "scores.json"), Coverage(leases, features)
        >>> strategy = UncertainPart(leases, file, coverage, features)
        >>> cases = {name: {"score": 0.3, "parts": {"liver": part}} for name, part in (("a", 0.4), ("b", 0.8))}
        >>> ranking = strategy.rank_scored(["a", "b"], [], 1, Scores(version=2, cases=cases))
        >>> ranking.order[0], ranking.describe("b")["uncertain_class"]
        ('b', 'liver')
    """

    diverse: ClassVar[bool] = True

    def __init__(
        self, leases: Leases, scores: ScoreFile, coverage: Coverage, features: FeatureStore, seed: int = 0
    ) -> None:
        super().__init__(leases, scores, coverage, seed)
        self.description = "The scans in which a part of a structure is least sure, and that look new"
        self.features = features

    def rank_scored(self, unlabelled: list[str], labelled: list[str], count: int, scores: Scores) -> Ranking:
        names = list(dict.fromkeys(name for said in scores.cases.values() for name in said.get("parts") or {}))
        by_class = np.array([standardised(scores.column(unlabelled, name, "parts")) for name in names])
        known = _mean(by_class, standardised(scores.column(unlabelled)))
        utility = np.where(np.isfinite(known), known, _NONE)
        given = [case for case in unlabelled if self.leases.recent(case)]
        free = np.array([self.is_free(case) for case in unlabelled])
        picker = Picker(self.features.geometry(), unlabelled, [*labelled, *given], free, count)
        for _ in range(min(count, int(free.sum()))):
            picker.pick(utility)
        order = [unlabelled[index] for index in picker.order(utility)]
        index = {case: number for number, case in enumerate(unlabelled)}
        values = scores.column(unlabelled)

        def explain(case: str) -> dict[str, Any]:
            said, found, version = scores.details(case), scores.cases.get(case, {}), scores.version_of(case)
            where = place(case, scores, known, known[index[case]])
            gone = found.get("missing") or (["structure"] if found.get("classes") == {} else [])
            if gone:
                usual = ", unlike in nearly all scans" if found.get("missing") else ""
                return {
                    "reason": f"Model version {version} sees no {' and no '.join(gone)} in it{usual}: {where}.",
                    **said,
                }
            if not found.get("parts"):  # not scored, or by an earlier release
                return describe(case, scores, values)
            worst = names[int(np.nanargmax(by_class[:, index[case]]))]
            reason = (
                f"The least sure tenth of its {worst} has uncertainty {found['parts'][worst]:.2f} (0 is sure, 1 a "
                f"guess) by model version {version}: over all structures, {where}."
            )
            return {"reason": reason, **said, "uncertain_class": worst}

        return Ranking(order, explain)


def _mean(by_class: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Mean over the classes that a case has (first axis); ``otherwise`` where it has none."""
    if not len(by_class):
        return otherwise
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a case without any
        means = np.nanmean(by_class, 0)
    return np.where(np.isfinite(means), means, otherwise)
