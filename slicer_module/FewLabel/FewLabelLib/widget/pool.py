"""The part of the section "Cases" for the whole pool: Label all, and going through its proposals."""

from __future__ import annotations

from typing import Any, Dict

from ..panel.glance import Glance
from .common import say


class PoolSection:
    """Label all, the next proposal, Accept and Reject."""

    def __init__(self, ui: Any, session: Any) -> None:
        self.ui, self.session = ui, session
        ui.labelAllButton.connect("clicked(bool)", lambda _=False: session.pool.start())
        ui.stopAllButton.connect("clicked(bool)", lambda _=False: session.pool.stop())
        ui.reviewButton.connect("clicked(bool)", lambda _=False: session.pool.next())
        ui.acceptButton.connect("clicked(bool)", lambda _=False: session.pool.accept())
        ui.rejectButton.connect("clicked(bool)", lambda _=False: session.pool.reject())
        session.pool.changed.connect(self._changed)

    def show(self, glance: Glance) -> None:
        ui = self.ui
        ui.poolFrame.setVisible("label_all" in glance.offered)
        buttons = {
            "label_all": ui.labelAllButton,
            "stop_all": ui.stopAllButton,
            "review": ui.reviewButton,
            "accept": ui.acceptButton,
            "reject": ui.rejectButton,
        }
        for name, button in buttons.items():
            button.enabled = name in glance.may
        ui.poolBar.setVisible("stop_all" in glance.may)
        say(ui.poolLabel, glance.pool)

    def _changed(self, state: Dict[str, Any]) -> None:
        of = int(state.get("of") or 0)
        self.ui.poolBar.setValue(round(100 * int(state.get("done") or 0) / of) if of else 0)
