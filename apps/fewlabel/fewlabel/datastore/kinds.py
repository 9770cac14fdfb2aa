"""Kinds of labels: whether a person drew, corrected or accepted a label; stored with it for ever."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Literal, get_args

from monailabel.interfaces.datastore import Datastore, DefaultLabelTag

from fewlabel.errors import Refusal, printable

Kind = Literal["predicted", "accepted", "corrected", "drawn"]
"""Seen by nobody; a proposal that a person left as it was; one that a person changed; drawn by a person."""

PREDICTED, ACCEPTED, CORRECTED, DRAWN = KINDS = get_args(Kind)  # the lowest first
SUBMITTED = (ACCEPTED, CORRECTED, DRAWN)
KIND, UNKNOWN, FROM_HISTORY = "kind", "kind_unknown", "kind_from_history"
KIND_KEYS = (KIND, UNKNOWN, FROM_HISTORY)
"""Keys of a label's info that no client may set: its kind, and marks of a kind that was only assumed."""

_FINAL = DefaultLabelTag.FINAL.value


def lower(first: str, second: str | None) -> str:
    """The lower of two kinds; None: not stated."""
    return min(first, second or first, key=KINDS.index)


def said_kind(params: Mapping[str, Any]) -> str | None:
    """The kind of a submitted label as its client states it; None where it states none.

    Raises:
        Refusal: (422) it is not one of the kinds of submitted labels.
    """
    said = params.get(KIND)
    if said is not None and said not in SUBMITTED:
        raise Refusal(
            f"A submitted label cannot be of the kind '{printable(str(said)[:40])}': it is {', '.join(SUBMITTED)}. "
            "Nothing was stored. Submit it again with one of these, or without a kind.",
            422,
        )
    return said


def without_kind(info: Mapping[str, Any]) -> dict[str, Any]:
    """``info`` without the keys of the kind."""
    return {key: value for key, value in info.items() if key not in KIND_KEYS}


def kind_of(info: Mapping[str, Any], tag: str = _FINAL) -> str:
    """The kind of a stored label; where none is stored, the one that it counts as."""
    known = next((kind for kind in KINDS if kind == info.get(KIND)), None)
    return known or (DRAWN if tag == _FINAL else PREDICTED)


def is_unknown(info: Mapping[str, Any]) -> bool:
    """Whether the kind of a submitted label is not known, so that it counts as drawn."""
    return info.get(KIND) not in KINDS or bool(info.get(UNKNOWN))


def assumed(info: Mapping[str, Any], tag: str, entries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Keys for a label that was stored before there were kinds, or was put into its folder by hand.

    Args:
        info: of the label.
        tag: of the label.
        entries: of this case in the history of corrections.
    """
    if tag != _FINAL:
        return {KIND: PREDICTED}
    entry = entry_of(entries, info.get("ts"))
    if entry is not None and nothing_was_changed(entry):
        return {KIND: ACCEPTED, FROM_HISTORY: True}
    return {KIND: DRAWN, UNKNOWN: True}


def nothing_was_changed(entry: Mapping[str, Any]) -> bool:
    """Whether an entry of the history says that the label equals the model's proposal."""
    changed = entry.get("changed")
    return changed == 0 if changed is not None else entry.get("mean") == 1


def entry_of(entries: Iterable[Mapping[str, Any]], stored: Any) -> Mapping[str, Any] | None:
    """The history's entry of a stored label: the first one made at that time or later.

    Args:
        entries: of the label's case, oldest first. Times are whole seconds: of several in one second the last counts.
        stored: time of the label, in seconds since the epoch.
    """
    later = [entry for entry in entries if stored and _seconds(entry.get("time")) >= stored]
    return next((entry for entry in reversed(later) if entry.get("time") == later[0].get("time")), None)


def _seconds(text: Any) -> float:
    """Seconds since the epoch of a time such as 2026-01-31T12:00:00Z; 0.0 if it cannot be read."""
    try:
        return datetime.strptime(str(text), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return 0.0


def person_labelled(datastore: Datastore) -> list[str]:
    """Ids of the cases with a submitted label that a person has looked at."""
    cases = datastore.get_labeled_images()
    return [case for case in cases if kind_of(datastore.get_label_info(case, _FINAL)) != PREDICTED]


def accepted_cases(datastore: Datastore, cases: Iterable[str]) -> dict[str, bool]:
    """Cases whose submitted label is an accepted proposal, which is not used for validation.

    Returns:
        id -> whether the kind was known when the label was stored. False: it was taken from the history later; such a
        case goes on validating if it was kept for validation by then.
    """
    infos = ((case, datastore.get_label_info(case, _FINAL)) for case in cases)
    return {case: not info.get(FROM_HISTORY) for case, info in infos if kind_of(info) == ACCEPTED}


def check_tag(tag: Any) -> str:
    """The tag under which a model may store its proposal; ``original`` where none is given.

    Raises:
        Refusal: (422) it is the tag of submitted labels.
    """
    tag = getattr(tag, "value", tag) or DefaultLabelTag.ORIGINAL.value
    if str(tag).strip(" .").casefold() == _FINAL:  # some file systems treat Final and "final " as the same folder
        raise Refusal(
            f"A model never writes a submitted label, which is what the tag '{_FINAL}' stands for. Nothing was stored. "
            "Leave label_tag out, or use 'original'; a person submits the label.",
            422,
        )
    return tag
