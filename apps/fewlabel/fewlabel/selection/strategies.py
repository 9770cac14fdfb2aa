"""Simple strategies: by name, at random, and at random among scans with foreground."""

from __future__ import annotations

import math
import random
from typing import Any

from monailabel.interfaces.datastore import Datastore

from fewlabel.selection.base import FewLabelStrategy, Ranking
from fewlabel.selection.leases import Leases
from fewlabel.selection.scores import ScoreFile


class First(FewLabelStrategy):
    """Unlabelled cases by name.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> First(Leases(Path(mkdtemp()) / "served.json")).rank(["b", "a"], None, 1).order
        ['a', 'b']
    """

    def __init__(self, leases: Leases) -> None:
        super().__init__("By name, one after the other", leases)

    def rank(self, unlabelled: list[str], datastore: Datastore, count: int) -> Ranking:
        return Ranking(sorted(unlabelled), lambda case: {"reason": "It is the next by name that has no label."})


class Random(FewLabelStrategy):
    """Unlabelled cases at random: the baseline.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> ranking = Random(Leases(Path(mkdtemp()) / "served.json"), seed=0).rank(["b", "a"], None, 1)
        >>> sorted(ranking.order), ranking.describe("a")
        (['a', 'b'], {'reason': 'It was drawn at random.'})
    """

    def __init__(self, leases: Leases, seed: int = 0) -> None:
        super().__init__("At random", leases)
        self.random = random.Random(seed)

    def rank(self, unlabelled: list[str], datastore: Datastore, count: int) -> Ranking:
        order = self.random.sample(sorted(unlabelled), len(unlabelled))
        return Ranking(order, lambda case: {"reason": "It was drawn at random."})


class ForegroundRandom(FewLabelStrategy):
    """At random among the cases in which the model sees foreground: a baseline that is hard to beat.

    Applies what nnActive (Lüth 2025) does for patches to whole volumes: those with less than a tenth of the pool's
    median predicted foreground come last. Without a model it is ``random``.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> from fewlabel.workspace import write_json
        >>> folder = Path(mkdtemp())
        >>> cases = {"a": {"score": 0.1, "foreground": 0.0}, "b": {"score": 0.1, "foreground": 0.2}}
        >>> write_json(folder / "scores.json", {"cases": cases})
        >>> strategy = ForegroundRandom(Leases(folder / "served.json"), ScoreFile(folder / "scores.json"))
        >>> strategy.rank(["a", "b"], None, 1).order  # the model sees nothing to label in the other one
        ['b', 'a']
    """

    def __init__(self, leases: Leases, scores: ScoreFile, seed: int = 0) -> None:
        super().__init__("At random, among scans in which the model sees the structures", leases)
        self.scores = scores
        self.random = random.Random(seed)

    def rank(self, unlabelled: list[str], datastore: Datastore, count: int) -> Ranking:
        order = self.random.sample(sorted(unlabelled), len(unlabelled))
        scores = self.scores.read()
        cases = scores.cases
        share = {case: float(cases[case].get("foreground", 1.0)) for case in order if case in cases}
        if not share:
            return Ranking(order, lambda case: {"reason": "No model yet: it was drawn at random."})
        least = sorted(share.values())[len(share) // 2] / 10
        order.sort(key=lambda case: share.get(case, math.inf) < least)

        def describe(case: str) -> dict[str, Any]:
            reason = "It was drawn at random among the scans in which the model sees the structures."
            if share.get(case, math.inf) < least:
                reason = "The model sees almost nothing to label in it, as in all scans that are left."
            return {"reason": reason, **scores.details(case)}

        return Ranking(order, describe)
