"""Controls the slice views: the image, a heat map over it, and the position."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import slicer

CERTAIN = 0.05  # the heat map is transparent below
STEPS = 256


class Views:
    """The slice views of a scene.

    Args:
        scene: MRML scene.
        application: its application logic; None: do not change the field of view.

    Attributes:
        opacity: of the heat map, 0 to 1.
        visible: whether it is shown.
    """

    def __init__(self, scene: Any, application: Optional[Any]) -> None:
        self._scene, self._application = scene, application
        self._volume: Optional[Any] = None
        self._overlay: Optional[Any] = None
        self.opacity, self.visible = 0.5, True

    def show(self, volume: Any) -> None:
        """Show a volume in all views, fitted to them."""
        self._volume = volume
        for composite in self._nodes("vtkMRMLSliceCompositeNode"):
            composite.SetBackgroundVolumeID(volume.GetID())
        if self._application is not None:
            selection = self._application.GetSelectionNode()
            if selection is not None:
                selection.SetActiveVolumeID(volume.GetID())
            self._application.FitSliceToAll()

    def overlay(self, volume: Optional[Any]) -> None:
        """Show a volume from 0 to 1 as a heat map over the image; None: remove it."""
        before, self._overlay = self._overlay, volume
        for composite in self._nodes("vtkMRMLSliceCompositeNode"):
            if volume is not None:
                composite.SetForegroundVolumeID(volume.GetID())
            elif before is not None and composite.GetForegroundVolumeID() == before.GetID():
                composite.SetForegroundVolumeID(None)
        if volume is not None:
            self._heat(volume)
            self.set_overlay(self.visible, self.opacity)

    def set_overlay(self, visible: bool, opacity: float) -> None:
        """Set whether the heat map is shown, and its opacity (0 to 1)."""
        self.visible, self.opacity = bool(visible), min(1.0, max(0.0, float(opacity)))
        if self._overlay is None:
            return
        for composite in self._nodes("vtkMRMLSliceCompositeNode"):
            if not composite.GetForegroundVolumeID() and self._shows_image(composite):  # a view of another layout
                composite.SetForegroundVolumeID(self._overlay.GetID())
            if composite.GetForegroundVolumeID() == self._overlay.GetID():
                composite.SetForegroundOpacity(self.opacity if self.visible else 0.0)

    def jump_to(self, points: Dict[str, List[float]]) -> None:
        """Centre each view on the point of its orientation (world RAS mm); the crosshair moves to the first one."""
        for view in self._nodes("vtkMRMLSliceNode"):
            point = points.get(view.GetOrientation().lower())
            if point is not None:
                view.JumpSliceByCentering(*point)
        for crosshair in self._nodes("vtkMRMLCrosshairNode"):
            crosshair.SetCrosshairRAS(next(iter(points.values())))

    def _shows_image(self, composite: Any) -> bool:
        return self._volume is not None and composite.GetBackgroundVolumeID() == self._volume.GetID()

    def _heat(self, volume: Any) -> None:
        display = volume.GetDisplayNode()
        display.SetAndObserveColorNodeID(self._heat_colors().GetID())
        display.AutoWindowLevelOff()
        display.SetWindowLevelMinMax(0.0, 1.0)
        display.AutoThresholdOff()
        display.SetThreshold(CERTAIN, 1.0)
        display.SetApplyThreshold(True)
        display.SetInterpolate(True)

    def _heat_colors(self) -> Any:
        """Colours from black over red and yellow to white; made once per scene."""
        colors = self._scene.GetSingletonNode("FewLabelHeat", "vtkMRMLColorTableNode")
        if colors is None:
            colors = slicer.vtkMRMLColorTableNode()
            colors.SetSingletonTag("FewLabelHeat")
            colors.SetTypeToUser()
            colors.SetName("FewLabel uncertainty")
            colors.SetNumberOfColors(STEPS)
            for step in range(STEPS):
                heat = 3 * step / (STEPS - 1)
                colors.SetColor(step, *(min(1.0, max(0.0, heat - start)) for start in range(3)))
            colors.HideFromEditorsOn()
            colors.SaveWithSceneOff()
            colors = self._scene.AddNode(colors)
        return colors

    def _nodes(self, kind: str) -> List[Any]:
        return [self._scene.GetNthNodeByClass(n, kind) for n in range(self._scene.GetNumberOfNodesByClass(kind))]
