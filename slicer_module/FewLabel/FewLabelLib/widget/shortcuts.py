"""Keyboard shortcuts for the most frequent actions; they click buttons, and do nothing if a button is disabled."""

from __future__ import annotations

from typing import Any, Callable, Dict, List

import qt


class Shortcuts:
    """Shortcuts that work while the module is shown."""

    def __init__(self, ui: Any) -> None:
        self.actions: Dict[str, Callable[[], None]] = {
            "Ctrl+Shift+N": ui.nextButton.click,
            "Ctrl+Return": ui.submitButton.click,
            "J": ui.sliceButton.click,
            "U": ui.uncertaintyCheck.click,
            "Ctrl+Shift+P": ui.reviewButton.click,
            "Ctrl+Shift+A": ui.acceptButton.click,
            "Ctrl+Shift+R": ui.rejectButton.click,
        }
        self._installed: List[Any] = []

    def install(self, window: Any) -> None:
        """Install the shortcuts in a window."""
        self.remove()
        for keys, action in self.actions.items():
            shortcut = qt.QShortcut(window)
            shortcut.setKey(qt.QKeySequence(keys))
            shortcut.connect("activated()", action)
            self._installed.append(shortcut)

    def remove(self) -> None:
        """Remove the shortcuts."""
        installed, self._installed = self._installed, []
        for shortcut in installed:
            try:
                shortcut.setEnabled(False)
                shortcut.deleteLater()  # the window owns it and would keep it
            except (RuntimeError, ValueError):  # the window was closed first and has deleted it
                continue
