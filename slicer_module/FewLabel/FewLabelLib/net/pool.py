"""Requests about the proposals of the whole pool."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional
from urllib.parse import quote

from .downloads import PICTURES, keep_newest
from .transport import Transport


class PoolRequests:
    """A part of the client.

    Attributes:
        client_id: the person's name for the server's records.
        folder: for downloads.
    """

    _transport: Transport
    client_id: str
    folder: Path

    def _target(self, case: str, what: str, kind: str) -> Path:
        raise NotImplementedError

    def thumbnail(self, case: str) -> Path:
        """A small picture (PNG) of the stored proposal of a case.

        Raises:
            Refused: (404) there is none.
        """
        target = self.folder / "pictures" / self._target(case, "proposal", ".png").name
        route, called = f"/fewlabel/thumbnail/{quote(case, safe='')}", f"the picture of '{case}'"
        file = self._transport.download("GET", route, lambda _: target, called)[0]
        keep_newest(target.parent, PICTURES)
        return file

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
