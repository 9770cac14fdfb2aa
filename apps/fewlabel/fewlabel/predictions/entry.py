"""One stored prediction, and its file."""

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
_ARRAYS = (*_MAPS, "features")
_DAMAGED = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


def plan_key(plan: Plan) -> str:
    """A key of everything in a plan that predictions depend on (not the size of a step, nor the reasons).

    A published plan may name one network of a method with two; all predictions of a training share the first.
    """
    values = dataclasses.asdict(plan)
    kept = {name: value for name, value in values.items() if name not in ("batch", "reasons")}
    kept["network"] = plan.network.partition("+")[0]
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Head:
    """Origin and statistics of a prediction.

    Attributes:
        case: id.
        version: of the model: an integer for a published one; a fraction in between for predictions during a training.
        plan: see ``plan_key``.
        classes: names; ``classes[i]`` has the value ``i + 1``.
        shape, affine: grid of the scan under the plan: voxels, and 4 x 4 to RAS mm.
        source: stamp of the image file (see fewlabel.files); None if unknown.
        probability: mean probability of each class where it is predicted, 0..1; 0 if it is not.
        volume: of each class, in ml.
        published: when that model was published, seconds since the epoch; None: not known.
        score: uncertainty of the case, 0..1 (see uncertainty.score_of); None: not computed with it.
        notes: sentences from reading the image.
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
    published: int | None = None
    score: float | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Head:
        """The inverse of ``dataclasses.asdict``, also after JSON."""
        fixed: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        fixed["affine"] = tuple(tuple(row) for row in values["affine"])
        return cls(**fixed)

    def is_on(self, shape: tuple[int, ...], affine: np.ndarray) -> bool:
        """Whether this is its grid, within a thousandth of a voxel's side."""
        ours, theirs = np.array(self.affine), np.asarray(affine, float)
        side = np.linalg.norm(ours[:3, :3], axis=0).min()
        return tuple(shape) == self.shape and bool(np.abs(ours - theirs).max() < 1e-3 * side)


@dataclass(frozen=True)
class Prediction:
    """The prediction of one case by one version of the model; maps are uint8 HWD on the plan's grid.

    Attributes:
        head: see Head.
        labels: the deployed network's classes.
        confidence: its probability of them, 0..255 for 0..1.
        entropy: of the members' mean prediction, as a share of its maximum, 0..255.
        disagreement: of the members, as a share of its maximum, 0..255.
        features: deepest features of the deployed network, mean over the scan, float16.
    """

    head: Head
    labels: np.ndarray
    confidence: np.ndarray
    entropy: np.ndarray
    disagreement: np.ndarray
    features: np.ndarray

    def save(self, path: Path) -> None:
        """Write it atomically. Raises Refusal (507) where it cannot be written."""
        write(path, self.head, {name: getattr(self, name) for name in _ARRAYS})


@dataclass(frozen=True)
class Proposal:
    """The label map that ``/infer`` gives for a case, ready to be accepted; small enough for every scan of a study.

    Attributes:
        head: see Head; ``shape`` and ``affine`` are those of the image file, ``probability`` is taken there.
        labels: uint8 HWD on the grid of the image file, in the values of ``head.classes``.
        picture: uint8 2 x rows x columns, of picture.middle_slice; None: of an earlier version, which made none.
    """

    head: Head
    labels: np.ndarray
    picture: np.ndarray | None = None

    def save(self, path: Path) -> None:
        """Write it atomically. Raises Refusal (507) where it cannot be written."""
        pictures = {} if self.picture is None else {"picture": self.picture}
        write(path, self.head, {"labels": self.labels, **pictures})


def write(path: Path, head: Head, arrays: dict[str, np.ndarray]) -> None:
    """Write a head and arrays into one file, atomically. Raises Refusal (507) where it cannot be written."""
    said = np.frombuffer(json.dumps(dataclasses.asdict(head)).encode(), np.uint8)
    replace_file(path, lambda temporary: np.savez_compressed(temporary, head=said, **arrays))


def load_proposal(path: Path) -> Proposal | None:
    """A proposal; None as ``load_head``."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = Proposal(_head(file), file["labels"], file.get("picture"))
    except _DAMAGED:
        return None
    return found if found.labels.shape == found.head.shape and found.labels.dtype == np.uint8 else None


def load_picture(path: Path) -> tuple[Head, np.ndarray] | None:
    """Head and picture of a proposal, without its label map; None as ``load_head``, or if there is no picture."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return _head(file), file["picture"]
    except _DAMAGED:
        return None


def load_head(path: Path) -> Head | None:
    """The head of a file; None where it does not exist or is damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return _head(file)
    except _DAMAGED:
        return None


def load_guess(path: Path) -> tuple[Head, np.ndarray] | None:
    """Head, and label map and confidence (uint8 2HWD); None as ``load_head``."""
    try:
        with np.load(path, allow_pickle=False) as file:
            head, maps = _head(file), np.stack([file["labels"], file["confidence"]])
    except _DAMAGED:
        return None
    return (head, maps) if maps.shape[1:] == head.shape and maps.dtype == np.uint8 else None


def load(path: Path) -> Prediction | None:
    """The whole prediction; None as ``load_head``."""
    try:
        with np.load(path, allow_pickle=False) as file:
            found = Prediction(_head(file), **{name: file[name] for name in _ARRAYS})
    except _DAMAGED:
        return None
    return found if all(getattr(found, name).shape == found.head.shape for name in _MAPS) else None


def _head(file: Any) -> Head:
    return Head.from_dict(json.loads(file["head"].tobytes()))
