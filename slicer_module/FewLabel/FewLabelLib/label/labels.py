"""Segments of the scene -> the server's label map: by name, whatever was deleted, moved, hidden, renamed or added.

Slicer's own export numbers what it finds from 1 on; here every voxel gets the value that its class has on the server.
Arrays are on the image's grid, in the order of ``slicer.util``: k, j, i.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from ..errors import Unusable

HIGHEST = 255


@dataclass(frozen=True)
class LabelClass:
    """A class of the server: name, the value that stands for it in label maps, and its colour (0 to 255)."""

    name: str
    value: int
    color: Tuple[int, int, int] = (128, 128, 128)


@dataclass(frozen=True)
class Segment:
    """One segment as it is in the scene.

    Attributes:
        name: as shown; people rename segments.
        array: (k, j, i) on the image's grid: a mask, or a layer that several segments share.
        value: which value of ``array`` is this segment; None: everything but 0.
        visible: hidden segments count like all others.
        origin: name of the class as which it was loaded, "" for one that was added by hand.
        color: 0 to 255.
    """

    name: str
    array: np.ndarray
    value: Optional[int] = None
    visible: bool = True
    origin: str = ""
    color: Tuple[int, int, int] = (128, 128, 128)

    @property
    def mask(self) -> np.ndarray:
        """Boolean (k, j, i)."""
        return self.array != 0 if self.value is None else self.array == self.value


@dataclass(frozen=True)
class LabelMap:
    """What is submitted.

    Attributes:
        array: uint8 (k, j, i) with the values of ``classes``, 0 elsewhere.
        classes: those of the server; learned from the segments where it has none yet.
        missing: classes without a voxel.
        overlaps: voxels that two classes claimed, by (name that lost, name that was written).
        notes: a sentence each on what a person should know.
    """

    array: np.ndarray
    classes: List[LabelClass]
    missing: List[str] = field(default_factory=list)
    overlaps: Dict[Tuple[str, str], int] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)

    @property
    def label_info(self) -> List[Dict[str, Any]]:
        """The values' names, as MONAI Label's clients send them."""
        return [{"name": entry.name, "idx": entry.value} for entry in self.classes]


class UnknownSegments(Unusable):
    """Segments that are no class of the server: a person has to say what they are.

    Attributes:
        suggestions: for each of their names the class that it probably is, None where nothing tells.
    """

    def __init__(self, suggestions: Dict[str, Optional[str]], classes: Sequence[str]) -> None:
        names = ", ".join(f"'{name}'" for name in suggestions)
        super().__init__(
            f"The server knows no class {names}. It has: {', '.join(classes)}. "
            "Say which class each is, or leave it out; nothing was submitted."
        )
        self.suggestions = suggestions


def key(name: str) -> str:
    """Names are compared as the server does: case and surrounding blanks do not count."""
    return name.strip().casefold()


def assign(
    segments: Sequence[Segment], classes: Sequence[LabelClass], mapping: Optional[Mapping[str, Optional[str]]] = None
) -> List[Tuple[Segment, Optional[LabelClass]]]:
    """Which class each segment is; None for those that are left out.

    Args:
        segments: of the scene.
        classes: of the server, not empty.
        mapping: segment name -> class name, or None to leave it out; goes before the segment's own name.

    Raises:
        UnknownSegments: some that are not empty are neither a class nor in the mapping.
        Unusable: the mapping names a class that the server does not have.
    """
    known = {key(entry.name): entry for entry in classes}
    renamed = {key(name): target for name, target in (mapping or {}).items()}
    assigned: List[Tuple[Segment, Optional[LabelClass]]] = []
    unknown: Dict[str, Optional[str]] = {}
    for segment in segments:
        target: Optional[str] = renamed.get(key(segment.name), segment.name)
        entry = None if target is None else known.get(key(target))
        if entry is None and target is not None:
            if key(segment.name) in renamed:
                raise Unusable(f"'{target}' is no class of the server. It has: {', '.join(c.name for c in classes)}.")
            if segment.mask.any():
                origin = known.get(key(segment.origin))
                unknown[segment.name] = origin.name if origin else None
        assigned.append((segment, entry))
    if unknown:
        raise UnknownSegments(unknown, [entry.name for entry in classes])
    return assigned


def label_map(
    segments: Sequence[Segment],
    classes: Sequence[LabelClass],
    shape: Tuple[int, ...],
    mapping: Optional[Mapping[str, Optional[str]]] = None,
    order: Optional[Sequence[str]] = None,
) -> LabelMap:
    """The label map of these segments.

    Args:
        segments: of the scene; their order in the list does not matter.
        classes: of the server; [] lets it learn the segments' names, in their order.
        shape: (k, j, i) of the image.
        mapping: see ``assign``.
        order: class names; where classes overlap, the later is written over the earlier. Default: by value, so that
            what is listed later (a tumour) lies over what is listed earlier (its organ).

    Raises:
        UnknownSegments: see ``assign``.
        Unusable: a segment on another grid, values that do not fit into uint8, or nothing that has a name.
    """
    for segment in segments:
        if segment.array.shape != tuple(shape):
            raise Unusable(
                f"Segment '{segment.name}' has another grid ({_times(segment.array.shape)} voxels) than the image "
                f"({_times(shape)}). Set the image as the segmentation's source geometry, then submit again."
            )
    named = list(classes) or learned(segments, mapping)
    if any(not 1 <= entry.value <= HIGHEST for entry in named):
        raise Unusable(f"The server's label values do not lie in 1 to {HIGHEST}: they cannot be stored.")
    assigned = assign(segments, named, mapping)
    left_out = [segment.name for segment, entry in assigned if entry is None and segment.mask.any()]
    place = {key(name): number for number, name in enumerate(order or [entry.name for entry in _by_value(named)])}
    layers = [(segment, entry) for segment, entry in assigned if entry is not None]
    layers.sort(key=lambda layer: (place.get(key(layer[1].name), -1), layer[1].value))
    array, overlaps = _write(layers, tuple(shape), named)
    missing = [entry.name for entry in named if not (array == entry.value).any()]
    return LabelMap(array, named, missing, overlaps, _notes(left_out, layers, overlaps, missing))


def learned(segments: Sequence[Segment], mapping: Optional[Mapping[str, Optional[str]]] = None) -> List[LabelClass]:
    """Classes for a server that has none yet: the names of the segments, numbered from 1 in their order."""
    renamed = {key(name): target for name, target in (mapping or {}).items()}
    names: List[str] = []
    for segment in segments:
        name = renamed.get(key(segment.name), segment.name)
        if name is not None and name.strip() and key(name) not in map(key, names) and segment.mask.any():
            names.append(name.strip())
    if not names:
        raise Unusable("There is nothing to submit: paint at least one segment, and give it a name.")
    return [LabelClass(name, number) for number, name in enumerate(names, 1)]


def split(array: np.ndarray, classes: Sequence[LabelClass]) -> Tuple[List[Segment], List[int]]:
    """Segments of a label map, one for each class in the server's order, empty ones too; and values of no class."""
    segments = [Segment(entry.name, array == entry.value, origin=entry.name, color=entry.color) for entry in classes]
    strange = sorted({int(value) for value in np.unique(array)} - {0} - {entry.value for entry in classes})
    return segments, strange


