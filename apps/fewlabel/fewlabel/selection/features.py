"""Cheap features of every scan, to tell which look alike before any model exists."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from nibabel.orientations import apply_orientation, io_orientation
from scipy.ndimage import uniform_filter, zoom

from fewlabel.data.volumes import UnreadableVolume, Volume, read_volume
from fewlabel.errors import Refusal
from fewlabel.workspace import read_json, write_json

logger = logging.getLogger(__name__)

_MOST = 500  # cases that are looked at; a random sample of a larger pool covers it as well
_THUMBNAIL = 6  # voxels per side


def features(volume: Volume) -> list[float]:
    """A small thumbnail (6x6x6 voxels, intensities scaled to 0..1) with the extents in log mm: 219 numbers.

    Source: inferred; enough to tell anatomy, field of view, and contrast apart.
    """
    orientation = io_orientation(volume.affine)
    array = apply_orientation(volume.array, orientation)  # right, anterior, superior: however the file stores it
    steps = [max(1, side // (4 * _THUMBNAIL)) for side in array.shape]
    coarse = array[:: steps[0], :: steps[1], :: steps[2]].astype(np.float32)
    low, high = np.percentile(coarse, (1, 99))
    coarse = np.clip((coarse - low) / max(high - low, 1e-6), 0, 1)
    smooth = uniform_filter(coarse, [side / _THUMBNAIL for side in coarse.shape])  # noise is no feature
    thumbnail = zoom(smooth, [_THUMBNAIL / side for side in coarse.shape], order=1)
    extent = np.log(np.multiply(array.shape, np.array(volume.spacing)[np.argsort(orientation[:, 0])]))
    return [round(float(value), 4) for value in (*thumbnail.ravel(), *extent)]


def farthest(candidates: dict[str, list[float]], chosen: dict[str, list[float]]) -> dict[str, float]:
    """Distance of each candidate to the nearest chosen case; to the mean of all, negated, while none is chosen.

    The largest value is the next case of a k-centre cover (Gonzalez 1985); the first case is the most typical one.
    """
    if not candidates:
        return {}
    points = np.array(list(candidates.values()), np.float32)
    if chosen:
        centres = np.array(list(chosen.values()), np.float32)
        nearest = np.full(len(points), np.inf, np.float32)
        for centre in centres:
            nearest = np.minimum(nearest, np.linalg.norm(points - centre, axis=1))
        return dict(zip(candidates, nearest.tolist(), strict=True))
    distance = np.linalg.norm(points - points.mean(0), axis=1)
    return dict(zip(candidates, (-distance).tolist(), strict=True))


class FeatureStore:
    """Features by case id, kept in a file and filled in the background.

    Args:
        path: ``features.json`` of the workspace.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[str, list[float]] = read_json(path, {})
        self._unusable: set[str] = set()
        self._busy = threading.Lock()

    def fill(self, images: list[str], locate: Callable[[str], str], seed: int = 0) -> None:
        """Compute what is missing for at most 500 of ``images``; one call at a time, others return at once."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            chosen = random.Random(seed).sample(sorted(images), min(_MOST, len(images)))
            missing = [case for case in chosen if case not in self.known and case not in self._unusable]
            for count, case in enumerate(missing, 1):
                try:
                    found = features(read_volume(locate(case)))
                except (UnreadableVolume, OSError, Refusal) as error:
                    logger.warning("no features: %s", error)
                    self._unusable.add(case)
                    continue
                self.known = {**self.known, case: found}
                if count % 50 == 0:
                    write_json(self.path, self.known)
            if missing:
                write_json(self.path, self.known)
        finally:
            self._busy.release()

    def fill_in_background(self, images: list[str], locate: Callable[[str], str], seed: int = 0) -> None:
        """The same in a daemon thread; nothing where enough is known already."""
        if len(self.known) + len(self._unusable) >= min(_MOST, len(images)) or self._busy.locked():
            return
        threading.Thread(target=self.fill, args=(images, locate, seed), name="features", daemon=True).start()
