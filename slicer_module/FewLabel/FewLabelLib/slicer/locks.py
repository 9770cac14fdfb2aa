"""Finished segments: whatever edits them, they are put back, voxel by voxel. No widgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

import numpy as np
import slicer
import vtk

from .editor_mask import EditorMask
from .segmentation import LOCKED, array_of, is_locked, matrix_of, oriented, placed, voxels

Extent = Tuple[int, ...]


@dataclass
class _Kept:
    """A locked segment as it was: its voxels, from ``corner`` (k, j, i) on in its layer's coordinates, and its look."""

    mask: np.ndarray
    corner: np.ndarray
    segment: Any


@dataclass
class _Layer:
    """A layer with locked segments when it was last compared; ``values``: of its segments, by id."""

    array: np.ndarray
    extent: Extent
    matrix: np.ndarray
    values: Dict[str, int]
    seen: int


class Locks:
    """The locked segments of a segmentation node; they have a tag, so that they stay locked in a saved scene.

    Attributes:
        editor_mask: prevents what would be put back, where the editor's mask can.
    """

    def __init__(self) -> None:
        self._kept: Dict[str, _Kept] = {}
        self._layers: Dict[Any, _Layer] = {}
        self.editor_mask = EditorMask()

    def clear(self) -> None:
        """Forget all: the segments were replaced."""
        self._kept, self._layers = {}, {}

    def lock(self, node: Any, identity: str, on: bool) -> None:
        """Lock or unlock a segment as it is now; Slicer's list shows a locked one as completed."""
        segment = node.GetSegmentation().GetSegment(identity)
        if segment is None:
            return
        self.put_back(node)  # what was locked before
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        if on:
            segment.SetTag(LOCKED, "1")
            logic.SetSegmentStatus(segment, logic.Completed)
            self.put_back(node)  # take its copy
        else:
            segment.RemoveTag(LOCKED)
            logic.SetSegmentStatus(segment, logic.InProgress)
            self._kept.pop(identity, None)

    def names(self, node: Any) -> Dict[str, str]:
        """Names of the locked segments, by their ids, in the order of the list."""
        segmentation = node.GetSegmentation()
        found = {}
        for number in range(segmentation.GetNumberOfSegments()):
            segment = segmentation.GetNthSegment(number)
            if is_locked(segment):
                found[segmentation.GetNthSegmentID(number)] = segment.GetName()
        return found

    def put_back(self, node: Any) -> List[str]:
        """Undo what was changed in locked segments since the last call; gives their names.

        Only the slices of a layer that have changed are compared with the locked segments.
        """
        segmentation, changed = node.GetSegmentation(), []
        for identity in [one for one in self._kept if segmentation.GetSegment(one) is None]:
            changed.append(self._add_again(segmentation, identity))
        layers: Dict[Any, List[str]] = {}
        for number in range(segmentation.GetNumberOfSegments()):
            identity, segment = segmentation.GetNthSegmentID(number), segmentation.GetNthSegment(number)
            image = segment.GetRepresentation(_binary())
            if identity in self._kept and not is_locked(segment):  # the editor's undo took the tag back
                segment.SetTag(LOCKED, "1")
            if image is not None and is_locked(segment):
                layers.setdefault(image, []).append(identity)
        for image, identities in layers.items():
            changed += self._compare(segmentation, image, identities)
        self._layers = {image: layer for image, layer in self._layers.items() if image in layers}
        return list(dict.fromkeys(changed))

    def _compare(self, segmentation: Any, image: Any, identities: List[str]) -> List[str]:
        """Put back what differs in one layer; gives the names of its segments that did."""
        layer, new = self._layers.get(image), [one for one in identities if one not in self._kept]
        if layer is not None and layer.seen == image.GetMTime() and not new:
            return []
        if layer is not None and layer.extent != image.GetExtent() and not np.allclose(layer.matrix, _matrix(image)):
            new = identities  # resampled as a whole: nothing can be compared
        kept = [one for one in identities if one not in new]
        _grow(image, [self._kept[one] for one in kept])
        before = None if layer is None else _as_now(layer, segmentation, image)
        block = _changed(before, _scalars(image))
        names = []
        for one in kept:
            if self._restore(segmentation.GetSegment(one), image, self._kept[one], before, block):
                names.append(segmentation.GetSegment(one).GetName())
        if names:
            image.GetPointData().GetScalars().Modified()
            image.Modified()  # Slicer draws it again
        for one in new:
            self._kept[one] = _keep(segmentation.GetSegment(one), image)
        self._remember(segmentation, image, block)
        return names

    def _remember(self, segmentation: Any, image: Any, block: slice) -> None:
        """Copy a layer; only the slices that have changed, if the rest is there already."""
        values = {}
        for number in range(segmentation.GetNumberOfSegments()):
            segment = segmentation.GetNthSegment(number)
            if segment.GetRepresentation(_binary()) is image:
                values[segmentation.GetNthSegmentID(number)] = segment.GetLabelValue()
        now, layer, extent = _scalars(image), self._layers.get(image), image.GetExtent()
        if layer is not None and (layer.extent, layer.values, layer.array.dtype) == (extent, values, now.dtype):
            layer.array[block] = now[block]
            layer.matrix, layer.seen = _matrix(image), image.GetMTime()
        else:
            self._layers[image] = _Layer(now.copy(), extent, _matrix(image), values, image.GetMTime())

    def _restore(self, segment: Any, image: Any, kept: _Kept, before: Optional[np.ndarray], block: slice) -> bool:
        """Put back one segment inside these slices; whether it had changed."""
        now, value = _scalars(image)[block], segment.GetLabelValue()
        first = kept.corner - _corner(image) - np.array([block.start, 0, 0])
        wanted = placed(kept.mask, first, now.shape)
        wrong = (now == value) != wanted
        if not wrong.any():
            return False
        gained = wrong & ~wanted
        now[gained] = 0 if before is None else np.where(before[block] == value, 0, before[block])[gained]
        now[wrong & wanted] = value
        return True

    def _add_again(self, segmentation: Any, identity: str) -> str:
        """A locked segment was deleted: it gets a layer of its own."""
        kept = self._kept[identity]
        segment, layer = slicer.vtkSegment(), kept.mask.astype(np.uint8)
        segment.DeepCopyMetadata(kept.segment)
        matrix = next((each.matrix for each in self._layers.values()), np.eye(4))
        image = oriented(layer, matrix)
        start = kept.corner[::-1]
        image.SetExtent([each for at, n in zip(start, layer.shape[::-1]) for each in (int(at), int(at + n - 1))])
        segment.SetLabelValue(1)
        segment.AddRepresentation(_binary(), image)
        segmentation.AddSegment(segment, identity)
        return str(segment.GetName())


