"""Which case is labelled next, and why: the common part, and the strategies that need no model."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from fewlabel.errors import Refusal
from fewlabel.selection.scores import ScoreFile
from fewlabel.selection.served import Served

_MOST = 100  # cases in one answer


@dataclass(frozen=True)
class Ranking:
    """An order of cases and what to say about each.

    Attributes:
        order: best first.
        describe: for a case, ``reason`` and further fields of the answer.

    Examples:
        >>> ranking = Ranking(["b", "a"], lambda case: {"reason": "It is the largest."})
        >>> ranking.order[0], ranking.describe("b")["reason"]
        ('b', 'It is the largest.')
    """

    order: list[str]
    describe: Callable[[str], dict[str, Any]]


class FewLabelStrategy(Strategy):
    """Ranks the unlabelled cases: those in somebody's hands come last, skipped ones before them.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> from fewlabel.selection.served import Served
        >>> folder = Path(mkdtemp())
        >>> from types import SimpleNamespace
        >>> images = ["a", "b"]
        >>> study = SimpleNamespace(list_images=lambda: images, get_unlabeled_images=lambda: images,
        ...     get_labeled_images=lambda: [], get_image_uri=lambda case: "")
        >>> class Last(FewLabelStrategy):
        ...     def rank(self, unlabelled, datastore, count):
        ...         return Ranking(sorted(unlabelled)[::-1], lambda case: {"reason": "It is the last by name."})
        >>> strategy = Last("From the end", Served(folder / "served.json"))
        >>> strategy({}, study)
        {'id': 'b', 'rank': 1, 'of': 2, 'reason': 'It is the last by name.'}
        >>> strategy({}, study)["id"]  # somebody has the other one
        'a'
    """

    def __init__(self, description: str, served: Served) -> None:
        super().__init__(description)
        self.served = served

    def info(self) -> dict[str, Any]:
        return {**super().info(), "config": {"count": 1}}

    def rank(self, unlabelled: list[str], datastore: Datastore, count: int) -> Ranking:
        """Rank all cases; the first ``count`` that are free will be handed out together."""
        raise NotImplementedError

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """The next case: ``{id, reason, rank, of, ...}``; of several, ``batch`` holds them all.

        Args:
            request: ``count``: how many cases, 1 to 100; ``skip``: id of a case to put off for a day.
            datastore: the study's.

        Raises:
            Refusal: (404) every case has a label, or there are no images, or there is no such case to skip; (400)
                ``count`` is no such number.
        """
        count = _count(request.get("count", 1))
        self._skip(request.get("skip"), datastore)
        unlabelled = datastore.get_unlabeled_images()
        if not unlabelled:
            total = len(datastore.list_images())
            raise Refusal(
                f"All {total} cases of this study are labelled: nothing is left to label."
                if total
                else "This study has no images: put .nii.gz, .nii or .nrrd volumes into its folder.",
                404,
            )
        ranking = self.rank(unlabelled, datastore, count)
        chosen = self._free(ranking.order, count)
        answers = [self._answer(case, ranking) for case in chosen]
        self.served.give(chosen)
        return answers[0] if count == 1 else {**answers[0], "batch": answers}

    def _skip(self, case: str | None, datastore: Datastore) -> None:
        if not case:
            return
        if case not in datastore.list_images():
            raise Refusal(f"There is no image '{case}' in this study: it cannot be skipped.", 404)
        self.served.skip(case)

    def is_free(self, case: str) -> bool:
        """Whether nobody has the case or put it off."""
        return not (self.served.recent(case) or self.served.skipped(case))

    def _free(self, order: list[str], count: int) -> list[str]:
        """The first that nobody has and nobody skipped, then skipped ones, then those handed out longest ago."""
        chosen: list[str] = []
        rest: list[str] = []
        for case in order:
            if len(chosen) == count:
                break
            (chosen if self.is_free(case) else rest).append(case)
        rest.sort(key=lambda case: (self.served.recent(case), self.served.skipped(case)))
        return chosen + rest[: count - len(chosen)]

    def _answer(self, case: str, ranking: Ranking) -> dict[str, Any]:
        said = {"id": case, "rank": ranking.order.index(case) + 1, "of": len(ranking.order), **ranking.describe(case)}
        if self.served.recent(case):
            said["reason"] = "Every case was handed out within the last hour; this one the longest ago."
        elif self.served.skipped(case):
            said["reason"] = f"It was skipped, and no other case is free. {said['reason']}"
        return said


def _count(value: Any) -> int:
    try:
        count = int(value)
    except (TypeError, ValueError):
        count = 0
    if not 1 <= count <= _MOST:
        raise Refusal(f"count {value!r} is not a number of cases: ask for 1 to {_MOST}.")
    return count


class First(FewLabelStrategy):
    """Unlabelled cases by name.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> from fewlabel.selection.served import Served
        >>> folder = Path(mkdtemp())
        >>> from types import SimpleNamespace
        >>> images = ["a", "b"]
        >>> study = SimpleNamespace(list_images=lambda: images, get_unlabeled_images=lambda: images,
        ...     get_labeled_images=lambda: [], get_image_uri=lambda case: "")
        >>> strategy = First(Served(folder / "served.json"))
        >>> strategy({}, study)["id"], strategy({}, study)["id"]
        ('a', 'b')
    """

    def __init__(self, served: Served) -> None:
        super().__init__("By name, one after the other", served)

    def rank(self, unlabelled: list[str], datastore: Datastore, count: int) -> Ranking:
        return Ranking(sorted(unlabelled), lambda case: {"reason": "It is the next by name that has no label."})


class Random(FewLabelStrategy):
    """The honest baseline.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> from fewlabel.selection.served import Served
        >>> folder = Path(mkdtemp())
        >>> from types import SimpleNamespace
        >>> images = ["a", "b"]
        >>> study = SimpleNamespace(list_images=lambda: images, get_unlabeled_images=lambda: images,
        ...     get_labeled_images=lambda: [], get_image_uri=lambda case: "")
        >>> strategy = Random(Served(folder / "served.json"), seed=0)
        >>> sorted([strategy({}, study)["id"], strategy({}, study)["id"]])  # nobody is given the same one
        ['a', 'b']
    """

    def __init__(self, served: Served, seed: int = 0) -> None:
        super().__init__("At random", served)
        self.random = random.Random(seed)

    def rank(self, unlabelled: list[str], datastore: Datastore, count: int) -> Ranking:
        order = self.random.sample(sorted(unlabelled), len(unlabelled))
        return Ranking(order, lambda case: {"reason": "It was drawn at random."})


class ForegroundRandom(FewLabelStrategy):
    """At random among the cases in which the model sees something to label: the baseline that is hard to beat.

    For whole volumes what nnActive (Lüth 2025) does for patches: a volume with less than a tenth of the pool's median
    of predicted foreground comes after all others. Without a model it is ``random``.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> from fewlabel.selection.served import Served
        >>> folder = Path(mkdtemp())
        >>> from types import SimpleNamespace
        >>> images = ["a", "b"]
        >>> study = SimpleNamespace(list_images=lambda: images, get_unlabeled_images=lambda: images,
        ...     get_labeled_images=lambda: [], get_image_uri=lambda case: "")
        >>> from fewlabel.selection.scores import ScoreFile
        >>> from fewlabel.workspace import write_json
        >>> cases = {"a": {"score": 0.1, "foreground": 0.0}, "b": {"score": 0.1, "foreground": 0.2}}
        >>> write_json(folder / "scores.json", {"version": 1, "done": 2, "of": 2, "cases": cases})
        >>> strategy = ForegroundRandom(Served(folder / "served.json"), ScoreFile(folder / "scores.json"))
        >>> strategy({}, study)["id"]  # the model sees nothing to label in the other one
        'b'
    """

    def __init__(self, served: Served, scores: ScoreFile, seed: int = 0) -> None:
        super().__init__("At random, among scans in which the model sees the structures", served)
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
                reason = "The model sees next to nothing to label in it, as in all that are left."
            return {"reason": reason, **scores.told(case)}

        return Ranking(order, describe)


@lru_cache(maxsize=200_000)  # asked for every case of the study with every request
def mixing(seed: int, case: str) -> float:
    """A number in (0, 1) that looks random and is the same each time."""
    digest = hashlib.sha256(f"{seed} {case}".encode()).digest()
    return (int.from_bytes(digest[:7], "big") + 0.5) / 2**56
