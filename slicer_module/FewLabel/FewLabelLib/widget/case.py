"""The section for the current case: next case and reason, slices worth looking at, uncertainty."""

from __future__ import annotations

from typing import Any

from .. import texts
from ..panel.glance import Glance
from ..session.loading import Case
from .common import Settings, fill, say


class CaseSection:
    """The section "This case"."""

    def __init__(self, ui: Any, session: Any, settings: Settings) -> None:
        self.ui, self.session, self.settings = ui, session, settings
        self._slice = 0
        ui.uncertaintyCheck.checked = settings.flag("uncertainty", True)
        ui.opacitySlider.value = settings.number("opacity", 0.5)
        self._overlay()
        ui.nextButton.connect("clicked(bool)", lambda _=False: self._next())
        ui.sliceButton.connect("clicked(bool)", lambda _=False: self._jump())
        ui.againButton.connect("clicked(bool)", lambda _=False: self._ask())
        ui.discardEditsButton.connect("clicked(bool)", lambda _=False: self._discard())
        ui.keepEditsButton.connect("clicked(bool)", lambda _=False: ui.discardFrame.setVisible(False))
        ui.discardFrame.setVisible(False)
        self._asked: Any = None  # the case whose edits it was asked about
        ui.skipButton.connect("clicked(bool)", lambda _=False: self._skip())
        ui.uncertaintyCheck.connect("toggled(bool)", lambda _=False: self._overlay())
        ui.opacitySlider.connect("valueChanged(double)", lambda _=0.0: self._overlay())
        loading = session.cases.loading
        loading.arriving.connect(self._arriving)
        loading.opened.connect(self._opened)

    def show(self, glance: Glance) -> None:
        ui = self.ui
        fill(ui.strategyCombo, glance.strategies)
        for widget in (ui.strategyCombo, ui.nextButton, ui.skipButton):
            widget.setVisible("strategies" in glance.offered or not glance.offered)
        ui.skipCombo.setVisible("skip" in glance.offered)
        ui.nextButton.enabled = "next" in glance.may
        ui.skipButton.enabled = ui.skipCombo.enabled = "skip" in glance.may
        ui.againButton.enabled = "discard" in glance.may
        if "discard" not in glance.may or self.session.cases.case is not self._asked:
            ui.discardFrame.setVisible(False)
        ui.sliceButton.enabled = bool(glance.slices) and "submit" in glance.may
        for widget in (ui.uncertaintyCheck, ui.opacitySlider):
            widget.setVisible("uncertainty" in glance.offered)
        say(ui.caseLabel, glance.activity or glance.case)
        say(ui.reasonLabel, glance.reason)
        say(ui.slicesLabel, glance.slices)
        if self.session.cases.activity != "loading":
            ui.loadBar.setVisible(False)

    def _next(self) -> None:
        self.session.cases.next(self.ui.strategyCombo.currentText)

    def _skip(self) -> None:
        self.session.cases.skip(self.ui.skipCombo.currentText.strip())
        self.ui.skipCombo.setCurrentIndex(0)  # a reason is of one case only
        self.ui.skipCombo.setEditText(self.ui.skipCombo.itemText(0))

    def _ask(self) -> None:
        """Edits are removed only after a second click."""
        case = self.session.cases.case
        self._asked = case
        if case is not None:
            self.ui.discardLabel.text = texts.discard(case.id)
            self.ui.discardFrame.setVisible(True)

    def _discard(self) -> None:
        self.ui.discardFrame.setVisible(False)
        case = self.session.cases.case
        if case is not None and self._asked is case:
            self.session.cases.open(case.id, fresh=True)

    def _arriving(self, now: int, of: int) -> None:
        self.ui.loadBar.setVisible(True)
        self.ui.loadBar.setMaximum(100 if of else 0)  # 0: busy indicator
        self.ui.loadBar.setValue(int(100 * now / of) if of else 0)

    def _opened(self, _: Case) -> None:
        self._slice = 0
        self.ui.loadBar.setVisible(False)

    def _jump(self) -> None:
        self._slice += 1
        self.session.cases.loading.jump(self._slice)

    def _overlay(self) -> None:
        visible, opacity = self.ui.uncertaintyCheck.checked, self.ui.opacitySlider.value
        self.settings.put("uncertainty", visible)
        self.settings.put("opacity", opacity)
        self.session.scene.views.set_overlay(visible, opacity)
