"""The section for submitting the label, choosing classes of unknown segments, and taking a submission back."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import qt

from .. import texts
from ..panel.glance import Glance
from ..panel.words import submitted
from ..session.case import Submitted
from .common import Settings, say, tool_tip

CHOOSE, LEAVE_OUT = "choose a class", "none: leave it out"


class SubmitSection:
    """The section "Submit"."""

    def __init__(self, ui: Any, session: Any, settings: Settings) -> None:
        self.ui, self.session, self.settings = ui, session, settings
        self._names: List[str] = []
        self._classes: List[str] = []  # choices for each of them
        self.choices: List[Any] = []  # a combo box for each of the names
        self._answers: Dict[str, Optional[str]] = {}  # what was chosen before; None: left out
        ui.autoNextCheck.checked = session.cases.auto_next = settings.flag("auto_next", False)
        ui.submitLabel.setVisible(False)
        ui.submitButton.connect("clicked(bool)", lambda _=False: self.submit())
        ui.undoButton.connect("clicked(bool)", lambda _=False: self._undo())
        ui.autoNextCheck.connect("toggled(bool)", self._auto_next)
        ui.mappingButton.connect("clicked(bool)", lambda _=False: self._submit_so())
        ui.mappingCancelButton.connect("clicked(bool)", lambda _=False: ui.mappingFrame.setVisible(False))
        session.cases.submitted.connect(self._submitted)
        ui.emptyButton.connect("clicked(bool)", lambda _=False: self._submit_empty())
        ui.emptyCancelButton.connect("clicked(bool)", lambda _=False: self._hide())
        session.cases.unknown_segments.connect(self._ask)
        session.cases.empty_label.connect(self._ask_empty)
        session.cases.loading.opened.connect(lambda _: self._hide())
        self._hide()

    def show(self, glance: Glance) -> None:
        self.ui.submitButton.enabled = "submit" in glance.may
        self.ui.mappingButton.enabled = "submit" in glance.may and self._complete()
        self.ui.emptyButton.enabled = "submit" in glance.may
        self.ui.undoButton.setVisible("undo" in glance.offered)
        self.ui.undoButton.enabled = "undo" in glance.may
        of = f" of '{glance.last_submitted}'" if glance.last_submitted else ""
        self.ui.undoButton.toolTip = tool_tip(f"Take back the last submission{of}.")

    def submit(self) -> None:
        """Submit the label."""
        self._hide()
        self.session.cases.submit()

    def _undo(self) -> None:
        say(self.ui.submitLabel, "")
        self.session.cases.undo()

    def _hide(self) -> None:
        """Hide the questions: they are about a label that was not submitted."""
        self.ui.mappingFrame.setVisible(False)
        self.ui.emptyFrame.setVisible(False)

    def _ask_empty(self, classes: List[str]) -> None:
        self.ui.emptyLabel.text = texts.nothing_of(classes)
        self.ui.emptyFrame.setVisible(True)

    def _submit_empty(self) -> None:
        self._hide()
        self.session.cases.submission.submit_empty()

    def _auto_next(self, on: bool) -> None:
        self.session.cases.auto_next = bool(on)
        self.settings.put("auto_next", bool(on))

    def _submitted(self, result: Submitted) -> None:
        say(self.ui.submitLabel, submitted(result))

    # --- unknown segments

    def _ask(self, suggestions: Dict[str, Optional[str]]) -> None:
        """Show a line for each unknown segment, with a choice of classes."""
        classes = [entry.name for entry in self.session.connection.capabilities.classes]
        table = self.ui.mappingTable
        self._names, self._classes, self.choices = list(suggestions), classes, []
        table.setRowCount(0)
        table.setRowCount(len(self._names))
        for number, name in enumerate(self._names):
            table.setItem(number, 0, qt.QTableWidgetItem(name))
            combo = qt.QComboBox()
            combo.addItems([CHOOSE, *classes, LEAVE_OUT])
            known = self._answers.get(name, suggestions[name])
            at = classes.index(known) + 1 if known in classes else 0
            combo.setCurrentIndex(len(classes) + 1 if name in self._answers and known is None else at)
            combo.connect("currentIndexChanged(int)", lambda _=0: self._chosen())
            table.setCellWidget(number, 1, combo)
            self.choices.append(combo)
        table.resizeColumnsToContents()
        self.ui.mappingFrame.setVisible(True)
        self._chosen()

    def _complete(self) -> bool:
        return bool(self.choices) and all(combo.currentIndex > 0 for combo in self.choices)

    def _chosen(self) -> None:
        self.ui.mappingButton.enabled = self._complete()

    def _submit_so(self) -> None:
        if not self._complete():
            return
        offered: List[Optional[str]] = [
            *self._classes,
            None,
        ]  # by index, since a class may be named like the other entries
        chosen = {name: offered[combo.currentIndex - 1] for name, combo in zip(self._names, self.choices)}
        self._answers.update(chosen)
        self.ui.mappingFrame.setVisible(False)
        self.session.cases.submit(chosen)
