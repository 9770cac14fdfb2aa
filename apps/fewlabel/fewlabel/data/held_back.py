"""Decides which labels continuous training keeps for validation, at the moment each label is submitted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

FIRST, LATEST = 4, 8  # the first label that may be kept; the one that is kept if none was before


def decide(
    order: Sequence[str], kept: Mapping[str, Sequence[str]], share: float = 0.2, seed: int = 0
) -> dict[str, list[str]]:
    """Add the labels that are not decided on yet to those that are.

    A hash of the id alone decides whether a label is kept for validation, before any training sees it, so that no
    strategy can choose the cases that a model is judged by. The first three are never kept; of the 4th to the 8th at
    least one is: the 8th, if the hash kept none before it. A decision is never changed.

    Args:
        order: labelled cases, in the order of their first submission.
        kept: earlier decisions: ids under ``validation`` and ``trained``, as in ``pools.json``.
        share: of the labels that validate, in [0, 1); 0: none.
        seed: of the hash.
    """
    validation, trained = list(kept.get("validation", ())), list(kept.get("trained", ()))
    for case in order:
        if case in validation or case in trained:
            continue
        number = len(validation) + len(trained) + 1
        by_hash = number >= FIRST and _hash(case, seed) < share
        (validation if by_hash or _is_last_chance(number, validation, share) else trained).append(case)
    return {"validation": sorted(validation), "trained": sorted(trained)}


def no_validation_yet(labelled: int) -> str:
    """The note while none of so many labels is kept for validation."""
    all_of_them = "The only label is" if labelled == 1 else f"All {labelled} labels are"
    return (
        f"{all_of_them} used for training, so the model is not validated; of the {FIRST}th to the {LATEST}th at least "
        "one is kept for validation."
    )


def _is_last_chance(number: int, validation: Sequence[str], share: float) -> bool:
    return share > 0 and number >= LATEST and not validation


def _hash(case: str, seed: int) -> float:
    """A number in [0, 1) from the id alone, evenly distributed."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{case}".encode()).digest()[:8], "big") / 2**64
