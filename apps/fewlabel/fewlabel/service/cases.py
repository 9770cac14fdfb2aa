"""All cases of a study with their state, from lists in memory: no image or label is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fewlabel.datastore.entries import FINAL
from fewlabel.datastore.kinds import entry_of, is_unknown, kind_of
from fewlabel.quality import UNLIKE
from fewlabel.selection.leases import Leases
from fewlabel.selection.scores import Scores
from fewlabel.service.answers import Case, Counts, State
from fewlabel.service.pool_answers import ProposalAnswer


def make_cases(
    objects: Mapping[str, Mapping[str, Any]],
    leases: Leases,
    scores: Scores,
    validation: set[str],
    history: Sequence[Mapping[str, Any]] = (),
) -> list[Case]:
    """One row for each case, by id.

    Args:
        objects: MONAI Label's list: id -> {"image": {"ext", "info"}, "labels": {tag: {"ext", "info"}}}.
        leases: which cases were handed out or skipped.
        scores: of the published model.
        validation: ids kept for validation.
        history: entries of the review, oldest first.
    """
    ranks = _ranks([case for case, entry in objects.items() if FINAL not in entry["labels"]], scores)
    by_case: dict[str, list[Mapping[str, Any]]] = {}
    for entry in history:
        by_case.setdefault(str(entry.get("case")), []).append(entry)
    rows = []
    for case in sorted(objects):
        label = objects[case]["labels"].get(FINAL)
        submitted = None if label is None else float(label["info"].get("ts") or 0) or None
        known, said = scores.cases.get(case, {}), by_case.get(case, []) if label else []
        skipped = label is None and bool(leases.skipped(case))
        rows.append(
            Case.model_construct(  # without validation, which would take longer than making 10,000 rows
                id=case,
                state=state_of(label is not None, case, leases, validation),
                score=known.get("score"),
                uncertain_class=_most_uncertain(known),
                rank=ranks.get(case),
                skipped=skipped,
                skip_reason=(leases.reason(case) or None) if skipped else None,
                served=leases.recent(case) or None,
                submitted=submitted,
                by=_person(label["info"]) if label else None,
                kind=kind_of(label["info"]) if label else None,
                kind_unknown=bool(label) and is_unknown(label["info"]),
                correction=next((entry.get("mean") for entry in said if entry.get("first")), None),
                flags=[*_flags(said, submitted), *([UNLIKE] if known.get("unlike") and label is None else [])],
                file=case + objects[case]["image"]["ext"],
                domain=None,
                slices=known.get("slices"),
            )
        )
    return rows


def with_unusable(rows: list[Case], unusable: Mapping[str, tuple[str, str]]) -> list[Case]:
    """Add a row for each scan that cannot be used; one with a label keeps its row and is flagged.

    Args:
        rows: of :func:`make_cases`; flags are added to them.
        unusable: id -> (file, why not in a sentence).
    """
    for row in rows:
        if row.id in unusable:
            row.flags.append(unusable[row.id][1])
    known = {row.id for row in rows}
    empty: dict[str, Any] = dict.fromkeys(name for name in Case.model_fields if name not in ("id", "state"))
    never = {"skipped": False, "kind_unknown": False}
    others = [
        Case.model_construct(id=case, state="unusable", **{**empty, **never, "file": file, "flags": [why]})
        for case, (file, why) in unusable.items()
        if case not in known
    ]
    return sorted([*rows, *others], key=lambda row: row.id) if others else rows


def with_domains(rows: list[Case], domains: Mapping[str, str]) -> list[Case]:
    """The same rows with the domain of each case; ``domains`` by id, without those that are not known."""
    for row in rows:
        row.domain = domains.get(row.id)
    return rows


def with_notes(rows: list[Case], notes: Mapping[str, Sequence[str]]) -> list[Case]:
    """The same rows with notes about stored labels among their flags: that one is not used, and why."""
    for row in rows:
        row.flags.extend(notes.get(row.id, ()))
    return rows


def with_proposals(rows: list[Case], proposals: Mapping[str, ProposalAnswer]) -> list[Case]:
    """The same rows; those without a submitted label with their stored proposal."""
    for row in rows:
        if row.state in ("unlabelled", "in_work"):
            row.proposal = proposals.get(row.id)
    return rows


def state_of(labelled: bool, case: str, leases: Leases, validation: set[str]) -> State:
    """The state of one case; a validation case whose label was removed is unlabelled."""
    if labelled:
        return "validation" if case in validation else "submitted"
    return "in_work" if leases.recent(case) else "unlabelled"


def count(objects: Mapping[str, Any], leases: Leases, validation: set[str]) -> Counts:
    """How many cases are in each state; ``objects`` as in :func:`make_cases`."""
    states = Counter(state_of(FINAL in entry["labels"], case, leases, validation) for case, entry in objects.items())
    names: tuple[State, ...] = ("submitted", "validation", "in_work", "unlabelled")
    return Counts(cases=len(objects), **{name: states[name] for name in names})


def _ranks(unlabelled: Sequence[str], scores: Scores) -> dict[str, int]:
    """1 for the highest score; equal scores have the same rank; of several versions as in Scores."""
    values = scores.column(unlabelled)
    known = sorted((-float(values[index]), unlabelled[index]) for index in np.flatnonzero(np.isfinite(values)))
    ranks: dict[str, int] = {}
    for index, (value, case) in enumerate(known):
        same = index > 0 and known[index - 1][0] == value
        ranks[case] = ranks[known[index - 1][1]] if same else index + 1
    return ranks


def _most_uncertain(known: Mapping[str, Any]) -> str | None:
    by_class: dict[str, float] = known.get("classes") or {}
    return max(by_class, key=by_class.__getitem__, default=None)


def _person(info: Mapping[str, Any]) -> str | None:
    said = info.get("client_id") or info.get("user")
    return str(said) if said else None


def _flags(said: Sequence[Mapping[str, Any]], submitted: float | None) -> list[str]:
    """Flags of the label that is stored now."""
    flags = (entry_of(said, submitted) or {}).get("flags") or []
    return [str(flag.get("reason") or flag.get("kind")) if isinstance(flag, Mapping) else str(flag) for flag in flags]
