"""Registers the module in 3D Slicer; its logic is in FewLabelLib."""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path
from typing import Any, Callable, Optional

import qt
import slicer
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin

try:
    from slicer.i18n import tr as _
    from slicer.i18n import translate
except ImportError:  # Slicer before 5.6

    def _(text: str) -> str:
        return text

    def translate(_context: str, text: str) -> str:
        return text


from FewLabelLib.net import downloads
from FewLabelLib.net.client import Client
from FewLabelLib.net.transport import full_address
from FewLabelLib.session.session import Session, State
from FewLabelLib.session.worker import Worker
from FewLabelLib.slicer.scene import SlicerScene
from FewLabelLib.widget.common import Settings
from FewLabelLib.widget.panel import Panel

logger = logging.getLogger(__name__)


class FewLabel(ScriptedLoadableModule):
    """Title, category and help of the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = "FewLabel"
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations", "Volumes"]
        self.parent.contributors = ["The FewLabel contributors"]
        self.parent.helpText = _(
            "Segment a study with few labels: a MONAI Label server proposes which case to label next and why, "
            "learns from your labels and from all unlabelled scans, and exports the model."
        )
        self.parent.acknowledgementText = _("FewLabel is an app for MONAI Label, of Project MONAI.")


class FewLabelWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel in Slicer's window."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic: Optional[FewLabelLogic] = None
        self.panel: Optional[Panel] = None
        self._entered = False

    def setup(self) -> None:
        """Called once, when the module is first shown."""
        ScriptedLoadableModuleWidget.setup(self)
        widget = slicer.util.loadUI(self.resourcePath("UI/FewLabel.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        self.logic = FewLabelLogic()
        self.panel = Panel(self.ui, self.logic.session, Settings(), self.logic.set_annotator)
        self.panel.editor.select_parameters()  # before the scene: the editor keeps its defaults in this node
        widget.setMRMLScene(slicer.mrmlScene)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        self.panel.start()
        if self.parent.isEntered:  # reloaded while it is shown: Slicer does not call enter again
            self.enter()

    def cleanup(self) -> None:
        """Called when Slicer ends or the module is reloaded."""
        self.removeObservers()
        if self.panel is not None:
            self.panel.stop()
            self.panel = None
        if self.logic is not None:
            self.logic.forget_downloads()

    def enter(self) -> None:
        """Called whenever the module is shown."""
        if self.panel is not None and not self._entered:
            self.panel.enter(slicer.util.mainWindow())
        self._entered = True

    def exit(self) -> None:
        """Called whenever another module is shown."""
        self._entered = False
        if self.panel is not None:
            self.panel.exit()

    def onReload(self) -> None:
        """Developer mode: reload all files of the module, not only this one."""
        for name in [name for name in sys.modules if name.split(".")[0] == "FewLabelLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)

    def onSceneStartClose(self, _caller: Any, _event: Any) -> None:
        """Save edits before the nodes are removed."""
        if self.panel is not None:
            self.panel.scene_closes()

    def onSceneEndClose(self, _caller: Any, _event: Any) -> None:
        """Give the editor a new parameter node."""
        if self.panel is not None and self._entered:
            self.panel.editor.select_parameters()

    def onSceneEndImport(self, _caller: Any, _event: Any) -> None:
        """A scene was loaded in addition: let the editor go on with the case's segments."""
        if self.panel is not None:
            self.panel.editor.take_up()