def _binary() -> str:
    return slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()


def _matrix(image: Any) -> np.ndarray:
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    return array_of(matrix)


def _corner(image: Any) -> np.ndarray:
    """(k, j, i) of the first voxel in the layer's coordinates."""
    return np.array(image.GetExtent()[::2])[::-1]


def _scalars(image: Any) -> np.ndarray:
    """(k, j, i) view of a layer; of no size for an empty one."""
    return voxels(image) if image.GetNumberOfPoints() else np.zeros((0, 0, 0), np.uint8)


def _keep(segment: Any, image: Any) -> _Kept:
    """A copy of the segment's voxels, cut to the slices that have any."""
    mask = _scalars(image) == segment.GetLabelValue()
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    look = slicer.vtkSegment()
    look.DeepCopyMetadata(segment)
    if not filled.size:
        return _Kept(mask[:0], _corner(image), look)
    return _Kept(mask[filled[0] : filled[-1] + 1].copy(), _corner(image) + np.array([filled[0], 0, 0]), look)


def _as_now(layer: _Layer, segmentation: Any, image: Any) -> np.ndarray:
    """The copy of a layer on its extent now, with the values that its segments have now: the editor changes both."""
    now, array = _scalars(image), layer.array
    corner = np.array(layer.extent[::2])[::-1] - _corner(image)
    if layer.extent != image.GetExtent():
        array = placed(array, corner, now.shape)
    values = {
        value: segmentation.GetSegment(one).GetLabelValue()
        for one, value in layer.values.items()
        if segmentation.GetSegment(one) is not None
        and segmentation.GetSegment(one).GetRepresentation(_binary()) is image
    }
    if all(values.get(value) == value for value in layer.values.values()) and array.dtype == now.dtype:
        return array
    table = np.zeros(int(max([*layer.values.values(), array.max(initial=0)])) + 1, now.dtype)
    for value, value_now in values.items():
        table[value] = value_now
    return table[array]


def _changed(before: Optional[np.ndarray], now: np.ndarray) -> slice:
    """The slices of a layer that differ from its copy; all without one."""
    if before is None:
        return slice(0, len(now))
    differ = [number for number in range(len(now)) if not np.array_equal(now[number], before[number])]
    return slice(differ[0], differ[-1] + 1) if differ else slice(0, 0)


def _grow(image: Any, kept: List[_Kept]) -> None:
    """Make a layer large enough for all these segments; the editor may have cut it to what is left."""
    full = [each for each in kept if each.mask.size]
    if not full:
        return
    now, corner = _scalars(image), _corner(image)
    ends = [(each.corner, each.corner + each.mask.shape) for each in full]
    ends += [(corner, corner + now.shape)] if now.size else []
    first, last = np.min([end[0] for end in ends], axis=0), np.max([end[1] for end in ends], axis=0)
    if now.size and (first == corner).all() and (last == corner + now.shape).all():
        return
    larger = np.zeros(last - first, now.dtype)
    if now.size:
        larger[tuple(slice(at, at + length) for at, length in zip(corner - first, now.shape))] = now
    grown = oriented(larger, np.eye(4))
    matrix = _matrix(image)
    grown.SetExtent([each for at, to in zip(first[::-1], last[::-1]) for each in (int(at), int(to - 1))])
    grown.SetGeometryFromImageToWorldMatrix(matrix_of(matrix))
    image.DeepCopy(grown)
