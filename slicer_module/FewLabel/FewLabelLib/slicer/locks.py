"""Finished segments: whatever edits them, they are put back, voxel by voxel. No widgets."""

from __future__ import annotations

from typing import Any, Dict, List, Set

import numpy as np
import slicer

from .editor_mask import EditorMask
from .layers import (
    Kept,
    Layer,
    binary,
    expected,
    extent_of,
    grow,
    look,
    matrix_of_layer,
    reach_beyond,
    scalars,
    take_back,
    values_of,
)
from .segmentation import LOCKED, is_locked, oriented


class Locks:
    """The locked segments of a segmentation node; they have a tag, so that they stay locked in a saved scene.

    Attributes:
        editor_mask: prevents what would be put back, where the editor's mask can.
    """

    def __init__(self) -> None:
        self._kept: Dict[str, Kept] = {}
        self._layers: Dict[Any, Layer] = {}
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
            image = segment.GetRepresentation(binary())
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
        same = layer is not None and layer.seen == image.GetMTime()
        if same and not new:
            return []
        if (
            layer is not None
            and layer.extent != image.GetExtent()
            and not np.allclose(layer.matrix, matrix_of_layer(image))
        ):
            new = identities  # resampled as a whole: nothing can be compared
        values, kept = values_of(segmentation, image), [self._kept[one] for one in identities if one not in new]
        found: Set[int] = set()
        if same and layer is not None:
            array = layer.array
        elif kept:
            if reach_beyond(kept, image.GetExtent()):
                grow(image, kept)
            array = self._unshared(expected(layer, kept, values, image), identities)
            found, block = take_back(scalars(image), array, [values[each.identity] for each in kept])
            array[block] = scalars(image)[block]
        else:
            array = scalars(image).copy()
        if found:
            image.GetPointData().GetScalars().Modified()
            image.Modified()  # Slicer draws it again
        layer = self._layers[image] = Layer(array, image.GetExtent(), matrix_of_layer(image), values, image.GetMTime())
        for one in identities:
            shown = self._kept[one].segment if one in self._kept else look(segmentation.GetSegment(one))
            self._kept[one] = Kept(one, layer, shown)
        return [segmentation.GetSegment(one.identity).GetName() for one in kept if values[one.identity] in found]

    def _unshared(self, array: np.ndarray, identities: List[str]) -> np.ndarray:
        """An array that may be written to: a copy, where a locked segment that has left this layer is kept in it."""
        others = [kept for one, kept in self._kept.items() if one not in identities]
        return array.copy() if any(np.may_share_memory(kept.layer.array, array) for kept in others) else array

    def _add_again(self, segmentation: Any, identity: str) -> str:
        """A locked segment was deleted: it gets a layer of its own."""
        kept = self._kept[identity]
        mask, corner = kept.mask()
        segment, image = slicer.vtkSegment(), oriented(mask.astype(np.uint8), kept.layer.matrix)
        segment.DeepCopyMetadata(kept.segment)
        image.SetExtent(extent_of(corner, mask.shape))
        segment.SetLabelValue(1)
        segment.AddRepresentation(binary(), image)
        segmentation.AddSegment(segment, identity)
        return str(segment.GetName())
