"""Stand-ins for what a scripted module is derived from, and for the application that would load it."""

import sys
import types
import unittest
from pathlib import Path

import qt
from PySide6.QtCore import Property
from PySide6.QtWidgets import QApplication, QVBoxLayout
from qmrml import qMRMLSegmentEditorWidget, qMRMLWidget


class ScriptedLoadableModule:
    """The module in Slicer's lists."""

    def __init__(self, parent):
        self.parent = parent


class ScriptedLoadableModuleWidget:
    """A panel in ``parent``, which has a layout."""

    def __init__(self, parent=None):
        self.parent = parent
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.layout = self.parent.layout()

    def resourcePath(self, name):
        folder = Path(sys.modules[type(self).__module__].__file__).parent
        return str(folder / "Resources" / name)

    def setup(self):
        pass

    def cleanup(self):
        pass


class ScriptedLoadableModuleLogic:
    """What a module does without its panel."""

    def __init__(self, parent=None):
        self.moduleName = type(self).__name__.removesuffix("Logic")


class ScriptedLoadableModuleTest(unittest.TestCase):
    """A self test; ``said`` holds what would be shown for a moment."""

    said = ()

    def delayDisplay(self, message, *_, **__):
        self.said = (*self.said, message)


class Application:
    """``slicer.app``.

    Args:
        before: what it was: it knows the application logic.
        folder: of the settings and of what is there for a while.
    """

    applicationName = "Slicer"

    def __init__(self, before, folder):
        self.applicationLogic = before.applicationLogic
        self.slicerUserSettingsFilePath = str(folder / "Slicer.ini")
        self.temporaryPath = str(folder / "temporary")

    def testingEnabled(self):
        return True

    def processEvents(self):
        QApplication.processEvents()

    def topLevelWidgets(self):
        return QApplication.topLevelWidgets()


class ModuleParent(qMRMLWidget):
    """What Slicer's C++ has around a module's panel; knows whether the module is shown."""

    _entered = False

    def _set(self, entered):
        self._entered = entered

    isEntered = Property(bool, lambda self: self._entered, _set)


def module_parent(scene):
    """What Slicer's C++ gives a module's panel as its parent."""
    parent = ModuleParent()
    parent.setLayout(QVBoxLayout())
    parent.setMRMLScene(scene)
    return parent


def install(slicer, application):
    """Put these into the module ``slicer``."""
    loadable = types.ModuleType("slicer.ScriptedLoadableModule")
    for kind in (
        ScriptedLoadableModule,
        ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest,
    ):
        setattr(loadable, kind.__name__, kind)
    words = types.ModuleType("slicer.i18n")
    words.tr, words.translate = (lambda text: text), (lambda context, text: text)
    sys.modules.update({loadable.__name__: loadable, words.__name__: words})
    slicer.ScriptedLoadableModule, slicer.i18n = loadable, words
    slicer.qMRMLWidget, slicer.qMRMLSegmentEditorWidget = qMRMLWidget, qMRMLSegmentEditorWidget
    slicer.app = application
    assert qt.QUiLoader.standins
