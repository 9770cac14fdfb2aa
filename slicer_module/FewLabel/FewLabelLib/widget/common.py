"""What several sections need of Qt."""

from __future__ import annotations

import hashlib
import html
from typing import Any, Sequence, Tuple

import qt

ERROR, WARNING = (214, 69, 65), (214, 137, 16)  # readable on light and on dark backgrounds


class Settings:
    """What is remembered of this person from one start of Slicer to the next; nothing of a scene.

    No passwords; the token of a login only where the person asked to stay logged in.
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
        """Of the server at this address, "" for none."""
        return self.text(_token_of(url))

    def put_token(self, url: str, token: str) -> None:
        """Keep the token of a server; "" forgets it."""
        if token:
            self.put(_token_of(url), token)
        else:
            self._settings.remove(f"FewLabel/{_token_of(url)}")


def _token_of(url: str) -> str:
    return f"token-{hashlib.sha256(url.encode()).hexdigest()[:16]}"  # a slash would make a group of settings


def say(label: Any, text: str) -> None:
    """Put a text into a label, which takes no place while there is none."""
    label.text = text
    label.setVisible(bool(text))


def tool_tip(text: str) -> str:
    """A server's text as a tool tip shows it: lines are wrapped, and what looks like HTML is none."""
    return f"<qt>{html.escape(text, quote=False)}</qt>" if text else ""


def fill(combo: Any, entries: Sequence[Tuple[str, str]]) -> None:
    """Choices with their tool tips; what was chosen stays chosen where it is still there, else the first is."""
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
    """The colour of an item's text."""
    item.setForeground(qt.QBrush(qt.QColor(*rgb)))
