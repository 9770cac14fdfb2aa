"""The panel: all sections of one session, updated by a timer."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Callable, Optional

import qt

from ..launch.launcher import Launcher
from ..panel.glance import Glance, look
from .case import CaseSection
from .cases import CasesSection
from .common import Settings
from .editor import EditorSection
from .export import ExportSection
from .messages import Messages
from .pool import PoolSection
from .server import ServerSection
from .shortcuts import Shortcuts
from .start import StartSection
from .submit import SubmitSection
from .training import TrainingSection

EVERY = 100  # milliseconds between two updates
WHILE_BUSY = 20  # milliseconds while the worker is busy
GIVEN = 0.008  # seconds of an update that are given to the worker


class Panel:
    """Binds the widgets of ``FewLabel.ui`` to a session.

    Args:
        ui: the widgets by name.
        session: a session whose scene is a ``SlicerScene``.
        settings: of the person.
        named: called with the person's name for the server's records.

    Attributes:
        server, starting, cases, pool, case, editor, submit, training, export: the sections.
    """

    def __init__(self, ui: Any, session: Any, settings: Settings, named: Callable[[str], None]) -> None:
        self.ui, self.session = ui, session
        self.messages = Messages(ui, session)
        self.server = ServerSection(ui, session, settings, named)
        self.starting = StartSection(ui, Launcher(session.context.folder), settings, self.server)
        self.cases = CasesSection(ui, session)
        self.pool = PoolSection(ui, session)
        self.case = CaseSection(ui, session, settings)
        self.editor = EditorSection(ui, session)
        self.submit = SubmitSection(ui, session, settings)
        self.training = TrainingSection(ui, session, settings)
        self.export = ExportSection(ui, session, settings)
        self.shortcuts = Shortcuts(ui)
        self._shown: Optional[Glance] = None
        self._timer, self._every = qt.QTimer(), EVERY
        self._timer.setInterval(self._every)
        self._timer.connect("timeout()", self.tick)
        session.state_changed.connect(lambda _: self.refresh())  # buttons are disabled as soon as they were pressed
        self.refresh()

    def start(self) -> None:
        """Start to deliver the session's results."""
        self._timer.start()

    def stop(self) -> None:
        """Slicer ends or the module is unloaded."""
        self.session.close()  # first, since it saves the edits
        for end in (self.starting.close, self._timer.stop, self.editor.exit, self.shortcuts.remove):
            with suppress(ValueError):  # PythonQt's error for a widget that Slicer has deleted already
                end()

    def tick(self) -> None:
        """Deliver the results of the session's worker, and show changes."""
        began = time.monotonic()
        self.session.deliver()
        self.editor.tick()
        self.starting.tick()
        self.cases.tick()
        self.refresh()
        self._give_way(began)

    def _give_way(self, began: float) -> None:
        """Let the worker run: other threads of Slicer only run while this one sleeps or executes Python.

        Otherwise this thread is in Qt's event loop, which holds Python's lock (the GIL). A download, which needs the
        lock for each chunk, would get one chunk per update.
        """
        busy = self.session.worker.busy
        every = min(WHILE_BUSY, EVERY) if busy else EVERY
        if every != self._every:
            self._every = every
            self._timer.setInterval(every)
        if busy:
            time.sleep(max(0.0, GIVEN - (time.monotonic() - began)))

    def refresh(self) -> None:
        """Show the session, if it has changed."""
        glance = look(self.session)
        if glance != self._shown:
            self._shown = glance
            for section in self._sections():
                section.show(glance)

    def enter(self, window: Any) -> None:
        """The module is shown.

        Args:
            window: for keyboard shortcuts; None: no shortcuts.
        """
        self.editor.enter()
        if window is not None:
            self.shortcuts.install(window)

    def exit(self) -> None:
        """Another module is shown; the session continues."""
        self.editor.exit()
        self.shortcuts.remove()

    def scene_closes(self) -> None:
        """The scene is about to be closed: save edits as a draft."""
        self.session.cases.close()
        self.refresh()

    def _sections(self) -> tuple:
        return self.server, self.cases, self.pool, self.case, self.editor, self.submit, self.training, self.export
