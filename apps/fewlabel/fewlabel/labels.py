"""Conversion between class names and values: names are the truth, values are storage.

Each client numbers segments in its own way, so the same value may mean different classes in two submitted maps. Every
map is therefore converted once, by name, to the values of its study: ``classes[i]`` is ``i + 1``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

CLASS_LIMIT = 255
# Separators, control characters, line ends, and single surrogates, which cannot be stored in a file.
_SEPARATORS = re.compile(r"[,;|/\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class UnknownClass(ValueError):
    """A name or value that does not belong to the study's classes; the message says what to do."""


class InvalidNames(ValueError):
    """Class names that cannot be used; the message says which and why."""


def check_names(names: list[str]) -> list[str]:
    """Check the class names of a study.

    Args:
        names: in order, without background.

    Returns:
        The names without surrounding white space.

    Raises:
        InvalidNames: no name, an empty one, two that differ in case only, "background", or one with a separator.
    """
    stripped = [str(name).strip() for name in names]
    if not stripped:
        raise InvalidNames("No class name is given. Name at least one, e.g. --conf labels liver,tumour.")
    if len(stripped) > CLASS_LIMIT:
        raise InvalidNames(f"{len(stripped)} class names are given; at most {CLASS_LIMIT} are possible.")
    seen: set[str] = set()
    for name in stripped:
        if not name or len(name) > 100 or _SEPARATORS.search(name):
            raise InvalidNames(
                f"The class name {name!r} must be 1 to 100 characters without , ; | / \\ and line breaks."
            )
        if _key(name) == "background":
            raise InvalidNames('"background" is not a class: it is always value 0. Leave it out.')
        if _key(name) in seen:
            raise InvalidNames(f"The class name {name!r} is given twice (case does not count). Rename one.")
        seen.add(_key(name))
    return stripped


def names_from_label_info(label_info: list[dict[str, Any]] | None) -> list[str]:
    """Names listed by a submitted label, in the order of their values, without background.

    Args:
        label_info: entries ``{"name": str, "idx": int}``, as MONAI Label's clients send; ``id`` is used if
            there is no ``idx``, and without either the position in the list.

    Raises:
        UnknownClass: an entry is invalid, or two have the same name or value.
    """
    return [name for _, name in sorted(named_values(label_info).items()) if _key(name) != "background"]


def remap(
    array: np.ndarray, label_info: list[dict[str, Any]] | None, classes: list[str]
) -> tuple[np.ndarray, list[str]]:
    """Convert a submitted label map to the study's values, by name.

    Args:
        array: integers >= 0 of any shape, 0 = background.
        label_info: the client's names of its values, see :func:`names_from_label_info`; without it, the values are
            the study's own.
        classes: the study's names in order.

    Returns:
        uint8 array of the same shape with values 0 to ``len(classes)``, and notes for the user. A map without
        any class, or without some, is allowed.

    Raises:
        UnknownClass: a listed name is not in ``classes``, or a value in the map has no name.
    """
    present = _values(array) - {0}
    entries = named_values(label_info)
    notes: list[str] = []
    if entries:
        meaning, notes = _meaning_by_name(entries, classes)
        meaning, shifted = _shift(meaning, present, classes)
        notes += shifted
    else:
        meaning = {value: value for value in range(1, len(classes) + 1)}
    unknown = sorted(present - meaning.keys())
    if unknown:
        raise UnknownClass(
            f"The label map holds the value(s) {_join(unknown)}, which no class name belongs to. "
            f"The classes of this study are {_join(classes)}: give every segment one of them, submit again."
        )
    table = np.zeros(max(present, default=0) + 1, dtype=np.uint8)
    for value in present:
        table[value] = meaning[value]
    result = np.empty(array.shape, np.uint8)
    for part, target in zip(_parts(array), _parts(result), strict=True):
        target[...] = table[part]
    return result, [*notes, *_absent({int(table[value]) for value in present}, classes)]


def _parts(array: np.ndarray) -> Iterator[np.ndarray]:
    """Views of an array, layer by layer, since numpy's indexing needs eight bytes a voxel."""
    yield from array if array.ndim > 1 else [array]


