"""Cheap features of every scan, which measure similarity before any model exists."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from nibabel.orientations import apply_orientation, io_orientation
from scipy.ndimage import uniform_filter, zoom
from scipy.spatial.distance import cdist
from torch.nn import functional

from fewlabel.errors import Refusal
from fewlabel.files import Stamp, stamp
from fewlabel.volumes.reading import UnreadableVolume, Volume, read_volume
from fewlabel.workspace import read_json, write_json

logger = logging.getLogger(__name__)

_MOST = 500  # cases that are read; a random sample represents a larger pool as well
_THUMBNAIL = 6  # voxels per side
_LOOKED_AT = 32  # voxels per side of the convolutions' input
_CHANNELS = (16, 32, 64)
LENGTH = _THUMBNAIL**3 + 3 + 2 * sum(_CHANNELS)


def features(volume: Volume) -> list[float]:
    """443 numbers: a thumbnail, the extents, and statistics of untrained convolutions.

    The thumbnail has 6x6x6 voxels with intensities scaled to 0..1; the extents are log mm; the rest are mean and
    standard deviation of each channel of three random convolutions (seed 0; 16, 32 and 64 channels, stride 2).

    Source: inferred, and chosen by ``scripts/experiment.py features``: on the development cases of two cohorts of
    hippocampi these distances predict best which labels are similar, and which cases represent the others.
    """
    orientation = io_orientation(volume.affine)
    array = apply_orientation(volume.array, orientation)  # right, anterior, superior, independent of the file
    steps = [max(1, side // (2 * _LOOKED_AT)) for side in array.shape]
    coarse = array[:: steps[0], :: steps[1], :: steps[2]].astype(np.float32)
    low, high = np.percentile(coarse, (1, 99))
    coarse = np.clip((coarse - low) / max(high - low, 1e-6), 0, 1)
    smooth = uniform_filter(coarse, [side / _THUMBNAIL for side in coarse.shape])  # removes noise
    thumbnail = zoom(smooth, [_THUMBNAIL / side for side in coarse.shape], order=1)
    extent = np.log(np.multiply(array.shape, np.array(volume.spacing)[np.argsort(orientation[:, 0])]))
    seen = _random_convolutions(zoom(coarse, [_LOOKED_AT / side for side in coarse.shape], order=1))
    return [round(float(value), 4) for value in (*thumbnail.ravel(), *extent, *seen)]


@torch.no_grad()
def _random_convolutions(array: np.ndarray) -> list[float]:
    values = torch.as_tensor((array - array.mean()) / max(float(array.std()), 1e-6))[None, None]
    generator, pooled = torch.Generator().manual_seed(0), []
    for channels in _CHANNELS:
        kernel = torch.randn(channels, values.shape[1], 3, 3, 3, generator=generator) / (27 * values.shape[1]) ** 0.5
        values = functional.relu(functional.conv3d(values, kernel, stride=2, padding=1))
        pooled += [values.mean((0, 2, 3, 4)), values.std((0, 2, 3, 4))]
    return torch.cat(pooled).tolist()


class Geometry:
    """Distances between scans.

    Args:
        known: features by case, all of one length.

    Attributes:
        index: of each case in the matrix.
        points: features of each scan, in their own standard deviations.
        distance: between any two scans' points.
        median: of all distances; 1 where there are fewer than two scans.

    Examples:
        >>> geometry = Geometry({"left": [0.0], "middle": [1.0], "right": [2.0]})
        >>> geometry.to_nearest(["left"]).round(2).tolist()
        [0.0, 1.2200000286102295, 2.450000047683716]
        >>> int(geometry.gains(geometry.to_nearest([])).argmax())  # the middle one represents the others best
        1
    """

    def __init__(self, known: dict[str, list[float]]) -> None:
        self.index = {case: number for number, case in enumerate(known)}
        points = np.array(list(known.values()), np.float64) if known else np.zeros((0, 1))
        spread = points.std(0) if known else np.ones(1)
        self.points = points / np.where(spread > 0, spread, 1)  # distances do not depend on the mean
        self.distance = cdist(self.points, self.points).astype(np.float32)
        pairs = self.distance[np.triu_indices(len(points), 1)]
        self.median = max(float(np.median(pairs)), 1e-6) if pairs.size else 1.0

    def indices(self, cases: list[str]) -> np.ndarray:
        """Indices of those cases that are known."""
        return np.array([self.index[case] for case in cases if case in self.index], int)

    def to_nearest(self, taken: list[str]) -> np.ndarray:
        """Distance of every known scan to the nearest of these cases; infinite where none of them is known."""
        indices = self.indices(taken)
        return self.distance[:, indices].min(1) if indices.size else np.full(len(self.distance), np.inf, np.float32)

    def gains(self, nearest: np.ndarray) -> np.ndarray:
        """For each scan, the reduction of the mean distance to the nearest chosen one if it is chosen, too.

        Args:
            nearest: distance of each scan to the nearest one chosen so far.
        """
        if not len(nearest):
            return np.zeros(0)
        before = np.minimum(nearest, self.distance.max(1))  # finite while nothing is chosen
        return before.mean() - np.minimum(before[:, None], self.distance).mean(0)


class FeatureStore:
    """Features by case id, kept in a file and filled in the background.

    Args:
        path: ``features.json`` of the workspace.

    Examples:
        >>> from tempfile import mkdtemp
        >>> store = FeatureStore(Path(mkdtemp()) / "features.json")
        >>> store.fill(["gone"], lambda case: "/nowhere/gone.nii.gz")  # unreadable scans are left out
        >>> store.known
        {}
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        kept = read_json(path, {})
        kept = kept if isinstance(kept, dict) else {}
        self.known: dict[str, list[float]] = {case: each for case, each in kept.items() if len(each) == LENGTH}
        self._geometry: tuple[int, Geometry] | None = None
        self._unusable: dict[str, Stamp | None] = {}  # with the file that could not be read
        self._busy = threading.Lock()

    def geometry(self) -> Geometry:
        """Distances between all known scans, computed again only when one was added."""
        known = self.known
        if self._geometry is None or self._geometry[0] != id(known):
            self._geometry = (id(known), Geometry(known))
        return self._geometry[1]

    def fill(self, images: list[str], locate: Callable[[str], str], seed: int = 0) -> None:
        """Compute missing features of at most 500 of ``images``; a second call at the same time returns at once."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            chosen = random.Random(seed).sample(sorted(images), min(_MOST, len(images)))
            missing = [case for case in chosen if case not in self.known and not self._is_unusable(case, locate)]
            for count, case in enumerate(missing, 1):
                self._unusable[case] = None
                try:
                    self._unusable[case] = stamp(locate(case))
                    found = features(read_volume(locate(case)))
                except (UnreadableVolume, OSError, Refusal) as error:
                    logger.warning("no features: %s", error)
                    continue
                del self._unusable[case]
                self.known = {**self.known, case: found}
                if count % 50 == 0:
                    write_json(self.path, self.known)
            if missing:
                write_json(self.path, self.known)
        finally:
            self._busy.release()

    def fill_in_background(self, images: list[str], locate: Callable[[str], str], seed: int = 0) -> None:
        """``fill`` in a daemon thread, unless enough is known already."""
        looked_at = sum(case in self.known or self._is_unusable(case, locate) for case in images)
        if looked_at >= min(_MOST, len(images)) or self._busy.locked():
            return
        threading.Thread(target=self.fill, args=(images, locate, seed), name="features", daemon=True).start()

    def _is_unusable(self, case: str, locate: Callable[[str], str]) -> bool:
        """Whether a scan could not be read, and its file has not changed since."""
        try:
            return case in self._unusable and self._unusable[case] == stamp(locate(case))
        except (OSError, Refusal):
            return True
