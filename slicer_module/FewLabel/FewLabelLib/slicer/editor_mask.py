"""Protects locked segments by the mask of Slicer's editor. No widgets."""

from __future__ import annotations

from typing import Any, Optional

import slicer

from .segmentation import is_locked


class EditorMask:
    """The editor can protect all other segments, or all visible ones, but not a choice of them.

    Where this says what is meant, its mask is set, and taken back as soon as it does not.
    """

    def __init__(self) -> None:
        self._set: Optional[int] = None  # the mode that was set here

    def apply(self, node: Optional[Any], editor: Any) -> None:
        """Set the editor's mask, or take it back; one that a person chose is left alone.

        Args:
            node: the segmentation; None: there is none.
            editor: the editor's parameter node.
        """
        everywhere = slicer.vtkMRMLSegmentationNode.EditAllowedEverywhere
        wanted = None if node is None else _wanted(node, editor.GetSelectedSegmentID() or "")
        if self._set is not None and editor.GetMaskMode() != self._set:
            self._set = None  # a person chose another one
        if wanted is None:
            if self._set is not None:
                editor.SetMaskMode(everywhere)
            self._set = None
        elif self._set is not None or editor.GetMaskMode() == everywhere:
            editor.SetMaskMode(wanted)
            self._set = wanted


def _wanted(node: Any, selected: str) -> Optional[int]:
    """The mask that protects the locked segments and no other; None: there is none."""
    segmentation, display = node.GetSegmentation(), node.GetDisplayNode()
    names = [segmentation.GetNthSegmentID(number) for number in range(segmentation.GetNumberOfSegments())]
    others = {name for name in names if name != selected}
    locked = {name for name in others if is_locked(segmentation.GetSegment(name))}
    if not locked or not selected:
        return None
    if locked == others:
        return slicer.vtkMRMLSegmentationNode.EditAllowedOutsideAllSegments
    if display is not None and locked == {name for name in others if display.GetSegmentVisibility(name)}:
        return slicer.vtkMRMLSegmentationNode.EditAllowedOutsideVisibleSegments
    return None