def _values(array: np.ndarray) -> set[int]:
    if array.dtype != np.uint8:
        return {int(value) for value in np.unique(array)}
    counts = sum(np.bincount(part.ravel(), minlength=256) for part in _parts(array))
    return {int(value) for value in np.flatnonzero(counts)}


def values_between(classes: Sequence[str], others: Sequence[str]) -> np.ndarray:
    """For each value in one order of classes, its value in another, by name; 0 where the other lacks the class.

    Examples:
        >>> values_between(["liver", "tumour"], ["vessel", "tumour", "liver"]).tolist()
        [0, 3, 2]
    """
    values = {name: value for value, name in enumerate(others, start=1)}
    return np.array([0, *(values.get(name, 0) for name in classes)], dtype=np.uint8)


def _key(name: str) -> str:
    return name.strip().casefold()


def _join(items: list) -> str:
    return ", ".join(" ".join(str(item).split()) for item in items)  # without line breaks


def named_values(label_info: list[dict[str, Any]] | None) -> dict[int, str]:
    """Value -> name, background included; in the order of the list.

    Raises:
        UnknownClass: as :func:`names_from_label_info`.
    """
    if label_info is not None and not isinstance(label_info, list | tuple):
        raise UnknownClass("label_info must be a list of entries with name and idx. Submit the label again.")
    entries: dict[int, str] = {}
    seen: set[str] = set()
    for number, entry in enumerate(label_info or [], start=1):
        name = str(entry.get("name") or "").strip() if isinstance(entry, dict) else ""
        if not name:
            raise UnknownClass(f"Entry {number} of label_info has no name. Name every segment, submit again.")
        value = _value(entry, number, name)
        if value in entries or _key(name) in seen:
            raise UnknownClass(
                f"label_info lists {name!r} or its value {value} twice. "
                "Give every segment its own name and submit again."
            )
        entries[value] = name
        seen.add(_key(name))
    return entries


def _value(entry: dict[str, Any], number: int, name: str) -> int:
    given = next((entry[key] for key in ("idx", "id") if entry.get(key) is not None), number)
    try:
        value = int(given)
        whole = float(given) == value
    except (TypeError, ValueError, OverflowError):
        whole, value = False, -1
    if not whole or value < 0 or (value == 0 and _key(name) != "background"):
        message = f"label_info gives {name!r} the value {given!r}; it must be a whole number from 1."
        raise UnknownClass(message)
    return value


def _meaning_by_name(entries: dict[int, str], classes: list[str]) -> tuple[dict[int, int], list[str]]:
    known = {_key(name): value for value, name in enumerate(classes, start=1)}
    known["background"] = 0
    unknown = [name for name in entries.values() if _key(name) not in known]
    if unknown:
        raise UnknownClass(
            f"The label lists {_join(unknown)}, unknown in this study. Its classes are {_join(classes)}: "
            "rename or remove the segment and submit again, or add the name to --conf labels."
        )
    notes = [
        f"{name!r} was taken as the class {classes[known[_key(name)] - 1]!r}."
        for name in entries.values()
        if known[_key(name)] and name != classes[known[_key(name)] - 1]
    ]
    return {value: known[_key(name)] for value, name in entries.items()}, notes


def _shift(meaning: dict[int, int], present: set[int], classes: list[str]) -> tuple[dict[int, int], list[str]]:
    """Correct an error of Slicer's stock module.

    It leaves out background and scribble segments and numbers the others 1..N in the map, but counts the left-out ones
    in ``idx``. This is detected where the map has a value that ``idx`` skips.
    """
    in_order = list(meaning.values())
    if 0 in in_order or present <= meaning.keys():
        return meaning, []
    names = _join([f"{number} = {classes[value - 1]}" for number, value in enumerate(in_order, start=1)])
    return dict(enumerate(in_order, start=1)), [
        f"The values of label_info skip numbers that the map uses, so the segments were counted in order: {names}."
    ]


def _absent(found: set[int], classes: list[str]) -> list[str]:
    if not found - {0}:
        return ["The label is empty: it says that none of the classes is in this image."]
    absent = [name for value, name in enumerate(classes, start=1) if value not in found]
    return [f"Not in this label: {_join(absent)}."] if absent else []
