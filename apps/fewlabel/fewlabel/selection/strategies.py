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
        >>> from fewlabel.selection.leases import Leases
        >>> folder = Path(mkdtemp())
        >>> from types import SimpleNamespace
        >>> images = ["a", "b"]
        >>> study = SimpleNamespace(list_images=lambda: images, get_unlabeled_images=lambda: images,
        ...     get_labeled_images=lambda: [], get_image_uri=lambda case: "")
        >>> strategy = First(Leases(folder / "served.json"))
        >>> strategy({}, study)["id"], strategy({}, study)["id"]
        ('a', 'b')
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
        >>> from fewlabel.selection.leases import Leases
        >>> folder = Path(mkdtemp())
        >>> from types import SimpleNamespace
        >>> images = ["a", "b"]
        >>> study = SimpleNamespace(list_images=lambda: images, get_unlabeled_images=lambda: images,
        ...     get_labeled_images=lambda: [], get_image_uri=lambda case: "")
        >>> strategy = Random(Leases(folder / "served.json"), seed=0)
        >>> sorted([strategy({}, study)["id"], strategy({}, study)["id"]])  # nobody is given the same one
        ['a', 'b']
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
        >>> from fewlabel.selection.leases import Leases
        >>> folder = Path(mkdtemp())
        >>> from types import SimpleNamespace
        >>> images = ["a", "b"]
        >>> study = SimpleNamespace(list_images=lambda: images, get_unlabeled_images=lambda: images,
        ...     get_labeled_images=lambda: [], get_image_uri=lambda case: "")
        >>> from fewlabel.selection.scores import ScoreFile
        >>> from fewlabel.workspace import write_json
        >>> cases = {"a": {"score": 0.1, "foreground": 0.0}, "b": {"score": 0.1, "foreground": 0.2}}
        >>> write_json(folder / "scores.json", {"version": 1, "done": 2, "of": 2, "cases": cases})
        >>> strategy = ForegroundRandom(Leases(folder / "served.json"), ScoreFile(folder / "scores.json"))
        >>> strategy({}, study)["id"]  # the model sees nothing to label in the other one
        'b'
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
