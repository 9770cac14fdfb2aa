"""Converts segments of the scene to the server's label map, by name, however segments were edited.

Slicer's own export numbers the segments from 1; here every voxel gets the value that its class has on the server.
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
    """A class of the server: name, value in label maps, and colour (0 to 255)."""

    name: str
    value: int
    color: Tuple[int, int, int] = (128, 128, 128)


@dataclass(frozen=True)
class Segment:
    """One segment of the scene.

    Attributes:
        name: as shown; people may rename segments.
        array: (k, j, i) on the image's grid: a mask, or a layer that several segments share.
        value: of this segment in ``array``; None: everything except 0.
        visible: hidden segments are treated like all others.
        origin: name of the class that it was loaded as, "" for a segment added by hand.
        color: 0 to 255.
        locked: finished: where segments overlap, its class wins.
    """

    name: str
    array: np.ndarray
    value: Optional[int] = None
    visible: bool = True
    origin: str = ""
    color: Tuple[int, int, int] = (128, 128, 128)
    locked: bool = False

    @property
    def mask(self) -> np.ndarray:
        """Boolean (k, j, i)."""
        return self.array != 0 if self.value is None else self.array == self.value


@dataclass(frozen=True)
class LabelMap:
    """A label map to submit.

    Attributes:
        array: uint8 (k, j, i) with the values of ``classes``, 0 elsewhere.
        classes: of the server; taken from the segments if it has none yet.
        missing: classes without a voxel.
        overlaps: number of voxels in two classes, by (overwritten name, written name).
        notes: sentences for the person.
    """

    array: np.ndarray
    classes: List[LabelClass]
    missing: List[str] = field(default_factory=list)
    overlaps: Dict[Tuple[str, str], int] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)

    @property
    def label_info(self) -> List[Dict[str, Any]]:
        """The names of the values, in the form of MONAI Label's clients."""
        return [{"name": entry.name, "idx": entry.value} for entry in self.classes]


class UnknownSegments(Unusable):
    """Segments that are not classes of the server: a person has to choose a class for each.

    Attributes:
        suggestions: the likely class for each name, or None.
    """

    def __init__(self, suggestions: Dict[str, Optional[str]], classes: Sequence[str]) -> None:
        names = ", ".join(f"'{name}'" for name in suggestions)
        super().__init__(
            f"The server knows no class {names}. It has: {', '.join(classes)}. "
            "Say which class each is, or leave it out; nothing was submitted."
        )
        self.suggestions = suggestions


class EmptyLabel(Unusable):
    """A label without any voxel: a person has to confirm it.

    Attributes:
        classes: that are not in it.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(f"Nothing of {', '.join(classes)} is in this label. Nothing was submitted.")
        self.classes = list(classes)


def key(name: str) -> str:
    """The form in which names are compared, as on the server: without case and surrounding white space."""
    return name.strip().casefold()


def assign(
    segments: Sequence[Segment], classes: Sequence[LabelClass], mapping: Optional[Mapping[str, Optional[str]]] = None
) -> List[Tuple[Segment, Optional[LabelClass]]]:
    """The class of each segment; None for those that are left out.

    Args:
        segments: of the scene.
        classes: of the server, not empty.
        mapping: segment name -> class name, or None to leave it out; has priority over the segment's own name.

    Raises:
        UnknownSegments: non-empty segments are neither a class nor in the mapping.
        Unusable: the mapping contains a class that the server does not have.
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
                names = ", ".join(entry.name for entry in classes)
                raise Unusable(f"'{target}' is not a class of the server. It has: {names}.")
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
    """Make the label map of these segments.

    Args:
        segments: of the scene, in any order.
        classes: of the server; []: use the segments' names, in their order.
        shape: (k, j, i) of the image.
        mapping: see ``assign``.
        order: class names; where classes overlap, the later one wins. Default: by value, so that a tumour that is
            listed after its organ is written over it. Locked segments come last in any case.

    Raises:
        UnknownSegments: see ``assign``.
        Unusable: a segment on another grid, values beyond uint8, or no segment with a name.
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
    rank = {key(name): number for number, name in enumerate(order or [entry.name for entry in _by_value(named)])}
    layers = [(segment, entry) for segment, entry in assigned if entry is not None]
    layers.sort(key=lambda layer: (layer[0].locked, rank.get(key(layer[1].name), -1), layer[1].value))
    array, overlaps = _write(layers, tuple(shape), named)
    missing = [entry.name for entry in named if not (array == entry.value).any()]
    return LabelMap(array, named, missing, overlaps, _notes(left_out, layers, overlaps, missing))


def learned(segments: Sequence[Segment], mapping: Optional[Mapping[str, Optional[str]]] = None) -> List[LabelClass]:
    """Classes for a server without any: the names of the segments, numbered from 1 in their order."""
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
    """Segments of a label map, one for each class in the server's order, also empty ones; and unknown values."""
    segments = [Segment(entry.name, array == entry.value, origin=entry.name, color=entry.color) for entry in classes]
    strange = sorted({int(value) for value in np.unique(array)} - {0} - {entry.value for entry in classes})
    return segments, strange


def _write(
    layers: List[Tuple[Segment, LabelClass]], shape: Tuple[int, ...], classes: Sequence[LabelClass]
) -> Tuple[np.ndarray, Dict[Tuple[str, str], int]]:
    """The array, and the number of voxels of each class that another one overwrote."""
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
        were = "1 voxel was" if voxels == 1 else f"{voxels} voxels were"
        notes.append(f"{were} both '{lost}' and '{written}', and stored as '{written}'.")
    if missing:
        notes.append(f"Nothing is labelled as {', '.join(repr(name) for name in missing)}.")
    return notes


def _by_value(classes: Sequence[LabelClass]) -> List[LabelClass]:
    return sorted(classes, key=lambda entry: entry.value)


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(length) for length in shape)
