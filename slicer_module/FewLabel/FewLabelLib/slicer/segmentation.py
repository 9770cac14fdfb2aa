"""Converts between segments of a node and arrays on an image's grid, without Slicer's export, which renumbers.

Slicer stores segments that do not overlap in one array (a layer), where each has its own value.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from ..errors import Unusable
from ..label.label_file import Geometry
from ..label.labels import LabelClass, Segment

ORIGIN = "FewLabel.Origin"  # tag of a segment: the class that it was loaded as
LOCKED = "FewLabel.Locked"  # tag of a segment that is finished
HALF_A_PERCENT = 0.005  # of a voxel: grids with smaller differences are equal, since headers are rounded to float32


def matrix_of(array: np.ndarray) -> vtk.vtkMatrix4x4:
    """(4, 4) array as VTK's matrix."""
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(np.asarray(array, float).ravel().tolist())
    return matrix


def array_of(matrix: vtk.vtkMatrix4x4) -> np.ndarray:
    """VTK's matrix as (4, 4) float64."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def geometry_of(volume: Any) -> Geometry:
    """The grid of a volume node in its own coordinates, without transforms."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return Geometry(tuple(reversed(volume.GetImageData().GetDimensions())), array_of(matrix))


def voxels(image: Any) -> np.ndarray:
    """(k, j, i) view of an image's scalars."""
    return vtk_to_numpy(image.GetPointData().GetScalars()).reshape(image.GetDimensions()[::-1])


def oriented(array: np.ndarray, ijk_to_ras: np.ndarray) -> Any:
    """A (k, j, i) array as an oriented image of Slicer; a copy."""
    image = slicer.vtkOrientedImageData()
    image.SetDimensions(array.shape[::-1])
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(array).ravel(), deep=True))
    image.SetGeometryFromImageToWorldMatrix(matrix_of(ijk_to_ras))
    return image


def on_grid(image: Any, geometry: Geometry, moved: Optional[np.ndarray] = None) -> np.ndarray:
    """Voxels of an oriented image on this grid, 0 outside of the image; a copy.

    On the same grid, or a part of it, values are copied; on another grid, nearest neighbour is used.

    Args:
        image: of integers.
        geometry: the target grid.
        moved: (4, 4) from the image's coordinates to the grid's, RAS mm.
    """
    extent = np.array(image.GetExtent()).reshape(3, 2)
    if (extent[:, 1] < extent[:, 0]).any() or image.GetPointData().GetScalars() is None:
        return np.zeros(geometry.shape, np.uint8)  # an empty segment
    to_world = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(to_world)
    world = (np.eye(4) if moved is None else moved) @ array_of(to_world)
    to_grid = np.linalg.inv(geometry.ijk_to_ras) @ world
    signs = np.where(np.diag(to_grid)[:3] < 0, -1, 1)  # a mirrored axis needs no resampling
    first, last = (np.rint(to_grid @ [*end, 1])[:3].astype(int) for end in extent.T)
    corners = np.array([[i, j, k, 1] for i in extent[0] for j in extent[1] for k in extent[2]], float).T
    expected = signs[:, None] * corners[:3] + (first - signs * extent[:, 0])[:, None]
    if np.abs((to_grid @ corners)[:3] - expected).max() < HALF_A_PERCENT:
        part = voxels(image)[tuple(slice(None, None, sign) for sign in signs[::-1])]
        return placed(part, np.minimum(first, last)[::-1], geometry.shape)
    source, result = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    source.ShallowCopy(image)
    source.SetGeometryFromImageToWorldMatrix(matrix_of(world))
    grid = oriented(np.zeros(geometry.shape, np.uint8), geometry.ijk_to_ras)
    resample = slicer.vtkOrientedImageDataResample.ResampleOrientedImageToReferenceOrientedImage
    if not resample(source, grid, result, False, False):
        raise Unusable("A segment cannot be resampled to the image's grid.")
    return voxels(result).copy()


