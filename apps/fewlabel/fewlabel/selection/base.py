"""The contract between a strategy (which case is labelled next, and why) and the rest of the package."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from fewlabel.errors import Refusal
from fewlabel.selection.leases import Leases

_MOST = 100  # cases in one response


@dataclass(frozen=True)
class Ranking:
    """An order of cases, and a description of each.

    Attributes:
        order: best first.
        describe: gives ``reason`` and further fields of the response for a case.

    Examples:
        >>> ranking = Ranking(["b", "a"], lambda case: {"reason": "It is the largest."})
        >>> ranking.order[0], ranking.describe("b")["reason"]
        ('b', 'It is the largest.')
    """

    order: list[str]
    describe: Callable[[str], dict[str, Any]]


class FewLabelStrategy(Strategy):
    """Ranks the unlabelled cases: those that somebody is labelling come last, skipped ones before them.

    A strategy defines ``rank``; handing out, skipping, batches and refusals are implemented here for all.

    Args:
        description: one line for people who choose.
        leases: who was given which case, shared by all strategies of a server.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> from fewlabel.selection.leases import Leases
        >>> folder = Path(mkdtemp())
        >>> from types import SimpleNamespace
        >>> images = ["a", "b"]
        >>> study = SimpleNamespace(list_images=lambda: images, get_unlabeled_images=lambda: images,
        ...     get_labeled_images=lambda: [], get_image_uri=lambda case: "")
        >>> class Last(FewLabelStrategy):
        ...     def rank(self, unlabelled, datastore, count):
        ...         return Ranking(sorted(unlabelled)[::-1], lambda case: {"reason": "It is the last by name."})
        >>> strategy = Last("From the end", Leases(folder / "served.json"))
        >>> strategy({}, study)
        {'id': 'b', 'rank': 1, 'of': 2, 'reason': 'It is the last by name.'}
        >>> strategy({}, study)["id"]  # somebody has the other one
        'a'
    """

    def __init__(self, description: str, leases: Leases) -> None:
        super().__init__(description)
        self.leases = leases

    def info(self) -> dict[str, Any]:
        return {**super().info(), "config": {"count": 1}}

    def rank(self, unlabelled: list[str], datastore: Datastore, count: int) -> Ranking:
        """Rank all cases; the first ``count`` that are free will be handed out together.

        Args:
            unlabelled: ids of all cases without a label, in any order; not to be changed.
            datastore: of the study, for lists of cases; opening files would keep people waiting.
            count: number of cases requested.
        """
        raise NotImplementedError(f"{type(self).__name__} has no rank(unlabelled, datastore, count).")

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """The next case: ``{id, reason, rank, of, ...}``; if several are requested, ``batch`` has all of them.

        Args:
            request: ``count``: how many cases, 1 to 100; ``skip``: id of a case to put off for a day.
            datastore: the study's.

        Raises:
            Refusal: (404) every case has a label, or there are no images, or there is no such case to skip; (400)
                ``count`` is not from 1 to 100.
        """
        count = _count(request.get("count", 1))
        self._skip(request.get("skip"), datastore)
        unlabelled = datastore.get_unlabeled_images()
        if not unlabelled:
            total = len(datastore.list_images())
            raise Refusal(
                f"Every case of this study is labelled ({total}): nothing is left to label."
                if total
                else "This study has no images: put .nii.gz, .nii or .nrrd volumes into its folder.",
                404,
            )
        ranking = self.rank(unlabelled, datastore, count)
        chosen = self._free(ranking.order, count)
        answers = [self._response(case, ranking) for case in chosen]
        self.leases.give(chosen)
        return answers[0] if count == 1 else {**answers[0], "batch": answers}

    def _skip(self, case: str | None, datastore: Datastore) -> None:
        if not case:
            return
        if case not in datastore.list_images():
            raise Refusal(f"There is no image '{case}' in this study: it cannot be skipped.", 404)
        self.leases.skip(case)

    def is_free(self, case: str) -> bool:
        """Whether the case is neither handed out nor skipped."""
        return not (self.leases.recent(case) or self.leases.skipped(case))

    def _free(self, order: list[str], count: int) -> list[str]:
        """First the free cases in order, then skipped ones, then those handed out longest ago."""
        chosen: list[str] = []
        rest: list[str] = []
        for case in order:
            if len(chosen) == count:
                break
            (chosen if self.is_free(case) else rest).append(case)
        rest.sort(key=lambda case: (self.leases.recent(case), self.leases.skipped(case)))
        return chosen + rest[: count - len(chosen)]

    def _response(self, case: str, ranking: Ranking) -> dict[str, Any]:
        said = {"id": case, "rank": ranking.order.index(case) + 1, "of": len(ranking.order), **ranking.describe(case)}
        if self.leases.recent(case):
            said["reason"] = "Every case was handed out within the last hour; this one the longest ago."
        elif self.leases.skipped(case):
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


@lru_cache(maxsize=200_000)  # called for every case of the study with every request
def mixing(seed: int, case: str) -> float:
    """A pseudo-random number in (0, 1) that is always the same for a case."""
    digest = hashlib.sha256(f"{seed} {case}".encode()).digest()
    return (int.from_bytes(digest[:7], "big") + 0.5) / 2**56
