"""A person at the panel: presses its buttons, paints, waits, looks."""

import importlib.util
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import ctk  # noqa: F401  (registers its widgets)
import numpy as np
import pytest
import qmrml  # noqa: F401
import qt
import scripted

MODULE = Path(__file__).resolve().parents[4] / "slicer_module" / "FewLabel" / "FewLabel.py"
VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
WIDTH, HEIGHT = 480, 1700  # of the panel
PATIENCE = 120.0  # seconds; generous, because other work may hold the processor
MARGIN = 6  # pixels around a picture


def open_qt():
    """The stand-in of PythonQt's module ``qt``, with an application without a screen."""
    qt.QSettings.setDefaultFormat(qt.QSettings.IniFormat)
    qt.application = qt.QApplication.instance() or qt.QApplication(["Slicer"])
    qt.application.setOrganizationName("FewLabel tests")
    return qt


@contextmanager
def room(slicer, folder):
    """The module ``slicer`` with an empty scene, three slice views, and an application with its own settings."""
    before, scene = slicer.app, slicer.mrmlScene
    qt.QSettings.setPath(qt.QSettings.IniFormat, qt.QSettings.UserScope, str(folder / "settings"))
    scripted.install(slicer, scripted.Application(before, folder))
    scene.Clear(0)
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    views = []
    for name, orientation in VIEWS.items():
        for kind in ("vtkMRMLSliceCompositeNode", "vtkMRMLSliceNode"):
            node = scene.CreateNodeByClass(kind)  # with the orientations
            node.UnRegister(None)
            node.SetName(name)
            node.SetLayoutName(name)
            views.append(scene.AddNode(node))
        views[-1].SetOrientation(orientation)
    yield slicer
    for node in views:  # singletons: they outlive the closing of a scene
        scene.RemoveNode(node)
    scene.Clear(0)
    slicer.app = before


@contextmanager
def loaded():
    """FewLabel.py, as Slicer would load it."""
    specification = importlib.util.spec_from_file_location("FewLabel", MODULE)
    module = importlib.util.module_from_spec(specification)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "FewLabel", module)
        specification.loader.exec_module(module)
        yield module


@contextmanager
def seats(slicer, module, every=5):
    """Callable (make_client): a Desk. ``make_client``: from an address to the client, instead of the real one.

    Whatever a slot raised fails the test.

    Args:
        every: milliseconds between two looks of the panel's timer.
    """
    from FewLabelLib.widget import panel

    desks = []
    qt.raised.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(panel, "EVERY", every)

        def sit_down(make_client=None):
            if make_client is not None:
                patch.setattr(module, "Client", lambda address, *_, **__: make_client(address))
            desks.append(Desk(slicer, module))
            return desks[-1]

        yield sit_down
        for desk in desks:
            desk.close()
    assert qt.raised == []


class Desk:
    """A person at the panel, in a window of its own.

    Attributes:
        widget: FewLabelWidget.
        ui: the panel's widgets by name.
        panel, session: see FewLabelLib.
    """

    def __init__(self, slicer, module):
        self.slicer = slicer
        self.window, area = qt.QMainWindow(), qt.QScrollArea()
        self.window.setObjectName("qSlicerMainWindow")
        self.parent = scripted.module_parent(slicer.mrmlScene)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)
        area.setWidget(self.parent)
        self.window.setCentralWidget(area)
        self.window.resize(WIDTH, HEIGHT)
        self.load(module)
        self.window.show()
        self.enter()

    def load(self, module):
        """Make the panel, anew if there was one: Slicer's way of reading a module again while it is shown."""
        self.widget = module.FewLabelWidget(self.parent)
        self.widget.setup()
        self.ui, self.panel, self.session = self.widget.ui, self.widget.panel, self.widget.logic.session

    def enter(self):
        """The module is shown."""
        self.parent.isEntered = True
        self.widget.enter()

    def exit(self):
        """Another module is shown."""
        self.parent.isEntered = False
        self.widget.exit()

    @property
    def said(self):
        """Texts of the messages so far, the newest first."""
        return [self.ui.messageList.item(number).text() for number in range(self.ui.messageList.count)]

    def has_message(self, words):
        """Whether one of the messages has these words."""
        return any(words in text for text in self.said)

    def until(self, condition):
        """Let Qt run, the panel's timer too, until this is so."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert not qt.raised, qt.raised
            assert time.monotonic() < end, (self.session.state, self.said)
            qt.QApplication.processEvents()
            time.sleep(0.001)

    def settle(self):
        """Until nothing is under way, and all of it is shown."""
        self.until(lambda: not self.session.worker.busy)
        qt.QApplication.processEvents()

    def press(self, name):
        """Press a button that can be seen and pressed."""
        button = getattr(self.ui, name)
        assert button.visible, f"{name} is hidden"
        assert button.enabled, f"{name} is disabled"
        button.click()

    def do(self, name):
        """Press a button and wait for what comes of it."""
        self.press(name)
        self.settle()

    def connect(self, address):
        self.ui.addressCombo.setEditText(address)
        self.do("connectButton")

    def mask(self, name):
        """Voxels of a segment on the image's grid."""
        scene = self.session.scene
        identity = scene.segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)
        return self.slicer.util.arrayFromSegmentBinaryLabelmap(scene.segmentation, identity, scene.volume) != 0

    def paint(self, name, mask):
        """Make a segment this mask, (k, j, i), in the segmentation node, as an effect of the editor would."""
        scene = self.session.scene
        segments = scene.segmentation.GetSegmentation()
        identity = segments.GetSegmentIdBySegmentName(name) or segments.AddEmptySegment(name, name)
        self.slicer.util.updateSegmentBinaryLabelmapFromArray(
            np.asarray(mask, np.uint8), scene.segmentation, identity, scene.volume
        )

    def picture(self, path, *names):
        """Write what these widgets of the panel look like, or all of it."""
        qt.QApplication.processEvents()
        area = self.parent.rect
        if names:
            widgets = [getattr(self.ui, name) for name in names]
            rects = [qt.QRect(each.mapTo(self.parent, qt.QPoint(0, 0)), each.size) for each in widgets]
            area = rects[0]
            for rect in rects[1:]:
                area = area.united(rect)
            area = area.adjusted(-MARGIN, -MARGIN, MARGIN, MARGIN)
        assert self.parent.grab(area).save(str(path))

    def close(self):
        self.exit()
        self.widget.cleanup()
        self.window.close()
