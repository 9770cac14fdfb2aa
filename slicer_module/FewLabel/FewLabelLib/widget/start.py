"""The section that starts the server on this computer, and stops it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Optional

import qt

from ..launch.launcher import Launcher
from ..launch.status import Stage, Status, Wish
from .common import ERROR, Settings, say
from .server import ServerSection

GIVEN = 0.002  # seconds of an update


class StartSection:
    """The section "Start on this computer".

    Args:
        ui: its widgets.
        launcher: that does the work.
        settings: of the person.
        server: the section that connects.
    """

    def __init__(self, ui: Any, launcher: Launcher, settings: Settings, server: ServerSection) -> None:
        self.ui, self.launcher, self.settings, self.server = ui, launcher, settings, server
        self._shown: Optional[Status] = None
        ui.studiesFolder.connect("currentPathChanged(QString)", self._chosen)
        ui.studiesFolder.currentPath = settings.text("studies")
        ui.keepCheck.checked = launcher.keeps = settings.flag("keep", False)
        ui.keepCheck.connect("toggled(bool)", self._keep)
        ui.startButton.connect("clicked(bool)", lambda _=False: self.start())
        ui.serverStopButton.connect("clicked(bool)", lambda _=False: self.stop())
        ui.logButton.connect("clicked(bool)", lambda _=False: self._open_log())
        self.tick()

    def start(self) -> None:
        """Start the server for the folder that was chosen."""
        studies, root = (each.currentPath.strip() for each in (self.ui.studiesFolder, self.ui.rootFolder))
        self.settings.put("studies", studies)
        chosen = Path(root).expanduser() if root and self.ui.rootFrame.visible else None
        self.launcher.start(Wish(Path(studies).expanduser(), chosen, self.ui.classesEdit.text.strip()))
        self.tick()

    def stop(self) -> None:
        """Cancel, or disconnect from the server and end it."""
        connection, url = self.server.session.connection, self.launcher.status.url
        if url and connection.client is not None and connection.client.url == url:
            self.server.disconnect()
        self.launcher.stop()
        self.tick()

    def tick(self) -> None:
        """Show what the launcher tells; connect as soon as a server runs."""
        status, before = self.launcher.status, self._shown
        if status.stage is Stage.WORKING:
            time.sleep(GIVEN)  # Qt's event loop holds Python's lock: else the launcher's thread would hardly run
        if status == before:
            return
        self._shown, ui = status, self.ui
        ui.startButton.enabled = not status.busy
        ui.serverStopButton.enabled = status.busy
        ui.serverStopButton.text = "Cancel" if status.stage is Stage.WORKING else "Stop"
        ui.logButton.enabled = self.launcher.log is not None
        ui.studiesFolder.enabled = ui.classesEdit.enabled = not status.busy
        ui.rootFrame.setVisible(status.asks_folder)
        ui.startBar.setVisible(status.stage is Stage.WORKING)
        ui.startLabel.styleSheet = f"color: rgb{ERROR}" if status.stage is Stage.FAILED else ""
        say(ui.startLabel, "\n".join(part for part in (status.text, status.detail) if part))
        if status.url and (before is None or status.url != before.url):
            ui.addressCombo.setEditText(status.url)
            self.server.connect()

    def close(self) -> None:
        """Slicer ends or the module is unloaded."""
        self.launcher.close()

    def _chosen(self, folder: str) -> None:
        """Offer the structures with which this folder was served before."""
        known = self.launcher.record.served(Path(folder.strip()).expanduser())
        if known.port:
            self.ui.classesEdit.text = known.classes

    def _keep(self, on: bool) -> None:
        self.launcher.keeps = on
        self.settings.put("keep", on)

    def _open_log(self) -> None:
        if self.launcher.log is not None:
            qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(self.launcher.log)))
