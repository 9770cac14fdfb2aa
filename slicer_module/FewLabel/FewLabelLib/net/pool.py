"""Requests about the proposals of the whole pool."""

from __future__ import annotations

from typing import Any, Dict, Optional
from urllib.parse import quote

from .transport import Transport


class PoolRequests:
    """A part of the client.

    Attributes:
        client_id: the person's name for the server's records.
    """

    _transport: Transport
    client_id: str

    def accept(self, case: str, version: Optional[int]) -> Dict[str, Any]:
        """Store the proposal of this version of the model, which the server has, as the label of a case."""
        body = {"version": version, "client_id": self.client_id}
        return self._transport.json("POST", f"/fewlabel/accept/{quote(case, safe='')}", work=True, json=body)

    def label_all(self) -> Dict[str, Any]:
        """Let the server predict every scan without a label; gives its state."""
        return self._transport.json("POST", "/fewlabel/label_all")

    def label_all_state(self) -> Dict[str, Any]:
        """How far it is: ``state``, ``done``, ``of``, ``seconds_left``, ..."""
        return self._transport.json("GET", "/fewlabel/label_all")

    def stop_label_all(self) -> Dict[str, Any]:
        """Let it end; gives its state."""
        return self._transport.json("DELETE", "/fewlabel/label_all")
