"""Label maps with known mistakes, and predictions as imperfect as one likes."""

import json
import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from experiments.demo.phantom import generate
from fewlabel.review.check import Opinion, check
from fewlabel.review.correction import correction, dice_matrix, overlaps
from fewlabel.volumes.reading import read_label

WAYS = ("bent", "ragged", "eroded", "grown", "cut", "false alarm")


def names(count):
    return [f"class {value}" for value in range(1, count + 1)]


def mean_dice(label, prediction, classes):
    return float(np.nanmean(np.diag(dice_matrix(overlaps(label, prediction, classes)))))


def smooth(rng, shape, wavelength):
    field = ndimage.gaussian_filter(rng.standard_normal(shape), wavelength, mode="wrap")
    return field / field.std()


def _bent(label, strength, rng):
    """Elastically deformed, by about 12 voxels at strength 1."""
    scale = max(2.0, min(label.shape) / 6)
    positions = np.stack(np.meshgrid(*map(np.arange, label.shape), indexing="ij")).astype(float)
    positions += 12 * strength * np.stack([smooth(rng, label.shape, scale) for _ in range(3)])
    return ndimage.map_coordinates(label, positions, order=0, mode="nearest")


def _shares(label):
    values = range(int(label.max()) + 1)
    return np.stack([ndimage.gaussian_filter((label == value).astype(np.float32), 1.2) for value in values])


def _ragged(label, strength, rng):
    """Noise of the size of a few voxels decides at and beyond the borders."""
    noise = np.stack([smooth(rng, label.shape, 1.5) for _ in range(int(label.max()) + 1)])
    return (_shares(label) + 0.9 * strength * noise).argmax(0).astype(np.uint8)


def _eroded(label, strength, rng):
    shares = _shares(label)
    shares[0] += strength
    return shares.argmax(0).astype(np.uint8)


def _grown(label, strength, rng):
    """All classes grow outwards, by up to 12 voxels."""
    distance, nearest = ndimage.distance_transform_edt(label == 0, return_indices=True)
    return np.where(distance <= 12 * strength, label[tuple(nearest)], 0).astype(np.uint8)


def _cut(label, strength, rng):
    """What lies beyond a plane is missed."""
    direction = rng.normal(size=3)
    height = np.tensordot(direction, np.indices(label.shape), 1)
    inside = height[label > 0]
    return np.where(height <= np.quantile(inside, max(0.0, 1 - strength)), label, 0).astype(np.uint8)


def _false_alarm(label, strength, rng):
    """A ball of one class elsewhere in the scan."""
    centre = [rng.uniform(0, side) for side in label.shape]
    away = np.indices(label.shape) - np.reshape(centre, (3, 1, 1, 1))
    ball = np.square(away).sum(0) <= (max(label.shape) * strength / 1.5) ** 2
    return np.where(ball & (label == 0), rng.integers(1, int(label.max()) + 1), label).astype(np.uint8)


WAY = dict(zip(WAYS, (_bent, _ragged, _eroded, _grown, _cut, _false_alarm), strict=True))


def predict(label, dice, seed=0, way="bent"):
    """A prediction of about this mean Dice with ``label``, wrong in one of WAYS."""
    return _predict(label.tobytes(), label.shape, dice, seed, way)


@lru_cache(maxsize=64)
def _predict(content, shape, dice, seed, way):
    label = np.frombuffer(content, np.uint8).reshape(shape)
    classes, low, high = int(label.max()), 0.0, 1.0
    found = label
    for _ in range(7):
        strength = (low + high) / 2
        found = WAY[way](label, strength, np.random.default_rng(seed))
        reached = mean_dice(label, found, classes)
        if abs(reached - dice) < 0.01:
            break
        low, high = (strength, high) if reached > dice else (low, strength)
    return found


def flags(label, prediction, affine=None, classes=None, confidence=0.9, validation=0.85):
    """The flags of a label against a prediction."""
    classes = classes or int(max(label.max(), prediction.max()))
    measured = None if validation is None else dict.fromkeys(names(classes), validation)
    opinion = Opinion(prediction, names(classes), [confidence] * classes, measured)
    return check(label, opinion, np.eye(4) if affine is None else affine, overlaps(label, prediction, classes))


def shift(label, offset):
    """Moved by whole voxels; nothing comes in again at the other side."""
    moved = np.zeros_like(label)
    to = tuple(slice(max(0, o), n + min(0, o)) for o, n in zip(offset, label.shape, strict=True))
    of = tuple(slice(max(0, -o), n + min(0, -o)) for o, n in zip(offset, label.shape, strict=True))
    moved[to] = label[of]
    return moved


class Tools:
    """Everything above, for the tests."""

    ways = WAYS
    names, predict, flags, shift, mean_dice = map(staticmethod, (names, predict, flags, shift, mean_dice))

    @staticmethod
    def kinds(*arguments, **options):
        return [flag["kind"] for flag in flags(*arguments, **options)]

    @staticmethod
    def correct(label, prediction, classes):
        return correction(overlaps(label, prediction, len(classes)), classes)


@pytest.fixture(scope="session")
def tools():
    return Tools


def hippocampus_folder():
    """The hippocampus labels below the folder that FEWLABEL_DATA names (default ../shared/data), or None."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get("FEWLABEL_DATA") or beside) / "hippocampus"
    return folder if (folder / "splits.json").exists() else None


@pytest.fixture(scope="session")
def hippocampus():
    """Development labels, two classes each, with their affines."""
    folder = hippocampus_folder()
    if folder is None:
        pytest.skip("needs real volumes: set FEWLABEL_DATA to a folder with hippocampus/splits.json")
    cases = json.loads((folder / "splits.json").read_text())["development"]
    volumes = [read_label(folder / "labels" / f"{case}.nii.gz") for case in cases]
    return [(volume.array, volume.affine) for volume in volumes]


@pytest.fixture(scope="session")
def phantoms():
    """Two generated scans' labels with their affines: oblique, anisotropic, permuted."""
    made = [generate(seed).label for seed in range(2)]
    return [(label.array, label.affine) for label in made]
