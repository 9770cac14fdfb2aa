"""Splits the cases of a study: labelled, unlabelled, and kept for validation."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

VALIDATION_FROM = 5  # with fewer labels, all are needed for training


@dataclass(frozen=True)
class Pools:
    """Disjoint lists of image ids.

    Attributes:
        labelled: trained on with their labels.
        unlabelled: trained on without labels.
        validation: labelled; once chosen never trained on, not even without their label.
        note: a sentence for people about the split.
    """

    labelled: list[str]
    unlabelled: list[str]
    validation: list[str]
    note: str = field(default="", compare=False)


def make_pools(
    labelled: Iterable[str],
    images: Iterable[str],
    kept: Mapping[str, Sequence[str]],
    share: float = 0.2,
    seed: int = 0,
    accepted: Mapping[str, bool] = MappingProxyType({}),
    learn_accepted: bool = False,
) -> Pools:
    """Split a study's images.

    A validation case stays one for ever; a case that was trained on never becomes one. New validation cases are
    chosen among the labels that no training has seen yet, by a hash of their id, so that neither the order of
    labelling nor that of the files matters. An accepted label is a model's prediction and would flatter models that
    resemble it: it is never used for validation, and trained on only if asked for; otherwise its scan stays unlabelled.
    If a validation case gets an accepted label, it is neither measured nor trained on.

    Args:
        labelled: ids with a submitted label.
        images: ids of all images.
        kept: decisions of earlier trainings: lists under ``validation`` and ``trained`` (see :func:`remember`).
        share: wanted share of validation among the labelled, in [0, 1).
        seed: of the hash.
        accepted: id -> whether the label was known to be accepted when it was stored; False: this was found out later,
            and the case stays a validation case if it is one already.
        learn_accepted: whether accepted labels are trained on.
    """
    labelled, kept_back = set(labelled), set(kept.get("validation", ()))
    own_work = labelled - set(accepted)
    validation = kept_back & (own_work | {case for case, known in accepted.items() if not known}) & labelled
    wanted = 0
    if share > 0 and len(own_work) >= VALIDATION_FROM:
        wanted = max(1, int(share * len(own_work)))
    fresh = sorted(own_work - kept_back - set(kept.get("trained", ())), key=lambda case: _hash(case, seed))
    validation |= set(fresh[: max(0, wanted - len(validation))])
    unlearned = set() if learn_accepted else labelled & set(accepted) - validation
    training = labelled - kept_back - validation - unlearned
    unlabelled = set(images) - (labelled - unlearned) - kept_back
    learned = labelled - unlearned
    note = _note(len(learned), len(validation), len(training), share, len(learned & set(accepted)))
    if unlearned:
        only = "" if learned else "Draw or correct a label, then train. "
        note = f"{_unlearned(len(unlearned))} {only or note}".strip()
    return Pools(sorted(training), sorted(unlabelled), sorted(validation), note)


def _hash(case: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{case}".encode()).hexdigest()


def _note(labelled: int, validation: int, training: int, share: float, accepted: int) -> str:
    if labelled == 0:
        return "No labels yet: label at least one case, then train."
    if training == 0:
        return "Every labelled case is kept for validation and never trained on: label one more, then train."
    left_as_proposed = f" {accepted} of them are accepted proposals, which never validate." if accepted else ""
    if validation:
        return (
            f"{validation} of {labelled} labelled cases are kept for validation and never trained on.{left_as_proposed}"
        )
    if share == 0:
        return f"All labels are used for training ({labelled}): the model is not validated, as requested."
    if labelled - accepted < VALIDATION_FROM:
        own = " that were drawn or corrected" if accepted else ""
        return (
            f"{labelled} labelled: all are used for training, so the model is not validated; "
            f"from {VALIDATION_FROM} labels{own} on some are kept for validation.{left_as_proposed}"
        )
    return "No validation cases: every label was already trained on. The next new labels will serve."


def _unlearned(count: int) -> str:
    proposals = "1 accepted proposal is" if count == 1 else f"{count} accepted proposals are"
    return f"{proposals} not trained on (--conf learn_accepted yes changes that)."


def remember(pools: Pools, kept: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """The decisions for later trainings, to be saved before training starts."""
    return {
        "validation": sorted({*kept.get("validation", ()), *pools.validation}),
        "trained": sorted({*kept.get("trained", ()), *pools.labelled}),
    }
