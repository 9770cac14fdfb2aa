"""The server's list of cases, and the history of submissions."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from .connection import Connection
from .context import Context, Signal


class CaseList:
    """The server's list of cases.

    Attributes:
        rows: one for each case.
        history: of submissions, and the estimated gain from more labels, if the server sends it; else {}.
        listed: rows.
    """

    def __init__(self, context: Context, connection: Connection) -> None:
        self._context, self._connection = context, connection
        self.listed = Signal()
        self.rows: List[Dict[str, Any]] = []
        self.history: Dict[str, Any] = {}

    def reset(self) -> None:
        """Forget the list: another server."""
        self.rows, self.history = [], {}

    def row(self, case: str) -> Dict[str, Any]:
        """The row of a case."""
        return next((row for row in self.rows if row["id"] == case), {})

    def refresh(self) -> None:
        """Request the list of cases and the history of submissions."""
        connection = self._connection
        if connection.online:
            client, has_history = connection.client, connection.known.has("history")
            self._context.run(lambda: (client.cases(), client.history() if has_history else {}), self._has_listed)

    def _has_listed(self, answer: Tuple[List[Dict[str, Any]], Dict[str, Any]]) -> None:
        self.rows, self.history = answer
        self.listed.emit(self.rows)