def placed(part: np.ndarray, corner: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """An array of zeros with a part inserted at ``corner``; what lies outside is cut off."""
    result = np.zeros(shape, part.dtype)
    first = np.maximum(corner, 0)
    last = np.minimum(corner + part.shape, shape)
    if (last > first).all():
        inside = tuple(slice(start - at, end - at) for start, end, at in zip(first, last, corner))
        result[tuple(slice(start, end) for start, end in zip(first, last))] = part[inside]
    return result


def read_segments(node: Any, geometry: Geometry, moved: Optional[np.ndarray] = None) -> List[Segment]:
    """All segments in the order of the list, also hidden and empty ones; those of a layer share its copy.

    Args:
        moved: see ``on_grid``.

    Raises:
        Unusable: there are surfaces that cannot be converted to voxels.
    """
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    voxels_there = not segmentation.GetNumberOfSegments() or segmentation.ContainsRepresentation(name)
    if not voxels_there and not segmentation.CreateRepresentation(name):
        raise Unusable("The segments are surfaces that cannot be converted to voxels.")
    layers: Dict[Any, np.ndarray] = {}
    result = []
    for number in range(segmentation.GetNumberOfSegments()):
        identity, segment = segmentation.GetNthSegmentID(number), segmentation.GetNthSegment(number)
        image = segment.GetRepresentation(name)
        if image is None:
            raise Unusable(f"Segment '{segment.GetName()}' has no voxels. Delete it and paint it again.")
        if image not in layers:
            layers[image] = on_grid(image, geometry, moved)
        visible = display is None or bool(display.GetSegmentVisibility(identity))
        color = tuple(round(255 * part) for part in segment.GetColor())
        value = segment.GetLabelValue()
        about = visible, _origin(segment), color, is_locked(segment)
        result.append(Segment(segment.GetName(), layers[image], value, *about))
    return result


def is_locked(segment: Any) -> bool:
    """Whether a segment has the tag of finished ones."""
    return bool(segment.GetTag(LOCKED, vtk.reference("")))


def _origin(segment: Any) -> str:
    text = vtk.reference("")
    return str(text) if segment.GetTag(ORIGIN, text) else ""


def write_classes(node: Any, array: np.ndarray, classes: Sequence[LabelClass], geometry: Geometry) -> None:
    """Replace all segments by one for each class, in this order, in a single layer."""
    values = [entry.value for entry in classes]
    layer = np.where(np.isin(array, values), array, 0)  # other values would stay invisibly
    image = oriented(layer.astype(_smallest(max(values, default=0))), geometry.ijk_to_ras)
    shown = [Segment(entry.name, layer, entry.value, True, entry.name, entry.color) for entry in classes]
    _fill(node, [(segment, image, value) for segment, value in zip(shown, values)])


def write_segments(node: Any, segments: Sequence[Segment], geometry: Geometry, shown: Geometry) -> None:
    """Replace all segments by these, in this order; overlapping ones get separate layers.

    Args:
        geometry: of their arrays.
        shown: their grid in the node.
    """
    layers: List[np.ndarray] = []
    positions: List[Tuple[int, int]] = []
    for value, segment in enumerate(segments, 1):
        mask = segment.mask
        chosen = next((number for number, layer in enumerate(layers) if not layer[mask].any()), len(layers))
        if chosen == len(layers):
            layers.append(np.zeros(geometry.shape, _smallest(len(segments))))
        layers[chosen][mask] = value
        positions.append((chosen, value))
    laid = [on_grid(oriented(layer, geometry.ijk_to_ras), shown) for layer in layers]
    images = [oriented(layer, shown.ijk_to_ras) for layer in laid]
    _fill(node, [(segment, images[layer], value) for segment, (layer, value) in zip(segments, positions)])


def _smallest(highest: int) -> type:
    return np.uint8 if highest <= np.iinfo(np.uint8).max else np.int16


def _fill(node: Any, entries: Sequence[Tuple[Segment, Any, int]]) -> None:
    """Replace the segments of a node; each has a layer and a value in it."""
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    changing = node.StartModify()
    try:
        segmentation.RemoveAllSegments()
        segmentation.SetSourceRepresentationName(name)
        for entry, image, value in entries:
            segment = slicer.vtkSegment()
            segment.SetName(entry.name)
            segment.SetColor([part / 255 for part in entry.color])
            segment.SetNameAutoGenerated(False)  # so that a terminology does not change the name
            segment.SetColorAutoGenerated(False)
            segment.SetTag(ORIGIN, entry.origin)
            if entry.locked:
                segment.SetTag(LOCKED, "1")
            segment.SetLabelValue(int(value))
            segment.AddRepresentation(name, image)
            identity = segmentation.GenerateUniqueSegmentID(entry.name)
            segmentation.AddSegment(segment, identity)
            if display is not None:
                display.SetSegmentVisibility(identity, bool(entry.visible))
    finally:
        node.EndModify(changing)


def newest_change(node: Any) -> int:
    """Latest modification time of a segmentation, its segments and their layers."""
    segmentation = node.GetSegmentation()
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    times = [segmentation.GetMTime()]
    for number in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(number)
        image = segment.GetRepresentation(name)
        times += [segment.GetMTime(), image.GetMTime() if image is not None else 0]
    return max(times)
