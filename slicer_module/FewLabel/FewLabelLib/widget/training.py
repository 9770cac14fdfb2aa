"""The section for training: options, progress and curves."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

import qt

from ..panel.glance import Glance
from ..panel.terms import Entry, curves, legend
from ..panel.words import training_details
from ..session.training import Progress
from .chart import draw
from .common import Settings, fill, say, tool_tip

ENTRY, LINE, SWATCH = 170, 20, 10  # pixels: width and height of an entry of the legend, side of its colour


class TrainingSection:
    """The section "Training"."""

    def __init__(self, ui: Any, session: Any, settings: Settings) -> None:
        self.ui, self.session, self.settings = ui, session, settings
        ui.minutesSpin.value = int(settings.number("minutes", 0))
        ui.curveLabel.setVisible(False)
        ui.curveList.setVisible(False)
        ui.curveList.setGridSize(qt.QSize(ENTRY, LINE))
        ui.curveList.setIconSize(qt.QSize(SWATCH, SWATCH))
        ui.methodCombo.connect("currentIndexChanged(int)", lambda _=0: self._choose())
        ui.deviceCombo.connect("currentIndexChanged(int)", lambda _=0: self._choose())
        ui.minutesSpin.connect("valueChanged(int)", lambda _=0: self._choose())
        ui.continuousCheck.connect("clicked(bool)", lambda _=False: self._choose_continuous())
        ui.trainButton.connect("clicked(bool)", lambda _=False: self._train())
        ui.stopButton.connect("clicked(bool)", lambda _=False: session.training.stop())
        session.training.changed.connect(self._changed)

    def show(self, glance: Glance) -> None:
        ui, offered = self.ui, glance.offered
        ui.trainingSection.setVisible("trainer" in offered or not offered)
        fill(ui.methodCombo, glance.methods)
        fill(ui.deviceCombo, [(name, "") for name in glance.devices])
        rows = (
            ("methods", (ui.methodLabel, ui.methodCombo)),
            ("minutes", (ui.minutesLabel, ui.minutesSpin)),
            ("device", (ui.deviceLabel, ui.deviceCombo)),
            ("continuous", (ui.continuousCheck,)),
        )
        for name, widgets in rows:
            for widget in widgets:
                widget.setVisible(name in offered)
        ui.trainButton.enabled = "train" in glance.may
        ui.stopButton.enabled = "stop" in glance.may
        self._offer_continuous()
        for widget in (ui.methodCombo, ui.minutesSpin, ui.deviceCombo, ui.continuousCheck):
            widget.enabled = "stop" not in glance.may
        ui.minutesSpin.enabled = "stop" not in glance.may and not self._continuous()
        say(ui.trainingLabel, glance.training)
        say(ui.outlookLabel, glance.outlook)
        ui.trainingBar.setVisible("stop" in glance.may)
        if not self.session.training.progress.state:
            self._changed(self.session.training.progress)  # another server

    def _options(self) -> Dict[str, Any]:
        """Options that the server offers; others are not sent."""
        ui, capabilities = self.ui, self.session.connection.capabilities
        options: Dict[str, Any] = {}
        if capabilities is not None and len(capabilities.methods) > 1:
            options["method"] = ui.methodCombo.currentText or None
        if capabilities is not None and len(capabilities.devices) > 1:
            options["device"] = ui.deviceCombo.currentText or None
        if capabilities is not None and "max_minutes" in capabilities.options:
            options["max_minutes"] = ui.minutesSpin.value or None
        if capabilities is not None and "training" in capabilities.options:
            options["training"] = "continuous" if ui.continuousCheck.checked else "on_request"
        return options

    def _choose(self) -> None:
        self.session.training.options = self._options()
        self.settings.put("minutes", self.ui.minutesSpin.value)

    def _train(self) -> None:
        self._choose()
        self.session.training.start()

    def _offer_continuous(self) -> None:
        """The running kind of training; else the person's choice, if there is one; else the server's default."""
        capabilities, training = self.session.connection.capabilities, self.session.training
        offered = capabilities.options.get("training") if capabilities is not None else None
        if training.running and training.progress.state:
            self.ui.continuousCheck.checked = training.progress.state.get("training") == "continuous"
        elif isinstance(offered, list) and offered:
            self.ui.continuousCheck.checked = self.settings.flag("continuous", offered[0] == "continuous")

    def _continuous(self) -> bool:
        capabilities = self.session.connection.capabilities
        return capabilities is not None and "training" in capabilities.options and self.ui.continuousCheck.checked

    def _choose_continuous(self) -> None:
        self.settings.put("continuous", self.ui.continuousCheck.checked)
        self.ui.minutesSpin.enabled = not self._continuous()
        self._choose()

    def _changed(self, progress: Progress) -> None:
        self.ui.trainingBar.setValue(round(100 * progress.share))
        say(self.ui.detailsLabel, training_details(progress.state))
        there = bool(progress.losses or progress.validation)
        self.ui.curveLabel.setVisible(there)
        self.ui.curveList.setVisible(there)
        if there:
            self._name(legend(progress.losses, progress.validation, self._colors()))
            self.ui.curveLabel.toolTip = tool_tip(curves(progress.losses, progress.validation))
            self.ui.curveLabel.setPixmap(draw(progress.losses, progress.validation, self._colors(), self._width()))

    def _name(self, entries: List[Entry]) -> None:
        """The legend: each curve with its colour and last value; hovering explains it."""
        rows = self.ui.curveList
        while rows.count > len(entries):
            rows.takeItem(rows.count - 1)
        for number, entry in enumerate(entries):
            if number == rows.count:
                rows.addItem(entry.text)
            item, swatch = rows.item(number), qt.QPixmap(SWATCH, SWATCH)
            swatch.fill(qt.QColor(*entry.color))
            item.setText(entry.text)
            item.setToolTip(tool_tip(entry.meaning))
            item.setIcon(qt.QIcon(swatch))
        beside = max(1, self._width() // ENTRY)
        rows.setFixedHeight(LINE * -(-len(entries) // beside) + 4)

    def _colors(self) -> Dict[str, Tuple[int, int, int]]:
        capabilities = self.session.connection.capabilities
        return {entry.name: tuple(entry.color) for entry in capabilities.classes} if capabilities else {}

    def _width(self) -> int:
        return max(320, min(900, int(self.ui.curveLabel.width)))
