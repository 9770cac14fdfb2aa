"""The section with Slicer's Segment Editor for the case's segments."""

from __future__ import annotations

from typing import Any, Dict, Tuple

import slicer

from .. import texts
from ..panel.glance import Glance
from ..session.loading import Case
from .common import say

TAG = "FewLabel"  # own settings, separate from those of the module Segment Editor


class EditorSection:
    """The section "Segments"."""

    def __init__(self, ui: Any, session: Any) -> None:
        self.ui, self.session, self.editor = ui, session, ui.segmentEditor
        self._editable = True
        self._is_locked = False  # the selected segment
        self._left: Dict[str, Tuple[str, str]] = {}  # by case: the segment and the effect that were selected
        ui.lockButton.connect("clicked(bool)", lambda _=False: self._lock())
        say(ui.locksLabel, "")
        session.cases.loading.opened.connect(self._opened)

    def show(self, glance: Glance) -> None:
        say(self.ui.classesLabel, f"Classes of the server: {', '.join(glance.classes)}." if glance.classes else "")
        if self._editable != ("edit" in glance.may):
            self._editable = not self._editable
            self.editor.enabled = self._editable
            if not self._editable:
                self.release()

    def select_parameters(self) -> None:
        """Set the editor's parameter node; call it again after the scene was closed."""
        node = slicer.mrmlScene.GetSingletonNode(TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)  # one of the two references that Python holds now
            node.SetSingletonTag(TAG)
            node.SaveWithSceneOff()  # in another scene it would refer to that scene's segments
            node = slicer.mrmlScene.AddNode(node)
        if self.editor.mrmlSegmentEditorNode() is not node:
            self.editor.setMRMLSegmentEditorNode(node)

    def enter(self) -> None:
        """The module is shown: the editor reacts to views and keys."""
        self.select_parameters()
        self.editor.setupViewObservations()
        self.editor.installKeyboardShortcuts()

    def exit(self) -> None:
        """Another module is shown."""
        self.editor.setActiveEffect(None)
        node = self.editor.mrmlSegmentEditorNode()
        if node is not None:
            self.session.scene.locks.editor_mask.apply(None, node)  # as it was before
        self.editor.uninstallKeyboardShortcuts()
        self.editor.removeViewObservations()

    def release(self) -> None:
        """Edit nothing: the case's segments are removed, and Slicer would select others in the scene."""
        if self.editor.mrmlSegmentEditorNode() is None:  # it edits nothing yet
            return
        self.editor.setActiveEffect(None)
        self.editor.setSegmentationNode(None)
        self.editor.setSourceVolumeNode(None)

    def take_up(self) -> None:
        """Edit the case's segments and nothing else; call it again after a scene was loaded into this one."""
        self.select_parameters()
        if self._editable:
            self.editor.setSegmentationNode(self.session.scene.segmentation)
            self.editor.setSourceVolumeNode(self.session.scene.volume)

    def tick(self) -> None:
        """Look at what the person does in the editor."""
        case, node = self.session.cases.case, self.editor.mrmlSegmentEditorNode()
        selected = node.GetSelectedSegmentID() if node is not None else None
        if case is not None and case.ready and selected:
            self._left[case.id] = selected, node.GetActiveEffectName() or ""
        self._show_locks(selected or "" if case is not None and case.ready else "")

    def _show_locks(self, selected: str) -> None:
        """Show which segments are locked; a locked one that is selected cannot be edited."""
        scene, node = self.session.scene, self.editor.mrmlSegmentEditorNode()
        names = scene.locks.names(scene.segmentation) if selected else {}
        segment = scene.segmentation.GetSegmentation().GetSegment(selected) if selected else None
        self._is_locked = selected in names
        self.ui.lockButton.enabled = segment is not None
        called = segment.GetName() if segment is not None else ""
        text = texts.lock(called, self._is_locked)
        if self.ui.lockButton.text != text:
            self.ui.lockButton.text = text
        text = texts.locked(list(names.values()), self.session.cases.locking.put_back)
        if self.ui.locksLabel.text != text:
            say(self.ui.locksLabel, text)
        if self._is_locked and node.GetActiveEffectName():
            self.editor.setActiveEffect(None)
        if node is not None:
            scene.locks.editor_mask.apply(scene.segmentation if selected else None, node)

    def _lock(self) -> None:
        node = self.editor.mrmlSegmentEditorNode()
        self.session.cases.locking.lock(node.GetSelectedSegmentID(), not self._is_locked)
        self.tick()

    def _opened(self, case: Case) -> None:
        self._editable = self.editor.enabled = True
        self.take_up()
        selected, effect = self._left.get(case.id, ("", ""))
        if self.session.scene.segmentation.GetSegmentation().GetSegment(selected) is not None:
            node = self.editor.mrmlSegmentEditorNode()
            node.SetSelectedSegmentID(selected)
            if effect:
                node.SetActiveEffectName(effect)
