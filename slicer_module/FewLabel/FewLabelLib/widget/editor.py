"""Slicer's own Segment Editor on the case's segments."""

from __future__ import annotations

from typing import Any

import slicer

from ..glance import Glance
from ..loading import Case
from .common import say

TAG = "FewLabel"  # the editor's settings here are not those of the module Segment Editor


class EditorSection:
    """The section "Segments"."""

    def __init__(self, ui: Any, session: Any) -> None:
        self.ui, self.session, self.editor = ui, session, ui.segmentEditor
        session.cases.loading.opened.connect(self._opened)

    def show(self, glance: Glance) -> None:
        say(self.ui.classesLabel, f"Classes of the server: {', '.join(glance.classes)}." if glance.classes else "")

    def select_parameters(self) -> None:
        """Give the editor its parameter node; to be called again when the scene was closed."""
        node = slicer.mrmlScene.GetSingletonNode(TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)  # of the two references that Python holds now
            node.SetSingletonTag(TAG)
            node = slicer.mrmlScene.AddNode(node)
        if self.editor.mrmlSegmentEditorNode() is not node:
            self.editor.setMRMLSegmentEditorNode(node)

    def enter(self) -> None:
        """The module is shown: the editor listens to the views and to its keys."""
        self.select_parameters()
        self.editor.setupViewObservations()
        self.editor.installKeyboardShortcuts()

    def exit(self) -> None:
        """Another module is shown."""
        self.editor.setActiveEffect(None)
        self.editor.uninstallKeyboardShortcuts()
        self.editor.removeViewObservations()

    def _opened(self, _: Case) -> None:
        scene = self.session.scene
        self.select_parameters()
        self.editor.setSegmentationNode(scene.segmentation)
        self.editor.setSourceVolumeNode(scene.volume)
