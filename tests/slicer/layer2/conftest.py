"""The panel's own widgets on Slicer's real scene, in Qt without a screen. Skipped where these are missing.

PythonQt, CTK's widgets and Slicer's own are replaced by the stand-ins of the folder beside this: what they do in a real
Slicer is not tested here.
"""

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

HERE = Path(__file__).resolve().parent
MODULE = HERE.parents[2] / "slicer_module" / "FewLabel" / "FewLabel.py"
VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
WIDTH, HEIGHT = 480, 1500  # of the panel: about what it has in Slicer's window on a large screen
PATIENCE = 60.0


def load(name, path):
    """A file as a module; the tests are no package."""
    specification = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


_layer1 = load("layer1_fixtures", HERE.parent / "layer1" / "conftest.py")
MISSING, booted, write, affines, load_helper = (
    getattr(_layer1, name) for name in ("MISSING", "booted", "write", "affines", "load_helper")
)


def qt_trouble():
    """Why Qt cannot be used here, "" if it can. Another process is asked: Qt ends one in which it finds no screen."""
    code = "from PySide6 import QtUiTools, QtWidgets; QtWidgets.QApplication([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return said[-1] if done.returncode else ""


@pytest.fixture(scope="session")
def qt(booted):
    """The stand-in of PythonQt's module ``qt``, with an application without a screen."""
    pytest.importorskip("PySide6", reason=MISSING)
    trouble = qt_trouble()
    if trouble:
        pytest.skip(
            f"Qt cannot be used here ({trouble}). On Debian and Ubuntu: "
            "apt-get install libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1"
        )
    sys.path.insert(0, str(HERE / "standins"))
    import ctk  # noqa: F401  (registers its widgets)
    import qmrml  # noqa: F401
    import qt

    qt.QSettings.setDefaultFormat(qt.QSettings.IniFormat)
    qt.application = qt.QApplication.instance() or qt.QApplication(["Slicer"])
    qt.application.setOrganizationName("FewLabel tests")
    return qt


@pytest.fixture
def slicer(booted, qt, tmp_path):
    """The module ``slicer`` with an empty scene, three slice views, and an application with its own settings."""
    import scripted

    before, scene = booted.app, booted.mrmlScene
    qt.QSettings.setPath(qt.QSettings.IniFormat, qt.QSettings.UserScope, str(tmp_path / "settings"))
    scripted.install(booted, scripted.Application(before, tmp_path))
    scene.Clear(0)
    booted.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(scene)
    views = []
    for name, orientation in VIEWS.items():
        for kind in ("vtkMRMLSliceCompositeNode", "vtkMRMLSliceNode"):
            node = scene.CreateNodeByClass(kind)  # with the orientations
            node.UnRegister(None)
            node.SetName(name)
            node.SetLayoutName(name)
            views.append(scene.AddNode(node))
        views[-1].SetOrientation(orientation)
    yield booted
    for node in views:  # singletons: they outlive the closing of a scene
        scene.RemoveNode(node)
    scene.Clear(0)
    booted.app = before


@pytest.fixture
def module(slicer, monkeypatch):
    """FewLabel.py, as Slicer would load it."""
    module = load("FewLabel", MODULE)
    monkeypatch.setitem(sys.modules, "FewLabel", module)
    return module


class Desk:
    """A person at the panel, in a window of its own.

    Attributes:
        widget: FewLabelWidget.
        ui, session: the panel's widgets by name; what they are bound to.
        said: texts of the messages so far, the newest first.
    """

    def __init__(self, qt, slicer, module):
        import scripted

        self.qt, self.slicer = qt, slicer
        self.window = qt.QMainWindow()
        self.window.setObjectName("qSlicerMainWindow")
        area, parent = qt.QScrollArea(), scripted.module_parent(slicer.mrmlScene)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(qt.Qt.ScrollBarAlwaysOff)
        area.setWidget(parent)
        self.window.setCentralWidget(area)
        self.window.resize(WIDTH, HEIGHT)
        self.parent = parent
        self.widget = module.FewLabelWidget(parent)
        self.widget.setup()
        self.window.show()
        self.widget.enter()
        self.ui, self.panel, self.session = self.widget.ui, self.widget.panel, self.widget.logic.session

    @property
    def said(self):
        return [self.ui.messageList.item(number).text() for number in range(self.ui.messageList.count)]

    def told(self, words):
        """Whether one of the messages has these words."""
        return any(words in text for text in self.said)

    def until(self, condition):
        """Let Qt run, the panel's timer too, until this is so."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, (self.session.state, self.said)
            self.qt.QApplication.processEvents()
            time.sleep(0.001)

    def settle(self):
        """Until nothing is under way, and all of it is shown."""
        self.until(lambda: not self.session.worker.busy)
        self.qt.QApplication.processEvents()

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

    def picture(self, path):
        """Write what the panel looks like."""
        self.qt.QApplication.processEvents()
        assert self.parent.grab().save(str(path))

    def close(self):
        self.widget.exit()
        self.widget.cleanup()
        self.window.close()


@pytest.fixture
def sit_down(qt, slicer, module, monkeypatch):
    """Callable (make_client): a Desk. ``make_client``: from an address to the client, in place of the real one.

    Whatever a slot raised fails the test.
    """
    from FewLabelLib.widget import panel

    monkeypatch.setattr(panel, "EVERY", 5)  # milliseconds
    desks = []
    qt.raised.clear()

    def sit_down(make_client=None):
        if make_client is not None:
            monkeypatch.setattr(module, "Client", lambda address, folder, annotator: make_client(address))
        desks.append(Desk(qt, slicer, module))
        return desks[-1]

    yield sit_down
    for desk in desks:
        desk.close()
    assert qt.raised == []


@pytest.fixture
def server(load_helper, write, tmp_path):
    """The server in memory of fake_server.py, with files that Slicer can read, each in the image's place."""

    class Server(load_helper("fake_server").FakeClient):
        def _file(self, name, array):
            return write(f"{name}.nii.gz", array)

    server = Server("http://one", tmp_path / "server")
    yield server
    for gate in server.gates.values():
        gate.set()


@pytest.fixture
def desk(sit_down, server):
    """A person at a panel that is connected to the server in memory."""
    desk = sit_down(lambda address: server)
    desk.connect(server.url)
    return desk
