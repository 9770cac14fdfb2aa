"""One stored prediction: what it holds, and its file."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fewlabel.files import Stamp
from fewlabel.plan import Plan
from fewlabel.workspace import replace_file

_MAPS = ("labels", "confidence", "entropy", "disagreement")
_ARRAYS = (*_MAPS, "features", "thumbnail")
_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


def plan_key(plan: Plan) -> str:
    """A name of all that a prediction depends on in a plan: not the crops of a step, nor the reasons.

    A published plan may name the network of a method with two; all of one training share the first.
    """
    values = dataclasses.asdict(plan)
    kept = {name: value for name, value in values.items() if name not in ("batch", "reasons")}
    kept["network"] = plan.network.partition("+")[0]
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Head:
    """Who made a prediction, of what, and the numbers of it.

    Attributes:
        case: id.
        version: of the model: whole for a published one, between two for what a training predicted on its way.
        plan: see ``plan_key``.
        classes: names; ``classes[i]`` has the value ``i + 1``.
        shape, affine: the plan's grid of this scan: voxels, and 4 x 4 to RAS mm.
        source: stamp of the image file (see fewlabel.files), or None where that is not known.
        probability: mean probability of each class where it is predicted, 0..1; 0 where it is not.
        volume: of each class, in ml.
    """

    case: str
    version: float
    plan: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    affine: tuple[tuple[float, ...], ...]
    source: Stamp | None
    probability: tuple[float, ...]
    volume: tuple[float, ...]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Head:
        """The inverse of ``dataclasses.asdict`` and JSON."""
        fixed: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        fixed["affine"] = tuple(tuple(row) for row in values["affine"])
        return cls(**fixed)

    def is_on(self, shape: tuple[int, ...], affine: np.ndarray) -> bool:
        """Whether that is its grid, to a thousandth of a voxel's side."""
        ours, theirs = np.array(self.affine), np.asarray(affine, float)
        side = np.linalg.norm(ours[:3, :3], axis=0).min()
        return tuple(shape) == self.shape and bool(np.abs(ours - theirs).max() < 1e-3 * side)


@dataclass(frozen=True)
class Prediction:
    """One case as one version of the model sees it; maps are uint8 HWD on the plan's grid.

    Attributes:
        head: see Head.
        labels: the deployed network's classes.
        confidence: its probability of them, 0..255 for 0..1.
        entropy: of the members' mean prediction, as a share of its maximum, 0..255.
        disagreement: of the members, as a share of its maximum, 0..255.
        features: the deployed network's deepest ones, mean over the scan, float16.
        thumbnail: uint8 rows x columns: the axial slice with most of what is predicted.
    """

    head: Head
    labels: np.ndarray
    confidence: np.ndarray
    entropy: np.ndarray
    disagreement: np.ndarray
    features: np.ndarray
    thumbnail: np.ndarray

    def save(self, path: Path) -> None:
        """Write it atomically. Raises Refusal (507) where it cannot be written."""
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        head = np.frombuffer(json.dumps(dataclasses.asdict(self.head)).encode(), np.uint8)
        replace_file(path, lambda temporary: np.savez_compressed(temporary, head=head, **arrays))


def load_head(path: Path) -> Head | None:
    """Who made the prediction in a file; None where it is not there or is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return _head(file)
    except _DAMAGED:
        return None


def load_guess(path: Path) -> tuple[Head, np.ndarray] | None:
    """Label map and confidence, uint8 2HWD, and who made them; None as ``load_head``."""
    try:
        with np.load(path, allow_pickle=False) as file:
            head, maps = _head(file), np.stack([file["labels"], file["confidence"]])
    except _DAMAGED:
        return None
    return (head, maps) if maps.shape[1:] == head.shape and maps.dtype == np.uint8 else None


def load(path: Path) -> Prediction | None:
    """All of it; None as ``load_head``."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = Prediction(_head(file), **{name: file[name] for name in _ARRAYS})
    except _DAMAGED:
        return None
    return found if all(getattr(found, name).shape == found.head.shape for name in _MAPS) else None


def _head(file: Any) -> Head:
    return Head.from_dict(json.loads(file["head"].tobytes()))