class FewLabelLogic(ScriptedLoadableModuleLogic):
    """A session with Slicer's scene.

    Attributes:
        folder: for drafts and addresses.
        downloads: folder for scans; None until the first is downloaded.
        annotator: the person's name for the server's records.
        session: see FewLabelLib.session.session.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self.folder = Path(slicer.app.slicerUserSettingsFilePath).parent / "FewLabel"
        self.downloads: Optional[Path] = None
        self.annotator = ""
        self.session = Session(self.make_client, SlicerScene(), Worker(), self.folder)

    def make_client(self, address: str) -> Client:
        """A client of the server at this address."""
        if self.downloads is None:
            self.downloads = downloads.session_folder(Path(slicer.app.temporaryPath))
        return Client(address, self.downloads, self.annotator, token=Settings().token(full_address(address)))

    def forget_downloads(self) -> None:
        """Remove all downloaded scans when the session has ended."""
        if self.downloads is not None:
            downloads.remove(self.downloads)

    def set_annotator(self, name: str) -> None:
        """Send requests under this name from the next connection on."""
        self.annotator = name


class FewLabelTest(ScriptedLoadableModuleTest):
    """Runs in Slicer against a server whose address is in FEWLABEL_SERVER: it submits a label and takes it back.

    Use a study that is only for tests.
    """

    patience = 120.0  # seconds for each step

    def setUp(self) -> None:
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        self.setUp()
        self.test_a_label_is_drawn_submitted_and_taken_back()

    def test_a_label_is_drawn_submitted_and_taken_back(self) -> None:
        """Connect, next, edit, submit, compare with what is stored, undo."""
        address = os.environ.get("FEWLABEL_SERVER", "")
        if not address:
            self.delayDisplay("Skipped: set FEWLABEL_SERVER to the address of a server with a study for tests.")
            return
        slicer.util.selectModule("FewLabel")
        panel = slicer.modules.FewLabelWidget.panel
        session, ui = panel.session, panel.ui
        ui.addressCombo.setEditText(address)
        ui.connectButton.click()
        self.wait(panel, lambda: session.connection.online and session.cases.rows, "no connection")
        ui.nextButton.click()
        self.wait(panel, lambda: session.state is State.EDITING, "no case was loaded")
        case, handle = session.cases.case.id, session.cases.case.handle
        drawn = self.draw(session)
        ui.submitButton.click()
        self.wait(panel, lambda: session.cases.last_submitted == case, "the label was not submitted")
        self.wait(panel, lambda: not session.worker.busy, "the server's list was not read again")
        stored = slicer.util.loadLabelVolume(str(session.connection.client.download_label(case)))
        array = slicer.util.arrayFromVolume(stored)
        self.assertEqual(array.shape, slicer.util.arrayFromVolume(handle).shape)
        classes = {entry.name: entry.value for entry in session.connection.capabilities.classes}
        for name, mask in drawn.items():
            self.assertTrue(((array == classes[name]) == mask).all(), f"{name} was not stored as it was drawn")
        slicer.mrmlScene.RemoveNode(stored)
        if session.connection.capabilities.has("undo"):
            ui.undoButton.click()
            self.wait(panel, lambda: self.taken_back(session, case), "the label was not taken back")
        self.delayDisplay(f"Passed: case '{case}' was drawn, submitted and compared.")

    def draw(self, session: Session) -> dict:
        """Draw a box into the first segment, where no other is; gives the masks of all non-empty segments."""
        scene = session.scene
        segmentation = scene.segmentation.GetSegmentation()
        if not segmentation.GetNumberOfSegments():
            segmentation.AddEmptySegment("FewLabelTest", "FewLabelTest")
        names = [segmentation.GetNthSegmentID(number) for number in range(segmentation.GetNumberOfSegments())]
        masks = {
            name: slicer.util.arrayFromSegmentBinaryLabelmap(scene.segmentation, name, scene.volume) != 0
            for name in names
        }
        box = tuple(slice(length // 3, 2 * length // 3) for length in masks[names[0]].shape)
        masks[names[0]][box] |= ~sum(masks[name][box] for name in names).astype(bool)
        slicer.util.updateSegmentBinaryLabelmapFromArray(
            masks[names[0]].astype("uint8"), scene.segmentation, names[0], scene.volume
        )
        called = {name: segmentation.GetSegment(name).GetName() for name in names}
        return {called[name]: mask for name, mask in masks.items() if mask.any()}

    def taken_back(self, session: Session, case: str) -> bool:
        """Whether the server no longer has a label of the case."""
        state = session.cases.row(case).get("state")
        return not session.worker.busy and state not in ("submitted", "validation")

    def wait(self, panel: Panel, condition: Callable[[], Any], otherwise: str) -> None:
        """Run Slicer's event loop until the condition is true."""
        end = time.monotonic() + self.patience
        loop, timer = qt.QEventLoop(), qt.QTimer()
        timer.setInterval(100)
        timer.connect("timeout()", loop.quit)
        timer.start()
        while not condition():
            messages = panel.ui.messageList
            last = messages.item(0).text() if messages.count else ""
            self.assertLess(time.monotonic(), end, f"{otherwise}. {last}")
            loop.exec_()  # meanwhile only the panel's timer runs Python code
        timer.stop()
