"""The strategy for the first labels, before a model exists: cases that represent the pool."""

from __future__ import annotations

import numpy as np
from monailabel.interfaces.datastore import Datastore

from fewlabel.selection.base import FewLabelStrategy, Ranking, mixing
from fewlabel.selection.features import FeatureStore
from fewlabel.selection.leases import Leases
from fewlabel.wording import amount


class Coverage(FewLabelStrategy):
    """The scans that best represent all others, given those that are labelled or handed out.

    Each choice reduces the mean distance from every scan to the nearest chosen one most (greedy k-medoids; Nemhauser
    1978 for its bound). k-centre (Gonzalez 1985) was tried and chose outliers, worse than random for the first labels:
    see ``scripts/experiment.py features``.

    Examples:
        >>> from pathlib import Path
        >>> from tempfile import mkdtemp
        >>> folder, images = Path(mkdtemp()), ["left", "middle", "right"]
        >>> leases, known = Leases(folder / "served.json"), FeatureStore(folder / "features.json")
        >>> known.known = {"left": [0.0], "middle": [1.0], "right": [2.0]}
        >>> Coverage(leases, known).cover(images, [], 1, "No model yet").order[0]  # it represents both others best
        'middle'
    """

    def __init__(self, leases: Leases, features: FeatureStore, seed: int = 0) -> None:
        super().__init__("The scans that best represent all the others", leases)
        self.features, self.seed = features, seed

    def rank(self, unlabelled: list[str], datastore: Datastore, count: int) -> Ranking:
        self.features.fill_in_background(datastore.list_images(), datastore.get_image_uri)
        return self.cover(unlabelled, datastore.get_labeled_images(), count, "No model is used")

    def cover(self, unlabelled: list[str], labelled: list[str], count: int, before: str) -> Ranking:
        """Rank by how well a case represents scans that are not represented yet, greedily.

        Args:
            unlabelled, labelled: ids.
            count: cases that are handed out together.
            before: beginning of the reason.
        """
        geometry = self.features.geometry()
        mixed = sorted(unlabelled, key=lambda case: mixing(self.seed, case))
        nearest = geometry.to_nearest([*labelled, *(case for case in unlabelled if self.leases.recent(case))])
        first = not np.isfinite(nearest).any()
        seen = [case for case in mixed if case in geometry.index]
        gains: dict[str, float] = {}
        free = [case for case in seen if self.is_free(case)]
        for _ in range(min(count, len(free))):
            gain = geometry.gains(nearest)
            best = max(free, key=lambda case: gain[geometry.index[case]])
            gains[best] = float(gain[geometry.index[best]])
            free.remove(best)
            nearest = np.minimum(nearest, geometry.distance[geometry.index[best]])
        gain = geometry.gains(nearest)
        rest = {case: float(gain[geometry.index[case]]) for case in seen if case not in gains}
        order = [*gains, *sorted((case for case in mixed if case not in gains), key=lambda c: -rest.get(c, -1.0))]
        scores = {**rest, **gains}

        def describe(case: str) -> dict[str, object]:
            if case not in scores:
                return {"reason": f"{before}, and its image has not been read yet: taken in random order."}
            if first:
                return {
                    "reason": f"{before}: it is among the most typical of the {amount(len(seen), 'scan')} read so far."
                }
            read = amount(len(seen), "scan")
            reason = f"{before}: of the {read} read so far, it best represents those unlike the chosen ones."
            return {"reason": reason, "score": round(scores[case], 4)}

        return Ranking(order, describe)
