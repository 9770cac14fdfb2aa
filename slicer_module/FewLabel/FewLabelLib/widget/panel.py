"""The panel: all sections on one session, brought up to date by a timer."""

from __future__ import annotations

from typing import Any, Callable, Optional

import qt

from ..glance import Glance, look
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

EVERY = 100  # milliseconds between two deliveries


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
        self._timer = qt.QTimer()
        self._timer.setInterval(EVERY)
        self._timer.connect("timeout()", self.tick)
        session.state_changed.connect(lambda _: self.refresh())  # a button is off as soon as it was pressed
        self.refresh()

    def start(self) -> None:
        """From now on the session's answers are delivered."""
        self._timer.start()

    def stop(self) -> None:
        """Slicer ends or the module is unloaded."""
        self._timer.stop()
        self.shortcuts.remove()
        self.session.close()

    def tick(self) -> None:
        """Hand over what the session's worker has done, and show what has changed."""
        self.session.deliver()
        self.refresh()

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
