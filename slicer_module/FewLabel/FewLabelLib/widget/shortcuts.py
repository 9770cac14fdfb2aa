"""Keys for what is done most often; they press the buttons, and do nothing where a button cannot be pressed."""

from __future__ import annotations

from typing import Any, Callable, Dict, List

import qt


class Shortcuts:
    """Keys that work while the module is shown."""

    def __init__(self, ui: Any) -> None:
        self.actions: Dict[str, Callable[[], None]] = {
            "Ctrl+Shift+N": ui.nextButton.click,
            "Ctrl+Return": ui.submitButton.click,
            "J": ui.placeButton.click,
            "U": ui.uncertaintyCheck.click,
        }
        self._installed: List[Any] = []

    def install(self, window: Any) -> None:
        """Listen to the keys of a window."""
        self.remove()
        for keys, action in self.actions.items():
            shortcut = qt.QShortcut(window)
            shortcut.setKey(qt.QKeySequence(keys))
            shortcut.connect("activated()", action)
            self._installed.append(shortcut)

    def remove(self) -> None:
        """Do not listen any more."""
        installed, self._installed = self._installed, []
        for shortcut in installed:
            try:
                shortcut.setEnabled(False)
                shortcut.deleteLater()  # it is the window's, which would keep it
            except (RuntimeError, ValueError):  # the window was closed first and took it along
                continue
