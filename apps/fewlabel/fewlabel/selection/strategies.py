"""Which case is labelled next, and why."""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.strategy import Strategy

from fewlabel.errors import Refusal
from fewlabel.selection.coverage import FeatureStore, farthest
from fewlabel.workspace import Workspace, read_json

_RECENT = 3600.0  # seconds for which a case that was handed out is offered to others last


class Served:
    """When each case was last handed out, shared by all strategies of one server."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._times: dict[str, float] = {}

    def recent(self, case: str) -> float:
        """0.0 if the case was not handed out within the last hour, else when (for sorting: oldest first)."""
        when = self._times.get(case, 0.0)
        return when if self.clock() - when < _RECENT else 0.0

    def now(self, case: str) -> None:
        """Remember that the case is handed out."""
        self._times[case] = self.clock()


class _FewLabelStrategy(Strategy):
    """Ranks the unlabelled cases; those handed out within the last hour come last, oldest first."""

    def __init__(self, description: str, served: Served) -> None:
        super().__init__(description)
        self.served = served

    def rank(self, unlabelled: list[str], datastore: Datastore) -> tuple[list[str], Callable[[str], dict[str, Any]]]:
        """Best first, and what to say about one case: ``reason`` and, where there is one, ``score``."""
        raise NotImplementedError

    def __call__(self, request: dict[str, Any], datastore: Datastore) -> dict[str, Any]:
        """The next case: ``{id, reason, rank, of, ...}``.

        Raises:
            Refusal: (404) every case has a label, or there are no images.
        """
        unlabelled = datastore.get_unlabeled_images()
        if not unlabelled:
            total = len(datastore.list_images())
            raise Refusal(
                f"All {total} cases of this study are labelled: nothing is left to label."
                if total
                else "This study has no images: put .nii.gz, .nii or .nrrd volumes into its folder.",
                404,
            )
        ranked, describe = self.rank(unlabelled, datastore)
        fresh = (case for case in ranked if not self.served.recent(case))
        case = next(fresh, None) or min(ranked, key=self.served.recent)
        rank = ranked.index(case) + 1
        again = self.served.recent(case) > 0
        self.served.now(case)
        if again:
            reason = "Every case was handed out within the last hour; this one the longest ago."
            return {"id": case, "rank": rank, "of": len(ranked), **describe(case), "reason": reason}
        return {"id": case, "rank": rank, "of": len(ranked), **describe(case)}


class First(_FewLabelStrategy):
    """Unlabelled cases by name."""

    def __init__(self, served: Served) -> None:
        super().__init__("By name, one after the other", served)

    def rank(self, unlabelled: list[str], datastore: Datastore) -> tuple[list[str], Callable]:
        return sorted(unlabelled), lambda case: {"reason": "It is the next by name that has no label."}


class Random(_FewLabelStrategy):
    """The honest baseline."""

    def __init__(self, served: Served, seed: int = 0) -> None:
        super().__init__("At random", served)
        self.random = random.Random(seed)

    def rank(self, unlabelled: list[str], datastore: Datastore) -> tuple[list[str], Callable]:
        order = self.random.sample(sorted(unlabelled), len(unlabelled))
        return order, lambda case: {"reason": "It was drawn at random."}


class CoverageThenUncertainty(_FewLabelStrategy):
    """Cover the pool first; once a model has scored the cases, ask for those it is least sure about.

    An untrained model's uncertainty is noise, so the first cases are chosen by how different they look.
    """

    def __init__(self, served: Served, workspace: Workspace, features: FeatureStore) -> None:
        super().__init__("The most different scans first, then those the model is least sure about", served)
        self.workspace = workspace
        self.features = features
        self._scores: tuple[tuple[int, int], dict[str, Any]] | None = None

    def rank(self, unlabelled: list[str], datastore: Datastore) -> tuple[list[str], Callable]:
        scores = self._read_scores()
        scored = scores.get("cases", {})
        known = {case: scored[case]["score"] for case in unlabelled if case in scored}
        if known:
            order = sorted(sorted(unlabelled), key=lambda case: known.get(case, -1.0), reverse=True)
            return order, lambda case: self._uncertain(case, known, scores)
        before = "The model has scored none of these" if scores else "No model yet"
        self.features.fill_in_background(datastore.list_images(), datastore.get_image_uri)
        return self._cover(unlabelled, datastore.get_labeled_images(), before)

    def _uncertain(self, case: str, known: dict[str, float], scores: dict[str, Any]) -> dict[str, Any]:
        if case not in known:
            return {"reason": "The model has not looked at it yet.", "model_version": scores["version"]}
        place = 1 + sum(other > known[case] for other in known.values())
        reason = (
            f"Model version {scores['version']} is unsure about it: uncertainty {known[case]:.2f}, "
            f"number {place} of the {len(known)} unlabelled cases that it has scored."
        )
        return {"reason": reason, "score": known[case], "model_version": scores["version"]}

    def _cover(self, unlabelled: list[str], labelled: list[str], before: str) -> tuple[list[str], Callable]:
        known = self.features.known
        seen = {case: known[case] for case in unlabelled if case in known}
        taken = [*labelled, *(case for case in seen if self.served.recent(case))]
        chosen = {case: known[case] for case in taken if case in known}
        distance = farthest(seen, chosen)
        mixed = sorted(unlabelled, key=_hash)
        order = sorted(mixed, key=lambda case: distance.get(case, -math.inf), reverse=True)

        def describe(case: str) -> dict[str, Any]:
            if case not in distance:
                return {"reason": f"{before}, and its image has not been looked at: taken in mixed order."}
            if not chosen:
                return {"reason": f"{before}: it is the most typical of the {len(seen)} scans looked at so far."}
            reason = (
                f"{before}: of the {len(seen)} scans looked at so far it differs most from the {len(chosen)} chosen."
            )
            return {"reason": reason, "score": round(distance[case], 4)}

        return order, describe

    def _read_scores(self) -> dict[str, Any]:
        """Scores of the newest model, read again only when the file changed."""
        try:
            stamp = self.workspace.scores.stat()
        except FileNotFoundError:
            return {}
        key = (stamp.st_mtime_ns, stamp.st_size)
        if self._scores is None or self._scores[0] != key:
            self._scores = (key, read_json(self.workspace.scores, {}))
        return self._scores[1]


@lru_cache(maxsize=100_000)  # asked for every case of the study with every request
def _hash(case: str) -> str:
    return hashlib.sha256(case.encode()).hexdigest()
