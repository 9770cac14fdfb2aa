"""The section for exporting the published model and the study."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import qt

from ..panel.glance import Glance
from ..panel.words import size
from .common import Settings, say, tool_tip


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
        self._preset: List[str] = []

    def show(self, glance: Glance) -> None:
        self.ui.exportSection.setVisible("exports" in glance.offered or not glance.offered)
        self._list(glance.exports)
        self.ui.exportButton.enabled = "export" in glance.may
        say(self.ui.exportLabel, "\n".join(part for part in (glance.export, self._saved_as) if part))
        self.ui.exportBar.setVisible(self.session.export.running)

    @property
    def chosen(self) -> List[str]:
        """Names of the formats that are selected."""
        rows = self.ui.formatList
        return [rows.item(number).text() for number in range(rows.count) if rows.item(number).isSelected()]

    def _list(self, entries: Sequence[Tuple[str, str, str]]) -> None:
        """The formats with their tool tips; until a person selects others, the first that can be had is selected."""
        rows, names = self.ui.formatList, [name for name, _, _ in entries]
        if names != [rows.item(number).text() for number in range(rows.count)]:
            rows.clear()
            for name in names:
                rows.addItem(name)
            self._preset = []
        first = [name for name, _, problem in entries if not problem][:1]
        moved = self.chosen == self._preset != first
        for number, (name, about, problem) in enumerate(entries):
            item = rows.item(number)
            item.setToolTip(tool_tip(f"{about}\n{problem}".strip()))
            item.setFlags(qt.Qt.NoItemFlags if problem else qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable)
            if moved or problem:
                item.setSelected(moved and name in first)
        if moved:
            self._preset = first

    @property
    def target(self) -> Path:
        """Path for the file, named after the study, the formats and the model's version."""
        capabilities = self.session.connection.capabilities
        version = (capabilities.model or {}).get("version")
        parts = [capabilities.study or "study", *self.chosen, f"v{version}" if version else ""]
        name = re.sub(r"[^\w.-]+", "_", "-".join(part for part in parts if part))
        return Path(self.ui.exportFolder.currentPath).expanduser() / f"{name}.zip"

    def _export(self) -> None:
        self.settings.put("folder", self.ui.exportFolder.currentPath)
        self._saved_as = ""
        self.session.export.start(self.chosen, self.target, self.ui.verifyCheck.checked)

    def _changed(self, state: Dict[str, Any]) -> None:
        self.ui.exportBar.format = "%p %"
        self.ui.exportBar.setValue(round(100 * float(state.get("progress") or 0.0)))

    def _loaded(self, now: int, of: int) -> None:
        self.ui.exportBar.format = f"{size(now)} received"
        self.ui.exportBar.setValue(int(100 * now / of) if of else 0)

    def _saved(self, file: Path) -> None:
        self._saved_as = f"Saved as {file}."
