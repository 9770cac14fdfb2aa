"""Training: with what, how far it is, and its curves."""

from __future__ import annotations

from typing import Any, Dict, Tuple

from ..panel.glance import Glance
from ..panel.words import training_details
from ..session.training import Progress
from .chart import draw
from .common import Settings, fill, say


class TrainingSection:
    """The section "Training"."""

    def __init__(self, ui: Any, session: Any, settings: Settings) -> None:
        self.ui, self.session, self.settings = ui, session, settings
        ui.minutesSpin.value = int(settings.number("minutes", 0))
        ui.keepGoingSpin.value = int(settings.number("keep_going_labels", 5))
        ui.curveLabel.setVisible(False)
        ui.methodCombo.connect("currentIndexChanged(int)", lambda _=0: self._choose())
        ui.deviceCombo.connect("currentIndexChanged(int)", lambda _=0: self._choose())
        ui.minutesSpin.connect("valueChanged(int)", lambda _=0: self._choose())
        ui.keepGoingCheck.connect("toggled(bool)", lambda _=False: self._keep_going())
        ui.keepGoingSpin.connect("valueChanged(int)", lambda _=0: self._keep_going())
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
        )
        for name, widgets in rows:
            for widget in widgets:
                widget.setVisible(name in offered)
        ui.trainButton.enabled = "train" in glance.may
        ui.stopButton.enabled = "stop" in glance.may
        for widget in (ui.methodCombo, ui.minutesSpin, ui.deviceCombo):
            widget.enabled = "stop" not in glance.may
        say(ui.trainingLabel, glance.training)
        say(ui.outlookLabel, glance.outlook)
        ui.trainingBar.setVisible("stop" in glance.may)
        if not self.session.training.progress.told:
            self._changed(self.session.training.progress)  # another server

    def _options(self) -> Dict[str, Any]:
        """Of what the server offers; what it does not offer is not sent."""
        ui, capabilities = self.ui, self.session.connection.capabilities
        options: Dict[str, Any] = {}
        if capabilities is not None and len(capabilities.methods) > 1:
            options["method"] = ui.methodCombo.currentText or None
        if capabilities is not None and len(capabilities.devices) > 1:
            options["device"] = ui.deviceCombo.currentText or None
        if capabilities is not None and "max_minutes" in capabilities.options:
            options["max_minutes"] = ui.minutesSpin.value or None
        return options

    def _choose(self) -> None:
        self.session.training.options = self._options()
        self.settings.put("minutes", self.ui.minutesSpin.value)

    def _train(self) -> None:
        self._choose()
        self.session.training.start()

    def _keep_going(self) -> None:
        self._choose()
        training, labels = self.session.training, self.ui.keepGoingSpin.value
        training.keep_going = labels if self.ui.keepGoingCheck.checked else 0
        self.settings.put("keep_going_labels", labels)
        training.consider()

    def _changed(self, progress: Progress) -> None:
        self.ui.trainingBar.setValue(round(100 * progress.share))
        say(self.ui.detailsLabel, training_details(progress.told))
        there = bool(progress.losses or progress.validation)
        self.ui.curveLabel.setVisible(there)
        if there:
            self.ui.curveLabel.setPixmap(draw(progress.losses, progress.validation, self._colors(), self._width()))

    def _colors(self) -> Dict[str, Tuple[int, int, int]]:
        capabilities = self.session.connection.capabilities
        return {entry.name: tuple(entry.color) for entry in capabilities.classes} if capabilities else {}

    def _width(self) -> int:
        return max(320, min(900, int(self.ui.curveLabel.width)))
