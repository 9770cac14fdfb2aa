"""Helpers for Qt that several sections use."""

from __future__ import annotations

import hashlib
import html
from typing import Any, Sequence, Tuple

import qt

ERROR, WARNING = (214, 69, 65), (214, 137, 16)  # readable on light and on dark backgrounds


class Settings:
    """A person's settings, kept between two starts of Slicer; nothing about a scene.

    No passwords; the token of a login only if the person chose to stay logged in.
    """

    def __init__(self) -> None:
        self._settings = qt.QSettings()

    def text(self, name: str, default: str = "") -> str:
        value = self._settings.value(f"FewLabel/{name}", default)
        return default if value is None else str(value)

    def number(self, name: str, default: float) -> float:
        try:
            return float(self.text(name, str(default)))
        except ValueError:
            return default

    def flag(self, name: str, default: bool) -> bool:
        return self.text(name, str(default)).lower() in ("true", "1")

    def put(self, name: str, value: Any) -> None:
        self._settings.setValue(f"FewLabel/{name}", str(value))

    def token(self, url: str) -> str:
        """The token for the server at this address, "" for none."""
        return self.text(_token_of(url))

    def put_token(self, url: str, token: str) -> None:
        """Store the token of a server; "" removes it."""
        if token:
            self.put(_token_of(url), token)
        else:
            self._settings.remove(f"FewLabel/{_token_of(url)}")


def _token_of(url: str) -> str:
    return f"token-{hashlib.sha256(url.encode()).hexdigest()[:16]}"  # a slash would create a group of settings


def say(label: Any, text: str) -> None:
    """Set the text of a label, which is hidden while it is empty."""
    label.text = text
    label.setVisible(bool(text))


def tool_tip(text: str) -> str:
    """A server's text as a tool tip: lines are wrapped, HTML is escaped."""
    return f"<qt>{html.escape(text, quote=False)}</qt>".replace("\n", "<br>") if text else ""


def fill(combo: Any, entries: Sequence[Tuple[str, str]]) -> None:
    """Set choices with tool tips; the current choice is kept if it still exists, else the first is selected."""
    names = [name for name, _ in entries]
    if names != [combo.itemText(number) for number in range(combo.count)]:
        chosen = combo.currentText
        combo.clear()
        for name in names:
            combo.addItem(name)
        combo.setCurrentIndex(names.index(chosen) if chosen in names else min(0, len(names) - 1))
    for number, (_, about) in enumerate(entries):
        combo.setItemData(number, tool_tip(about), qt.Qt.ToolTipRole)


def color_of(item: Any, rgb: Tuple[int, int, int]) -> None:
    """Set the colour of an item's text."""
    item.setForeground(qt.QBrush(qt.QColor(*rgb)))
