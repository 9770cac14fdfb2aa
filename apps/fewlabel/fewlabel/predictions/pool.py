"""Predicts a pool into the store, or as much of it as time allows."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from monai.data import MetaTensor

from fewlabel.data.transforms import Preprocessing
from fewlabel.files import stamp
from fewlabel.plan import Plan
from fewlabel.predictions.entry import Prediction
from fewlabel.predictions.predict import Eyes, describe
from fewlabel.predictions.store import PredictionStore, try_to_put
from fewlabel.volumes.reading import UnreadableVolume


class Keeper:
    """Predicts scans for scoring and stores the predictions, so that both need one pass only.

    Args:
        eyes: the networks.
        store: under the same plan.
        plan: of both.
        version: of the model.
        device: of the networks.
    """

    def __init__(self, eyes: Eyes, store: PredictionStore, plan: Plan, version: float, device: str) -> None:
        self.eyes, self.store, self.plan, self.version, self.device = eyes, store, plan, version, device
        store.begin(version)

    def __call__(self, record: Mapping[str, str], image: MetaTensor) -> Prediction:
        """The prediction of a preprocessed image 1HWD."""
        source = stamp(record["image"])
        seen = self.eyes(image.as_tensor().to(self.device))
        prediction = describe(seen, image, self.plan, record["id"], self.version, source)
        try_to_put(self.store, prediction)
        return prediction


def stored(store: PredictionStore, version: float, record: Mapping[str, str], image: MetaTensor) -> Prediction | None:
    """The stored prediction of exactly this version for a case (``id``, ``image``) and its image 1HWD; else None."""
    head = store.heads.get(record["id"])
    if head is None or head.version != version:
        return None
    found = store.get(record["id"], stamp(record["image"]))
    if found is None or found.head.version != version:
        return None
    return found if found.head.is_on(tuple(image.shape[1:]), image.affine.numpy()) else None


class Pass(NamedTuple):
    """The result of a pass over the pool.

    Attributes:
        done: cases with a prediction of this version.
        of: cases in the pool.
        changed: share of the foreground voxels (now or before) whose class has changed, averaged over the cases that
            had a prediction; NaN where none had.
    """

    done: int
    of: int
    changed: float


def predict_pool(
    eyes: Eyes,
    store: PredictionStore,
    plan: Plan,
    records: Sequence[dict[str, str]],
    version: float,
    device: str,
    seconds: float = math.inf,
    clock: Callable[[], float] = time.monotonic,
) -> Pass:
    """Predict the cases without a prediction of this version: first those without any, then the oldest.

    It may be interrupted and called again: stored predictions are always complete. Unreadable scans are left out.

    Args:
        eyes: the networks.
        store: under the same plan.
        plan: preprocessing.
        records: cases, each with ``id`` and ``image``.
        version: of the model.
        device: to compute on.
        seconds: no case is started after this time.
        clock: gives the time in seconds.
    """
    begun, changes = clock(), []
    store.begin(version)
    steps = Preprocessing(plan)
    made = _versions(store, records)
    to_do = [record for record in records if made.get(record["id"], -1) < version]
    for record in sorted(to_do, key=lambda record: made.get(record["id"], -1)):
        if clock() - begun >= seconds:
            break
        try:
            source = stamp(record["image"])
            image = steps({"image": record["image"]})["image"]
        except (UnreadableVolume, OSError):
            continue
        prediction = describe(eyes(image.as_tensor().to(device)), image, plan, record["id"], version, source)
        before = store.get(record["id"], source)
        if before is not None and before.head.shape == prediction.head.shape:
            changes.append(_changed(before.labels, prediction.labels))
        try_to_put(store, prediction)
    done = sum(each >= version for each in _versions(store, records).values())
    return Pass(done, len(records), sum(changes) / len(changes) if changes else math.nan)


def _versions(store: PredictionStore, records: Sequence[dict[str, str]]) -> dict[str, float]:
    """Case -> version of its prediction, if its image file has not changed since."""
    made = {}
    for record in records:
        head = store.heads.get(record["id"])
        with contextlib.suppress(OSError):  # it cannot be read either, which is reported elsewhere
            if head is not None and head.source == stamp(record["image"]):
                made[head.case] = head.version
    return made


def _changed(before: np.ndarray, now: np.ndarray) -> float:
    foreground = (before > 0) | (now > 0)
    return float((before != now)[foreground].mean()) if foreground.any() else 0.0
