"""The panel: all sections on one session, brought up to date by a timer."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any, Callable, Optional

import qt

from ..panel.glance import Glance, look
from .case import CaseSection
from .cases import CasesSection
from .common import Settings
from .editor import EditorSection
from .export import ExportSection
from .messages import Messages
from .server import ServerSection
from .shortcuts import Shortcuts
from .submit import SubmitSection
from .training import TrainingSection

EVERY = 100  # milliseconds between two looks
WHILE_BUSY = 20  # the same while the worker does something
GIVEN = 0.008  # seconds of a look that belong to the worker


class Panel:
    """Binds the widgets of ``FewLabel.ui`` to a session.

    Args:
        ui: the widgets by name.
        session: a session whose scene is a ``SlicerScene``.
        settings: what is remembered of the person.
        named: is told the person's name for the server's records.

    Attributes:
        server, cases, case, editor, submit, training, export: the sections.
    """

    def __init__(self, ui: Any, session: Any, settings: Settings, named: Callable[[str], None]) -> None:
        self.ui, self.session = ui, session
        self.messages = Messages(ui, session)
        self.server = ServerSection(ui, session, settings, named)
        self.cases = CasesSection(ui, session)
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
        session.state_changed.connect(lambda _: self.refresh())  # a button is off as soon as it was pressed
        self.refresh()

    def start(self) -> None:
        """From now on the session's answers are delivered."""
        self._timer.start()

    def stop(self) -> None:
        """Slicer ends or the module is unloaded."""
        self.session.close()  # first of all: it keeps the edits
        for end in (self._timer.stop, self.editor.exit, self.shortcuts.remove):
            with suppress(ValueError):  # PythonQt's word for a widget that Slicer has taken away already
                end()

    def tick(self) -> None:
        """Hand over what the session's worker has done, and show what has changed."""
        began = time.monotonic()
        self.session.deliver()
        self.refresh()
        self._give_way(began)

    def _give_way(self, began: float) -> None:
        """Let the worker go on: no other thread runs in Slicer but while this one sleeps or does Python's work.

        Qt's loop, which this thread is in otherwise, keeps Python's lock (the GIL) for itself. A download, which asks
        for the lock at each piece, would get one piece at each look.
        """
        busy = self.session.worker.busy
        every = min(WHILE_BUSY, EVERY) if busy else EVERY
        if every != self._every:
            self._every = every
            self._timer.setInterval(every)
        if busy:
            time.sleep(max(0.0, GIVEN - (time.monotonic() - began)))

    def refresh(self) -> None:
        """Show the session as it is, if that is not what is shown."""
        glance = look(self.session)
        if glance != self._shown:
            self._shown = glance
            for section in self._sections():
                section.show(glance)

    def enter(self, window: Any) -> None:
        """The module is shown.

        Args:
            window: the one whose keys are listened to; None: no keys.
        """
        self.editor.enter()
        if window is not None:
            self.shortcuts.install(window)

    def exit(self) -> None:
        """Another module is shown; the session goes on."""
        self.editor.exit()
        self.shortcuts.remove()

    def scene_closes(self) -> None:
        """The scene is about to be closed: edits are kept as a draft."""
        self.session.cases.close()
        self.refresh()

    def _sections(self) -> tuple:
        return self.server, self.cases, self.case, self.editor, self.submit, self.training, self.export
