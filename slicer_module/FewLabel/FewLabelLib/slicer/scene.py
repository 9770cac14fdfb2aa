"""The scene of a session (session.Scene) in Slicer: nodes of the current case. No widgets, no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
import slicer
import vtk

from ..errors import Unusable
from ..label.label_file import Geometry
from ..label.labels import LabelClass, Segment
from . import segmentation
from .image_file import grid_of_file, read_into, usual_range
from .locks import Locks
from .views import Views

SINGLE_FILE = 4  # option of the volumes logic: otherwise files with numbers in their names are merged to one image


class SlicerScene:
    """Shows one case at a time. Arguments that are not passed are taken from the running Slicer.

    Args:
        scene: MRML scene.
        volumes: logic of the Volumes module.
        application: application logic, which fits images into their views.

    Attributes:
        volume, segmentation, uncertainty: nodes of the case, or None.
        views: the slice views.
        locks: the finished segments.
    """

    def __init__(
        self, scene: Optional[Any] = None, volumes: Optional[Any] = None, application: Optional[Any] = None
    ) -> None:
        self._scene = slicer.mrmlScene if scene is None else scene
        self._volumes = slicer.modules.volumes.logic() if volumes is None else volumes
        if application is None and hasattr(slicer, "app"):
            application = slicer.app.applicationLogic()
        self.views = Views(self._scene, application)
        self.locks = Locks()
        self.volume: Optional[Any] = None
        self.segmentation: Optional[Any] = None
        self.uncertainty: Optional[Any] = None
        self._grid: Optional[Geometry] = None

    def load_volume(self, path: Path) -> Any:
        """Show an image file instead of the last one; gives its node.

        Raises:
            Unusable: Slicer cannot read it.
        """
        self.clear()
        self.volume = self._read(Path(path))
        self._grid = grid_of_file(Path(path), segmentation.geometry_of(self.volume))
        self.views.show(self.volume)
        return self.volume

    def show_segmentation(self, handle: Any, file: Optional[Path], classes: Sequence[LabelClass]) -> None:
        """Show a label map file (None: an empty one) as segments, one for each class.

        On another grid than the image's, nearest neighbour is used; values without a class are not shown.

        Raises:
            Unusable: Slicer cannot read the file, or it does not overlap the image.
        """
        geometry = segmentation.geometry_of(handle)
        array = np.zeros(geometry.shape, np.uint8) if file is None else self._labels(Path(file), geometry)
        self.locks.clear()
        segmentation.write_classes(self._segmentation_of(handle), array, classes, geometry)

    def replace_segments(self, handle: Any, segments: Sequence[Segment]) -> None:
        """Replace all segments by these, of a draft."""
        shown = segmentation.geometry_of(handle)
        self.locks.clear()
        segmentation.write_segments(self._segmentation_of(handle), segments, self.geometry(handle), shown)
        self.locks.put_back(self.segmentation)  # take copies of those that are locked

    def segments(self, handle: Any) -> List[Segment]:
        """All segments on the image's grid, with transforms applied; copies.

        This also works for nodes that were removed from the scene, so that edits can be kept after the scene was
        closed.

        Raises:
            Unusable: they are under a non-linear transform, or cannot be converted to voxels.
        """
        if self.segmentation is None or handle is not self.volume:
            return []
        self.locks.put_back(self.segmentation)
        moved = self._moved(self.segmentation, handle)
        return segmentation.read_segments(self.segmentation, self.geometry(handle), moved)

    def lock(self, handle: Any, segment: str, on: bool) -> None:
        """Lock or unlock a segment, by its id; its voxels cannot be changed while it is locked."""
        if self.segmentation is not None and handle is self.volume:
            self.locks.lock(self.segmentation, segment, on)

    def put_back(self, handle: Any) -> List[str]:
        """Undo what was changed in locked segments since the last call; gives their names."""
        if self.segmentation is None or handle is not self.volume:
            return []
        return self.locks.put_back(self.segmentation)

    def geometry(self, handle: Any) -> Geometry:
        """The grid of the image's file, without transforms: the server compares labels with it."""
        return self._grid if self._grid is not None and handle is self.volume else segmentation.geometry_of(handle)

    def revision(self, handle: Any) -> int:
        """A number that changes whenever a segment does: its voxels, name, colour, position, or the transform."""
        if self.segmentation is None or handle is not self.volume:
            return 0
        parent = self.segmentation.GetParentTransformNode()
        transform = (parent.GetID(), parent.GetTransformToWorldMTime()) if parent is not None else ()
        return hash((segmentation.newest_change(self.segmentation), transform))

    def harden_transforms(self, handle: Any) -> None:
        """Apply a linear transform of the segmentation to it; a transform that is shared with the image is kept.

        Raises:
            Unusable: it is not linear, or the image or its segmentation was removed from the scene.
        """
        self._present(self.volume if handle is self.volume else None, "image")
        node = self._present(self.segmentation, "segmentation")
        moved = self._moved(node, handle)
        if moved is not None:
            node.ApplyTransformMatrix(segmentation.matrix_of(moved))
            node.SetAndObserveTransformNodeID(handle.GetTransformNodeID())

    def _present(self, node: Optional[Any], called: str) -> Any:
        """The node, if it is in the scene."""
        if node is None or not self._scene.IsNodePresent(node):
            raise Unusable(f"The {called} of this case is not in the scene any more. Open the case again.")
        return node

    def show_uncertainty(self, handle: Any, file: Optional[Path]) -> None:
        """Show a map from 0 (certain) to 1 (uncertain) over the image; None removes it.

        Raises:
            Unusable: Slicer cannot read it.
        """
        self.views.overlay(None)
        self._remove(self.uncertainty)
        self.uncertainty = None
        if file is not None:
            self.uncertainty = self._read_scalars(Path(file))
            self.uncertainty.SetAndObserveTransformNodeID(handle.GetTransformNodeID())
            self.views.overlay(self.uncertainty)

    def jump_to(self, handle: Any, points: Dict[str, List[float]]) -> None:
        """Show these points in the slice views: for ``sagittal``, ``coronal``, ``axial`` in the image's RAS mm."""
        world = {}
        for axis, point in points.items():
            world[axis] = [0.0, 0.0, 0.0]
            handle.TransformPointToWorld([float(number) for number in point], world[axis])
        if world:
            self.views.jump_to(world)

    def clear(self) -> None:
        """Remove everything that was loaded here, and nothing else."""
        self.locks.clear()
        self.views.overlay(None)
        for node in (self.uncertainty, self.segmentation, self.volume):
            self._remove(node)
        self.volume = self.segmentation = self.uncertainty = self._grid = None

    def _read(self, path: Path) -> Any:
        """Read the image, with a display window for nearly all of its values."""
        try:
            node = self._read_scalars(path)
        except Unusable:
            return self._read_any(path)
        display, (low, high) = node.GetDisplayNode(), usual_range(segmentation.voxels(node.GetImageData()))
        display.SetWindowLevelMinMax(low, max(high, low + 1e-6))
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
        return node

    def _read_any(self, path: Path) -> Any:
        """Read an image in any format of Slicer, for example with colours."""
        node = self._volumes.AddArchetypeVolume(str(path), path.name.split(".")[0], SINGLE_FILE)
        if node is None or node.GetImageData() is None:
            self._remove(node)
            raise Unusable(f"Slicer cannot read the image {path}. Slicer's log says why.")
        if node.GetStorageNode() is not None:  # see _read_scalars
            self._scene.RemoveNode(node.GetStorageNode())
        return node

    def _read_scalars(self, path: Path) -> Any:
        """Read a volume without Slicer's automatic window, which needs all voxels and time.

        It has no storage node: the file is removed with the session, so a saved scene must not refer to it.
        """
        node, display = slicer.vtkMRMLScalarVolumeNode(), slicer.vtkMRMLScalarVolumeDisplayNode()
        read_into(node, path)
        display.AutoWindowLevelOff()
        node.SetName(self._scene.GenerateUniqueName(path.name.split(".")[0]))
        node.SetAndObserveDisplayNodeID(self._scene.AddNode(display).GetID())
        return self._scene.AddNode(node)

    def _labels(self, path: Path, geometry: Geometry) -> np.ndarray:
        """(k, j, i) values of a label map file on this grid."""
        node = slicer.vtkMRMLLabelMapVolumeNode()  # not in the scene: it must neither be visible nor stay
        read_into(node, path)
        values = segmentation.voxels(node.GetImageData())
        if values.dtype != np.uint8:
            values = np.rint(values).astype(np.int16)
        image = segmentation.oriented(values, segmentation.geometry_of(node).ijk_to_ras)
        array = segmentation.on_grid(image, geometry)
        if values.any() and not array.any():
            raise Unusable(f"The label {path} does not overlap the image: it belongs to another one.")
        return array

    def _segmentation_of(self, handle: Any) -> Any:
        """The node for segments; made when it is first needed."""
        if self.segmentation is None or not self._scene.IsNodePresent(self.segmentation):
            node = self._scene.AddNewNodeByClass("vtkMRMLSegmentationNode", f"{handle.GetName()} segmentation")
            node.CreateDefaultDisplayNodes()
            node.SetReferenceImageGeometryParameterFromVolumeNode(handle)
            self.segmentation = node
        self.segmentation.SetAndObserveTransformNodeID(handle.GetTransformNodeID())
        return self.segmentation

    def _moved(self, node: Any, handle: Any) -> Optional[np.ndarray]:
        """(4, 4) from the segmentation node's coordinates to the image's, RAS mm; None where they are equal."""
        mine, images = node.GetParentTransformNode(), handle.GetParentTransformNode()
        if mine is images:
            return None
        linear = images.IsTransformToNodeLinear(mine) if mine is None else mine.IsTransformToNodeLinear(images)
        if not linear:
            raise Unusable(
                "The segmentation and its image are under different transforms, one of which is not linear. "
                "Take the segmentation out of it in the Transforms module."
            )
        matrix = vtk.vtkMatrix4x4()
        slicer.vtkMRMLTransformNode.GetMatrixTransformBetweenNodes(mine, images, matrix)
        return segmentation.array_of(matrix)

    def _remove(self, node: Optional[Any]) -> None:
        if node is not None and self._scene.IsNodePresent(node):
            displays = [node.GetNthDisplayNode(number) for number in range(node.GetNumberOfDisplayNodes())]
            for other in (*displays, node.GetStorageNode()):  # displays: also that of volume rendering
                if other is not None:
                    self._scene.RemoveNode(other)
            self._scene.RemoveNode(node)
