"""Cache of the last predictions, compressed: a label submitted soon after is compared with one of them."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fewlabel.files import stamp

_MOST = 8
_MOST_BYTES = 4 * 2**20  # of one packed label map; most have far less than 1 MiB


@dataclass(frozen=True)
class Prediction:
    """The model's prediction of one image.

    Attributes:
        labels: (i, j, k) uint8 on the grid of the image's file.
        affine: (4, 4), voxel -> RAS mm.
        confidence: per class (without background), mean probability where it is predicted; 0 if it is not.
        notes: from reading the image.
    """

    labels: np.ndarray
    affine: np.ndarray
    confidence: tuple[float, ...]
    notes: tuple[str, ...] = ()


class RecentPredictions:
    """The last few predictions by image file and model; a few MiB in total. Thread-safe."""

    def __init__(self) -> None:
        self._packed: OrderedDict[tuple, tuple] = OrderedDict()
        self._guard = threading.Lock()

    def keep(self, image: Path, card: dict[str, Any], prediction: Prediction) -> None:
        """Remember a prediction of an image by the model with this card."""
        packed = zlib.compress(np.ascontiguousarray(prediction.labels).data, 1)
        if len(packed) > _MOST_BYTES:
            return
        rest = prediction.labels.shape, prediction.affine, prediction.confidence, prediction.notes
        with self._guard:
            self._packed[_key(image, card)] = (packed, *rest)
            while len(self._packed) > _MOST:
                self._packed.popitem(last=False)

    def has(self, image: Path, card: dict[str, Any]) -> bool:
        """Whether :meth:`get` would find it."""
        return _key(image, card) in self._packed

    def get(self, image: Path, card: dict[str, Any]) -> Prediction | None:
        """The prediction of this image by this version of the model; None if there is none or the image has changed."""
        with self._guard:
            found = self._packed.get(_key(image, card))
        if found is None:
            return None
        packed, shape, *rest = found
        return Prediction(np.frombuffer(zlib.decompress(packed), np.uint8).reshape(shape), *rest)


def _key(image: Path, card: dict[str, Any]) -> tuple:
    return str(image), stamp(image), card.get("version"), card.get("time")
