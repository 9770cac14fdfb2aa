"""Compares submitted labels with the model's predictions and adds them to the history."""

from __future__ import annotations

import logging
import math
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
from nibabel.spatialimages import SpatialImage

from fewlabel.devices import choose_device
from fewlabel.files import Stamp, stamp
from fewlabel.inference.recent import Prediction
from fewlabel.inference.segment import FewLabelInfer
from fewlabel.labels import values_between
from fewlabel.published import Published
from fewlabel.review.check import Opinion, check
from fewlabel.review.correction import correction, overlaps
from fewlabel.review.history import History
from fewlabel.volumes.reading import read_label
from fewlabel.workspace import Workspace

logger = logging.getLogger(__name__)

_QUICK = 1_000_000
"""Voxels at the plan's spacing for which a person waits for the prediction: a second or two."""

_QUICK_OWN = 10_000_000
"""Voxels of the file for which comparing is fast enough."""

_WAITING = 16
"""Submissions that may be queued for comparison; further ones are added without one."""


@dataclass(frozen=True)
class Submitted:
    """A submitted label to be compared.

    Attributes:
        case: image id.
        image: its file.
        label: file of the stored label.
        model: the model published at that moment: a later one may be trained on this label.
        entry: in the history.
        stamp: of the label's file: if it has changed, another label was submitted since.
        classes: of the study, for the label's values.
    """

    case: str
    image: Path
    label: Path
    model: Published
    entry: dict[str, Any]
    stamp: Stamp | None
    classes: list[str]


class Reviewer:
    """Compares submitted labels with the published model's predictions; never makes a submission fail.

    Args:
        workspace: of the study.
        infer: task whose loaded model and recent predictions are used.
    """

    def __init__(self, workspace: Workspace, infer: FewLabelInfer) -> None:
        self.workspace, self.infer = workspace, infer
        self.history = History(workspace.history)
        self._waiting: queue.Queue[Submitted] = queue.Queue(_WAITING)
        self._thread: threading.Thread | None = None

    def submitted(
        self,
        case: str,
        image: str | Path,
        label: str | Path,
        replaced: bool,
        strategy: str | None = None,
        kind: str | None = None,
    ) -> dict[str, Any]:
        """Add a submitted label to the history, with a comparison now or, if that takes long, later.

        Args:
            case: image id.
            image: its file.
            label: file of the stored label, on the image's grid.
            replaced: there was a submitted label before.
            strategy: that chose the case, if known.
            kind: of the label: drawn, corrected or accepted.

        Returns:
            ``correction`` {mean, classes}, null if nothing was compared yet, and ``flags``.
        """
        answer: dict[str, Any] = {"correction": None, "flags": []}
        try:
            model = self._model()
            entry = self.history.add(case, replaced, **_of_model(model), strategy=strategy, kind=kind)
            if model is None:
                return answer
            job = Submitted(case, Path(image), Path(label), model, entry, stamp(label), self.workspace.classes())
            if self._is_quick(job):
                values = self._compare(job)
                answer = (
                    answer
                    if not values
                    else {"correction": {"mean": values["mean"], "classes": values["dice"]}, "flags": values["flags"]}
                )
            else:
                self._later(job)
        except Exception:  # whatever it is, the label is stored
            logger.exception("The label of %s is stored; it could not be compared with the model.", case)
        return answer

    def wait(self) -> None:
        """Wait until all queued submissions are compared."""
        self._waiting.join()

    def _model(self) -> Published | None:
        """The published model, if the study has all its classes, in any order."""
        if not self.infer.is_valid():
            return None
        try:
            model = self.infer.published(choose_device(self.infer.device))
        except Exception as error:  # damaged: reported where the model is used
            logger.warning("No comparison with the model: %s", error)
            return None
        return model if set(model.plan.classes) <= set(self.workspace.classes()) else None

    def _is_quick(self, job: Submitted) -> bool:
        header = cast(SpatialImage, nibabel.load(job.label)).header  # a volume; nibabel also has other kinds of images
        voxels = math.prod(header.get_data_shape())
        volume = voxels * math.prod(float(side) for side in header.get_zooms()[:3])
        small = volume / math.prod(job.model.plan.spacing) <= _QUICK
        return voxels <= _QUICK_OWN and (small or self.infer.recent.has(job.image, job.model.card))

    def _later(self, job: Submitted) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=_work, args=(self._waiting, self._compare), daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(job)
        except queue.Full:
            logger.warning("Too many submissions wait: that of %s is not compared with the model.", job.case)

    def _compare(self, job: Submitted) -> dict[str, Any]:
        """Compare and complete the entry; {} where the label was replaced meanwhile."""
        prediction = self._prediction(job)
        if stamp(job.label) != job.stamp:
            return {}
        values = compare(job, prediction)
        for flag in values["flags"]:
            logger.warning("The label of %s (%s): %s", job.case, flag["kind"], flag["reason"])
        self.history.complete(job.entry, **values)
        return values

    def _prediction(self, job: Submitted) -> Prediction:
        device = choose_device(self.infer.device)
        kept = self.infer.recent.get(job.image, job.model.card)
        return kept or self.infer.predict(job.model, job.image, device)


def compare(job: Submitted, prediction: Prediction) -> dict[str, Any]:
    """Values of a comparison for the history: ``dice``, ``mean``, ``changed``, ``confidence``, ``flags``.

    Classes that were added to the study after the model was trained count as background.
    """
    classes = job.model.plan.classes
    volume = read_label(job.label)
    values = values_between(job.classes, classes)
    label = values[np.where(volume.array < len(values), volume.array, 0)]
    counts = overlaps(label, prediction.labels, len(classes))
    found = correction(counts, classes)
    opinion = Opinion(prediction.labels, classes, prediction.confidence, job.model.card.get("validation"))
    return {
        "dice": {name: round(value, 4) for name, value in found.dice.items()},
        "mean": None if found.mean is None else round(found.mean, 4),
        "changed": found.changed,
        "confidence": {name: round(value, 4) for name, value in zip(classes, prediction.confidence, strict=True)},
        "flags": check(label, opinion, volume.affine, counts),
    }


def _of_model(model: Published | None) -> dict[str, Any]:
    """Values about the model for an entry, and null for those that are not known yet."""
    card = model.card if model else {}
    dice = [value for value in (card.get("validation") or {}).values() if value is not None]
    return {
        "model_version": card.get("version"),
        "labels": card.get("labelled"),
        "validation": round(sum(dice) / len(dice), 4) if dice else None,
        "dice": {},
        "mean": None,
        "changed": None,
        "confidence": {},
        "flags": [],
    }


def _work(waiting: queue.Queue[Submitted], compare_one: Callable[[Submitted], Any]) -> None:
    """Compare one after the other, for ever; keeps no reference while it waits."""
    while True:
        job = waiting.get()
        try:
            compare_one(job)
        except Exception:
            logger.exception("The label of %s could not be compared with the model.", job.case)
        finally:
            del job
            waiting.task_done()
