"""Copies of the layers of a segmentation, and what has changed in them since. No widgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

import numpy as np
import slicer
import vtk

from .segmentation import array_of, matrix_of, oriented, placed, voxels

Extent = Tuple[int, ...]


@dataclass
class Layer:
    """A layer with locked segments as it was when last compared; ``values``: of its segments, by id.

    Its array is that of the comparison before, brought up to date, wherever that can be: copying a large layer takes
    longer than comparing it.
    """

    array: np.ndarray
    extent: Extent
    matrix: np.ndarray
    values: Dict[str, int]
    seen: int

    @property
    def corner(self) -> np.ndarray:
        """(k, j, i) of its first voxel."""
        return corner_of(self.extent)

    def within(self, extent: Extent) -> Tuple[slice, ...]:
        """The part of the array that lies in an extent."""
        first = np.clip(corner_of(extent) - self.corner, 0, self.array.shape)
        last = np.clip(np.array(extent[1::2])[::-1] + 1 - self.corner, first, self.array.shape)
        return tuple(slice(int(start), int(end)) for start, end in zip(first, last))

    def outside(self, extent: Extent) -> List[np.ndarray]:
        """The parts of the array that lie outside of an extent."""
        part, parts = self.array, []
        for axis, inside in enumerate(self.within(extent)):
            along: Tuple[slice, ...] = (slice(None),) * axis
            first, last, middle = (
                (*along, each) for each in (slice(0, inside.start), slice(inside.stop, None), inside)
            )
            parts += [part[first], part[last]]
            part = part[middle]
        return parts


@dataclass
class Kept:
    """A locked segment as it was: in the copy of its layer, so that locking copies nothing twice; and its look."""

    identity: str
    layer: Layer
    segment: Any

    def mask(self) -> Tuple[np.ndarray, np.ndarray]:
        """Its voxels, cut to the slices that have any, and (k, j, i) of the first in its layer's coordinates."""
        mask = self.layer.array == self.layer.values[self.identity]
        filled = np.flatnonzero(mask.any(axis=(1, 2)))
        if not filled.size:
            return mask[:0], self.layer.corner
        return mask[filled[0] : filled[-1] + 1], self.layer.corner + np.array([filled[0], 0, 0])


def binary() -> str:
    """Slicer's name for segments that are stored as voxels."""
    return slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()


def matrix_of_layer(image: Any) -> np.ndarray:
    """(4, 4) from the layer's coordinates (i, j, k) to RAS mm."""
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return array_of(matrix)


def corner_of(extent: Extent) -> np.ndarray:
    """(k, j, i) of the first voxel in the layer's coordinates."""
    return np.array(extent[::2])[::-1]


def extent_of(corner: np.ndarray, shape: Sequence[int]) -> List[int]:
    """VTK's extent of an array whose first voxel is at ``corner``, (k, j, i)."""
    return [each for at, length in zip(corner[::-1], shape[::-1]) for each in (int(at), int(at + length - 1))]


def scalars(image: Any) -> np.ndarray:
    """(k, j, i) view of a layer; of no size for an empty one."""
    return voxels(image) if image.GetNumberOfPoints() else np.zeros((0, 0, 0), np.uint8)


def look(segment: Any) -> Any:
    """A segment's name, colour and tags, without voxels."""
    shown = slicer.vtkSegment()
    shown.DeepCopyMetadata(segment)
    return shown


def values_of(segmentation: Any, image: Any) -> Dict[str, int]:
    """Values of a layer's segments, by id."""
    values = {}
    for number in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(number)
        if segment.GetRepresentation(binary()) is image:
            values[segmentation.GetNthSegmentID(number)] = int(segment.GetLabelValue())
    return values


def reach_beyond(kept: Sequence[Kept], extent: Extent) -> bool:
    """Whether any of these segments has voxels outside of an extent."""
    for layer in {id(each.layer): each.layer for each in kept}.values():
        values = [each.layer.values[each.identity] for each in kept if each.layer is layer]
        if any(part.any() and np.isin(part, values).any() for part in layer.outside(extent)):
            return True
    return False


def expected(layer: Optional[Layer], kept: Sequence[Kept], values: Dict[str, int], image: Any) -> np.ndarray:
    """What a layer should hold: its copy, or where there is none itself, with the locked segments as they were.

    May be a view of the layer's copy.
    """
    now = scalars(image)
    before = now.copy() if layer is None else _as_now(layer, values, image)
    for each in [one for one in kept if one.layer is not layer]:
        if layer is not None and np.may_share_memory(before, layer.array):
            before = before.copy()
        value, (mask, corner) = values[each.identity], each.mask()
        before[before == value] = 0
        before[placed(mask, corner - corner_of(image.GetExtent()), now.shape)] = value
    return before


def _as_now(layer: Layer, values: Dict[str, int], image: Any) -> np.ndarray:
    """The copy of a layer on its extent now, with the values that its segments have now: the editor changes both."""
    now, extent, array = scalars(image), image.GetExtent(), layer.array
    if layer.extent != extent:
        array = array[layer.within(extent)]
        if array.shape != now.shape:
            array = placed(layer.array, layer.corner - corner_of(extent), now.shape)
    if all(values.get(one) == value for one, value in layer.values.items()) and array.dtype == now.dtype:
        return array
    table = np.zeros(int(max([*layer.values.values(), array.max(initial=0)])) + 1, now.dtype)
    for one, value in layer.values.items():
        table[value] = values.get(one, 0)
    return table[array]


def take_back(now: np.ndarray, before: np.ndarray, locked: Sequence[int]) -> Tuple[Set[int], slice]:
    """Take each voxel back that a locked segment has lost or gained.

    Slice by slice, so that what is compared stays in the processor's cache, and only the voxels that differ.

    Args:
        now, before: a layer, which is changed, and what it was.
        locked: values of its locked segments.

    Returns:
        Those of the values that had lost or gained voxels, and the slices in which anything differs.
    """
    found: Set[int] = set()
    differing = []
    for number, (here, there) in enumerate(zip(now, before)):
        differs = here != there
        if not differs.any():
            continue
        differing.append(number)
        are, were = here[differs], there[differs]
        lost, gained = np.isin(were, locked), np.isin(are, locked)
        found.update(int(value) for value in np.unique(np.concatenate([were[lost], are[gained]])))
        here[differs] = np.where(lost | gained, were, are)
    return found, slice(differing[0], differing[-1] + 1) if differing else slice(0, 0)


def grow(image: Any, kept: Sequence[Kept]) -> None:
    """Make a layer large enough for all these segments; the editor may have cut it to what is left."""
    masks = [(mask, corner) for mask, corner in (each.mask() for each in kept) if mask.size]
    now, corner = scalars(image), corner_of(image.GetExtent())
    ends = [(at, at + mask.shape) for mask, at in masks] + ([(corner, corner + now.shape)] if now.size else [])
    if not ends:
        return
    first, last = np.min([end[0] for end in ends], axis=0), np.max([end[1] for end in ends], axis=0)
    if now.size and (first == corner).all() and (last == corner + now.shape).all():
        return
    larger = placed(now, corner - first, last - first) if now.size else np.zeros(last - first, now.dtype)
    grown, matrix = oriented(larger, np.eye(4)), matrix_of_layer(image)
    grown.SetExtent(extent_of(first, larger.shape))
    grown.SetGeometryFromImageToWorldMatrix(matrix_of(matrix))
    image.DeepCopy(grown)
