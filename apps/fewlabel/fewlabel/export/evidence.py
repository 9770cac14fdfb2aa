"""How good the published model is on the validation cases, with pictures: for the card of an export."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance
from monai.networks.utils import one_hot

from fewlabel.errors import Refusal
from fewlabel.export.picture import overlay
from fewlabel.export.source import Case, Source
from fewlabel.labels import values_between
from fewlabel.review.correction import dice_matrix, overlaps
from fewlabel.volumes.reading import UnreadableVolume, Volume, read_label, read_volume, same_grid

logger = logging.getLogger(__name__)

_MEASURED: WeakKeyDictionary[Source, Evidence] = WeakKeyDictionary()  # once for all formats of one export


@dataclass(frozen=True)
class Scored:
    """One validation case, on the scan's own grid.

    Attributes:
        case: its id.
        dice: of each class of the model, in order; None where the label lacks it.
        distance: 95th percentile of the Hausdorff distance of each class, mm; None where label or prediction lacks it.
        extra: classes that the prediction has and the label lacks.

    Examples:
        >>> Scored("liver_3", dice=(0.9, None, 0.7), distance=(2.0, None, 5.0)).mean  # the label lacks the second class
        0.8
    """

    case: str
    dice: tuple[float | None, ...]
    distance: tuple[float | None, ...]
    extra: tuple[str, ...] = ()

    @property
    def mean(self) -> float | None:
        """Mean Dice of the classes in the label."""
        known = [value for value in self.dice if value is not None]
        return sum(known) / len(known) if known else None


@dataclass(frozen=True)
class Evidence:
    """Of all validation cases.

    Attributes:
        scored: one for each case that could be measured, by id.
        pictures: (``best``, ``median`` or ``worst``; the case's id; its mean Dice; PNG), at most three.
        left_out: id and why, for each that could not.

    Examples:
        >>> Evidence(scored=(Scored("liver_3", (0.9,), (2.0,)),)).scored[0].case
        'liver_3'
    """

    scored: tuple[Scored, ...] = ()
    pictures: tuple[tuple[str, str, float, bytes], ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()


def measure(source: Source) -> Evidence:
    """Measure the published model on the study's validation cases; once for all formats of a source.

    Only labels that a person drew or corrected are used; an accepted one is the model's own proposal.

    Raises:
        Refusal: (409), (500) there is no model that can be used; (507) no room for a result.
    """
    known = _MEASURED.get(source)
    if known is None:
        known = _MEASURED[source] = _measure(source)
    return known


def _measure(source: Source) -> Evidence:
    cases = [case for case in source.cases if case.validates and case.label and case.kind != "accepted"]
    scored: list[Scored] = []
    left_out: list[tuple[str, str]] = []
    for number, case in enumerate(cases):
        source.tell(0.8 + 0.2 * number / len(cases), f"the model is measured on {case.id}")
        try:
            truth, seen, grid = _maps(source, case)
        except (Refusal, UnreadableVolume, OSError) as error:
            logger.warning("not measured on %s: %s", case.id, error)
            left_out.append((case.id, str(error)))
            continue
        scored.append(score(case.id, truth, seen, source.model.plan.classes, grid.spacing))
    return Evidence(tuple(scored), _pictures(source, cases, scored), tuple(left_out))


def _maps(source: Source, case: Case) -> tuple[np.ndarray, np.ndarray, Volume]:
    """Submitted and predicted label map in the model's values, and the label with its grid."""
    if case.label is None:
        raise Refusal(f"'{case.id}' has no submitted label.", 409)
    label = read_label(case.label())
    found = source.segment(case.image)
    if not same_grid(label, Volume(found.labels, found.affine)):
        raise Refusal(f"The label of '{case.id}' is on another grid than its scan: submit it again.", 409)
    values = values_between(source.classes, source.model.plan.classes)
    truth = values[np.where(label.array < len(values), label.array, 0)]
    return truth, np.asarray(found.labels), label


def score(
    case: str, truth: np.ndarray, seen: np.ndarray, classes: tuple[str, ...], spacing: tuple[float, float, float]
) -> Scored:
    """Compare a predicted label map with the submitted one.

    Args:
        case: id.
        truth, seen: uint8 (i, j, k), value ``i + 1`` for ``classes[i]``.
        classes: of both.
        spacing: of the voxels, mm.
    """
    counts = overlaps(truth, seen, len(classes))
    dice = np.diag(dice_matrix(counts))
    in_label, in_prediction = counts.sum(1)[1:] > 0, counts.sum(0)[1:] > 0
    distances = _distances(truth, seen, in_label & in_prediction, spacing)
    extra = tuple(
        name for name, there, said in zip(classes, in_label, in_prediction, strict=True) if said and not there
    )
    known = tuple(float(value) if there else None for value, there in zip(dice, in_label, strict=True))
    return Scored(case, known, distances, extra)


def _distances(
    truth: np.ndarray, seen: np.ndarray, both: np.ndarray, spacing: tuple[float, float, float]
) -> tuple[float | None, ...]:
    """95HD of each class that is in both maps, computed in the bounding box of both."""
    found: list[float | None] = []
    for value, there in enumerate(both, 1):
        if not there:
            found.append(None)
            continue
        first, second = truth == value, seen == value
        box = tuple(slice(int(side.min()), int(side.max()) + 1) for side in np.nonzero(first | second))
        drawn, said = (one_hot(torch.as_tensor(each[box][None, None].astype(np.uint8)), 2) for each in (first, second))
        found.append(float(compute_hausdorff_distance(said, drawn, percentile=95, spacing=spacing)[0, 0]))
    return tuple(found)


def _pictures(source: Source, cases: list[Case], scored: list[Scored]) -> tuple[tuple[str, str, float, bytes], ...]:
    """Of the best, the median and the worst case; the same case is shown once."""
    ranked = sorted(((each.mean, each.case) for each in scored if each.mean is not None), reverse=True)
    if not ranked:
        return ()
    by_id = {case.id: case for case in cases}
    chosen = {"best": ranked[0], "worst": ranked[-1], "median": ranked[len(ranked) // 2]}
    shown: dict[str, tuple[str, str, float, bytes]] = {}
    for name, (dice, id) in chosen.items():
        if all(id != other[1] for other in shown.values()):
            truth, seen, label = _maps(source, by_id[id])
            image = read_volume(by_id[id].image).array
            png = overlay(image, truth, seen, label.affine, len(source.model.plan.classes))
            shown[name] = (name, id, dice, png)
    return tuple(shown[name] for name in ("best", "median", "worst") if name in shown)
