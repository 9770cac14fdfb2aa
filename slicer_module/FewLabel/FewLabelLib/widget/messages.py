"""The session's messages, the newest first."""

from __future__ import annotations

import time
from typing import Any

from .common import ERROR, WARNING, color_of, tool_tip

KEPT = 100
COLORS = {"error": ERROR, "warning": WARNING}


class Messages:
    """The list of messages."""

    def __init__(self, ui: Any, session: Any) -> None:
        self._list = ui.messageList
        session.said.connect(self.add)
        session.context.over.connect(self.remove)

    def add(self, kind: str, text: str) -> None:
        """Add a message of a kind: info, warning or error."""
        called = "" if kind == "info" else f"{kind.capitalize()}: "
        self._list.insertItem(0, f"{time.strftime('%H:%M')}  {called}{text}")
        item = self._list.item(0)
        item.setToolTip(tool_tip(text))
        if kind in COLORS:
            color_of(item, COLORS[kind])
        while self._list.count > KEPT:
            self._list.takeItem(self._list.count - 1)
        self._list.scrollToTop()

    def remove(self, text: str) -> None:
        """Remove the errors and warnings with this text: they no longer hold."""
        for row in reversed(range(self._list.count)):
            item = self._list.item(row)
            if item.toolTip() == tool_tip(text) and any(f"{kind.capitalize()}: " in item.text() for kind in COLORS):
                self._list.takeItem(row)
