"""Stand-ins for those of Slicer's own widgets that the panel has. The nodes that they show are real."""

import qt
from PySide6.QtCore import Property, Qt
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QLabel, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

ICON, ROW = 14, 20  # pixels


class qMRMLWidget(QWidget):
    """Knows its scene, and tells it to those that the .ui file connects."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene, self._followers = None, []

    def _follow(self, widget):
        self._followers.append(widget)

    def setMRMLScene(self, scene):
        self._scene = scene
        for widget in self._followers:
            widget.setMRMLScene(scene)

    def mrmlScene(self):
        return self._scene


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """Shows names and colours of the segments; there are no effects to edit them with.

    Attributes:
        calls: what the panel asked for, beside the nodes.
    """

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node = self._effect = self._observed = None
        self._properties = {"segmentationNodeSelectorVisible": True, "sourceVolumeNodeSelectorVisible": True}
        self._properties["maximumNumberOfUndoStates"] = 0
        self._calls, self._list = [], QListWidget()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(QLabel("In 3D Slicer its Segment Editor is here. Segments:"))
        layout.addWidget(self._list)
        self._list.setMaximumHeight(5 * ROW)

    @property
    def calls(self):
        return self._calls

    def mrmlSegmentEditorNode(self):
        return self._node

    def setMRMLSegmentEditorNode(self, node):
        self._node = node
        self.updateWidgetFromMRML()

    def setSegmentationNode(self, node):
        self._needs_parameters()
        self._node.SetAndObserveSegmentationNode(node)
        if self._observed is not None:
            self._observed[0].RemoveObserver(self._observed[1])
        self._observed = None
        if node is not None:
            self._observed = (node, node.AddObserver("ModifiedEvent", lambda *_: self.updateWidgetFromMRML()))
        self.updateWidgetFromMRML()

    def segmentationNode(self):
        return self._node.GetSegmentationNode() if self._node is not None else None

    def setSourceVolumeNode(self, node):
        self._needs_parameters()
        self._node.SetAndObserveSourceVolumeNode(node)

    def sourceVolumeNode(self):
        return self._node.GetSourceVolumeNode() if self._node is not None else None

    def setActiveEffect(self, effect):
        self._effect = effect
        if self._node is not None and effect is None:
            self._node.SetActiveEffectName("")

    def activeEffect(self):
        return self._effect

    def setupViewObservations(self):
        self._calls.append("setupViewObservations")

    def removeViewObservations(self):
        self._calls.append("removeViewObservations")

    def installKeyboardShortcuts(self):
        self._calls.append("installKeyboardShortcuts")

    def uninstallKeyboardShortcuts(self):
        self._calls.append("uninstallKeyboardShortcuts")

    def updateWidgetFromMRML(self):
        self._list.clear()
        node = self.segmentationNode()
        segmentation = node.GetSegmentation() if node is not None else None
        for number in range(segmentation.GetNumberOfSegments() if segmentation is not None else 0):
            segment, icon = segmentation.GetNthSegment(number), QPixmap(ICON, ICON)
            icon.fill(QColor.fromRgbF(*segment.GetColor()))
            item = QListWidgetItem(QIcon(icon), segment.GetName())
            item.setFlags(item.flags() & ~Qt.ItemIsEditable)
            self._list.addItem(item)

    def _needs_parameters(self):
        assert self._node is not None, "The Segment Editor needs its parameter node first."

    def _property(kind, name):
        def write(self, value):
            self._properties[name] = value

        return Property(kind, lambda self: self._properties[name], write)

    segmentationNodeSelectorVisible = _property(bool, "segmentationNodeSelectorVisible")
    sourceVolumeNodeSelectorVisible = _property(bool, "sourceVolumeNodeSelectorVisible")
    maximumNumberOfUndoStates = _property(int, "maximumNumberOfUndoStates")


qt.QUiLoader.standins.update({kind.__name__: kind for kind in (qMRMLWidget, qMRMLSegmentEditorWidget)})
