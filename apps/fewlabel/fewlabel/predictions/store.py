"""The store of predictions: one file a case, with the newest version only; limited in size."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
import torch

from fewlabel.errors import Refusal
from fewlabel.files import Stamp
from fewlabel.plan import Plan
from fewlabel.predictions.entry import (
    Head,
    Prediction,
    Proposal,
    load,
    load_guess,
    load_head,
    load_picture,
    load_proposal,
    plan_key,
)

logger = logging.getLogger(__name__)

MOST_AGE = 8  # versions: older guesses are not used for training
_GIGABYTE = 2**30


class PredictionStore:
    """Predictions of one study under one plan. One process writes; files are replaced atomically, so others may read.

    Predictions of another plan, or with other classes, are ignored, and deleted when space is needed.

    Args:
        folder: of the files; created when the first is written.
        plan: the present one; None: those of every plan are used.
        gigabytes: limit on disk.

    Attributes:
        current: newest known version of the model, from which ages are counted.
    """

    def __init__(self, folder: Path, plan: Plan | None, gigabytes: float = 5.0) -> None:
        self.folder, self.gigabytes = Path(folder), gigabytes
        self.classes, self.key = (plan.classes, plan_key(plan)) if plan else ((), "")
        self.heads: dict[str, Head] = {}
        self.current = 0.0
        self._sizes: dict[Path, int] = {}
        self._usable: frozenset[str] | None = None
        for path in sorted(self.folder.glob("*.npz")):
            self._take_in(path)

    def _take_in(self, path: Path) -> None:
        if path.name.startswith(".writing-"):
            return
        head = load_head(path)
        self._sizes[path] = path.stat().st_size
        if head is not None and self._is_ours(head) and path == self._path(head.case):
            self.heads[head.case] = head
            self.current = max(self.current, head.version)

    def _is_ours(self, head: Head) -> bool:
        if not self.key:
            return True
        return head.plan == self.key and head.classes == tuple(self.classes)

    def _path(self, case: str) -> Path:
        return self.folder / f"{hashlib.sha256(case.encode()).hexdigest()[:32]}.npz"

    def clear_leftovers(self) -> None:
        """Remove unfinished files of a killed process; only for the process that writes."""
        for leftover in self.folder.glob(".writing-*"):
            leftover.unlink(missing_ok=True)

    def begin(self, version: float) -> None:
        """Set the current version: predictions of earlier versions become older."""
        self.current, self._usable = max(self.current, version), None

    def put(self, prediction: Prediction | Proposal) -> bool:
        """Store a prediction, replacing an older one of its case; False where the limit on disk is reached.

        Raises:
            Refusal: (507) it cannot be written.
            ValueError: it was made under another plan or with other classes.
        """
        head = prediction.head
        if not self._is_ours(head):
            raise ValueError(f"The prediction of '{head.case}' was made under another plan or with other classes.")
        path = self._path(head.case)
        prediction.save(path)
        self._sizes[path] = path.stat().st_size
        self.heads[head.case] = head
        self.begin(head.version)
        if not self._make_room(keep=path):
            self._drop(path)
            return False
        return True

    def _make_room(self, keep: Path) -> bool:
        """Delete the oldest predictions until the rest fits; False where only the newest version is left."""
        of_path = {self._path(case): head.version for case, head in self.heads.items()}
        stalest = sorted(self._sizes, key=lambda path: (of_path.get(path, -1), path.name))
        while self.bytes > self.gigabytes * _GIGABYTE:
            if not stalest or of_path.get(stalest[0], -1) >= of_path[keep]:
                return False
            self._drop(stalest.pop(0))
        return True

    def _drop(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._sizes.pop(path, None)
        self.heads = {case: head for case, head in self.heads.items() if self._path(case) != path}
        self._usable = None

    @property
    def bytes(self) -> int:
        """Size on disk, including entries of other plans."""
        return sum(self._sizes.values())

    def age(self, case: str) -> float | None:
        """Number of versions published since a case was predicted; None where there is no prediction."""
        head = self.heads.get(case)
        return None if head is None else self.current - head.version

    def usable(self) -> frozenset[str]:
        """Ids of the cases whose guess is recent enough for training."""
        if self._usable is None:
            self._usable = frozenset(
                case for case, head in self.heads.items() if self.current - head.version <= MOST_AGE
            )
        return self._usable

    def version(self, case: str) -> float | None:
        """Version of the model that made the guess of a case; None where there is no usable guess."""
        return self.heads[case].version if case in self.usable() else None

    def guess(self, case: str, grid: tuple[tuple[int, ...], np.ndarray], source: Stamp | None) -> torch.Tensor | None:
        """Label map and confidence (0..255), uint8 2HWD, for a scan on that grid (shape, affine).

        None where there is no prediction, or one with another plan, grid, list of classes or image file, or one that
        is too old.

        Args:
            case: id.
            grid: of the scan under the plan.
            source: stamp of its image file now; the prediction of a replaced scan is not used.
        """
        if case not in self.usable():
            return None
        found = load_guess(self._path(case))
        if found is None or not self._serves(found[0], source) or not found[0].is_on(*grid):
            return None
        return torch.from_numpy(found[1])

    def get(self, case: str, source: Stamp | None) -> Prediction | None:
        """The stored prediction of a case, however old; None where there is none for this plan, classes and file.

        Args:
            case: id.
            source: see ``guess``.
        """
        found = load(self._path(case)) if case in self.heads else None
        return found if found is not None and self._serves(found.head, source) else None

    def proposal(self, case: str, source: Stamp | None) -> Proposal | None:
        """As ``get``, in a store of proposals."""
        found = load_proposal(self._path(case)) if case in self.heads else None
        return found if found is not None and self._serves(found.head, source) else None

    def picture(self, case: str, source: Stamp | None) -> tuple[Head, np.ndarray] | None:
        """Head and picture of a proposal (see ``Proposal``); None as ``get``."""
        found = load_picture(self._path(case)) if case in self.heads else None
        return found if found is not None and self._serves(found[0], source) else None

    def _serves(self, head: Head, source: Stamp | None) -> bool:
        return self._is_ours(head) and head.source == source


def try_to_put(store: PredictionStore, prediction: Prediction) -> bool:
    """Store a prediction if possible: a full disk must not end the work that uses predictions."""
    try:
        return store.put(prediction)
    except Refusal as error:
        logger.warning("a prediction was not stored: %s", error)
        return False
