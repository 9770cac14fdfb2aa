"""The strategy that covers the pool, and how scans are spread out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from monailabel.interfaces.datastore import Datastore

from fewlabel.selection.features import FeatureStore, farthest
from fewlabel.selection.served import Served
from fewlabel.selection.strategies import FewLabelStrategy, Ranking, mixing


class Coverage(FewLabelStrategy):
    """The scans that differ most from what is labelled or handed out, whatever a model says.

    Greedy k-centre (Gonzalez 1985); the first case is the most typical one.
    """

    def __init__(self, served: Served, features: FeatureStore, seed: int = 0) -> None:
        super().__init__("The scans that look most different from those already chosen", served)
        self.features, self.seed = features, seed

    def rank(self, unlabelled: list[str], datastore: Datastore, count: int) -> Ranking:
        self.features.fill_in_background(datastore.list_images(), datastore.get_image_uri)
        return self.cover(unlabelled, datastore.get_labeled_images(), count, "No model was asked")

    def cover(self, unlabelled: list[str], labelled: list[str], count: int, before: str) -> Ranking:
        """Rank by the distance to what is taken; each of the first ``count`` counts as taken for the next.

        Args:
            unlabelled, labelled: ids.
            count: cases that are handed out together.
            before: how the reason begins.
        """
        known = self.features.known
        seen = {case: known[case] for case in unlabelled if case in known}
        taken = [*labelled, *(case for case in seen if self.served.recent(case))]
        chosen = {case: known[case] for case in taken if case in known}
        mixed = sorted(unlabelled, key=lambda case: mixing(self.seed, case))
        order, distance = spread_out(mixed, seen, chosen, count, self.is_free)

        def describe(case: str) -> dict[str, Any]:
            if case not in distance:
                return {"reason": f"{before}, and its image has not been looked at: taken in mixed order."}
            if distance[case] < 0:
                return {"reason": f"{before}: it is the most typical of the {len(seen)} scans looked at so far."}
            reason = f"{before}: of the {len(seen)} scans looked at so far it differs most from those already chosen."
            return {"reason": reason, "score": round(distance[case], 4)}

        return Ranking(order, describe)

    def is_free(self, case: str) -> bool:
        """Whether nobody has the case or put it off."""
        return not (self.served.recent(case) or self.served.skipped(case))


def spread_out(
    order: list[str],
    seen: dict[str, list[float]],
    chosen: dict[str, list[float]],
    count: int,
    is_free: Callable[[str], bool],
) -> tuple[list[str], dict[str, float]]:
    """All cases, first ``count`` free ones each farthest from all taken before, then by distance.

    Args:
        order: all cases, ties in this order.
        seen: features of candidates.
        chosen: features of what is taken.
        count: picks.
        is_free: whether a case may be picked.

    Returns:
        the order, and each candidate's distance when it was picked, or in the end.
    """
    left, taken = dict(seen), dict(chosen)
    picked: list[str] = []
    distances: dict[str, float] = {}
    distance = farthest(left, taken)
    while left and len(picked) < count:
        free = [case for case in order if case in left and is_free(case)]
        if not free:
            break
        best = max(free, key=distance.__getitem__)
        distances[best] = distance[best]
        picked.append(best)
        first = not taken
        taken[best] = left.pop(best)
        if first:
            distance = farthest(left, taken)
        else:
            nearer = farthest(left, {best: taken[best]})
            distance = {case: min(distance[case], nearer[case]) for case in left}
    rest = sorted(
        (case for case in order if case not in distances), key=lambda c: distance.get(c, -math.inf), reverse=True
    )
    return [*picked, *rest], {**{case: distance[case] for case in left}, **distances}
