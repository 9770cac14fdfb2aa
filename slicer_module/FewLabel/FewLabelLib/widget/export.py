"""The section for exporting the published model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict

from ..panel.glance import Glance
from ..panel.words import size
from .common import Settings, fill, say


class ExportSection:
    """The section "Export"."""

    def __init__(self, ui: Any, session: Any, settings: Settings) -> None:
        self.ui, self.session, self.settings = ui, session, settings
        ui.exportFolder.currentPath = settings.text("folder", str(Path.home()))
        ui.exportButton.connect("clicked(bool)", lambda _=False: self._export())
        session.export.changed.connect(self._changed)
        session.export.loaded.connect(self._loaded)
        session.export.saved.connect(lambda file, _: self._saved(file))
        self._saved_as = ""

    def show(self, glance: Glance) -> None:
        self.ui.exportSection.setVisible("exports" in glance.offered or not glance.offered)
        fill(self.ui.formatCombo, glance.exports)
        self.ui.exportButton.enabled = "export" in glance.may
        say(self.ui.exportLabel, "\n".join(part for part in (glance.export, self._saved_as) if part))
        self.ui.exportBar.setVisible(self.session.export.running)

    @property
    def target(self) -> Path:
        """Path for the file, named after the study, the format and the model's version."""
        capabilities = self.session.connection.capabilities
        version = (capabilities.model or {}).get("version")
        parts = [capabilities.study or "study", self.ui.formatCombo.currentText, f"v{version}" if version else ""]
        name = re.sub(r"[^\w.-]+", "_", "-".join(part for part in parts if part))
        return Path(self.ui.exportFolder.currentPath).expanduser() / f"{name}.zip"

    def _export(self) -> None:
        self.settings.put("folder", self.ui.exportFolder.currentPath)
        self._saved_as = ""
        self.session.export.start(self.ui.formatCombo.currentText, self.target, self.ui.verifyCheck.checked)

    def _changed(self, state: Dict[str, Any]) -> None:
        self.ui.exportBar.format = "%p %"
        self.ui.exportBar.setValue(round(100 * float(state.get("progress") or 0.0)))

    def _loaded(self, now: int, of: int) -> None:
        self.ui.exportBar.format = f"{size(now)} received"
        self.ui.exportBar.setValue(int(100 * now / of) if of else 0)

    def _saved(self, file: Path) -> None:
        self._saved_as = f"Saved as {file}."