def _write(
    layers: List[Tuple[Segment, LabelClass]], shape: Tuple[int, ...], classes: Sequence[LabelClass]
) -> Tuple[np.ndarray, Dict[Tuple[str, str], int]]:
    """The array, and by whom how many voxels of whom were covered."""
    array = np.zeros(shape, np.uint8)
    overlaps: Dict[Tuple[str, str], int] = {}
    for segment, entry in layers:
        mask = segment.mask
        before = np.bincount(array[mask], minlength=HIGHEST + 1)
        for other in classes:
            if other.value != entry.value and before[other.value]:
                pair = other.name, entry.name
                overlaps[pair] = overlaps.get(pair, 0) + int(before[other.value])
        array[mask] = entry.value
    return array, overlaps


def _notes(
    left_out: List[str],
    layers: List[Tuple[Segment, LabelClass]],
    overlaps: Dict[Tuple[str, str], int],
    missing: List[str],
) -> List[str]:
    notes = [f"Segment '{name}' was left out." for name in left_out]
    seen: Dict[str, str] = {}
    for segment, entry in layers:
        if entry.name in seen:
            notes.append(f"Segments '{seen[entry.name]}' and '{segment.name}' were joined as '{entry.name}'.")
        seen[entry.name] = segment.name
    for (lost, written), voxels in overlaps.items():
        notes.append(f"{voxels} voxels were both '{lost}' and '{written}'; they were stored as '{written}'.")
    if missing:
        notes.append(f"Nothing is labelled as {', '.join(repr(name) for name in missing)}.")
    return notes


def _by_value(classes: Sequence[LabelClass]) -> List[LabelClass]:
    return sorted(classes, key=lambda entry: entry.value)


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(length) for length in shape)
