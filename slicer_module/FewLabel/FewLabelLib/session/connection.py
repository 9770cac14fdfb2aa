"""Connects to a server, logs in, and notices when the server is lost or back."""

from __future__ import annotations

import json
from typing import Any, Callable, List, Optional

from ..errors import NotReachable, sentence
from ..net.capabilities import Capabilities
from .context import CONNECTION, Context, Signal

RETRY = 5.0  # seconds between two attempts to reach a lost server
REMEMBERED = 10  # addresses


class Connection:
    """The session's server.

    Args:
        context: of the session.
        make_client: from an address to a client (net.client.Client).

    Attributes:
        client: of the server; None: no server was chosen.
        capabilities: what the server offers; None until it has responded.
        lost: the server has responded before, but does not now.
        connecting: the first request is under way.
        trouble: error of the last attempt to connect, None if it succeeded.
        login_needed: sentence; reply with ``login``.
        changed: Capabilities, whenever they were read.
        leaving: another server, or none, was chosen: the current case must be closed.
        forgotten: there is no server: other parts reset.
        found: Capabilities, when a server has responded for the first time.
        answered: after ``changed``, when the server has responded for the first time or is back.
        drafts_found: drafts of this server and study, on this computer.
        drafts_offered: drafts that this server has not confirmed; reply with ``cases.restore`` or ``cases.discard``.
    """

    def __init__(self, context: Context, make_client: Callable[[str], Any]) -> None:
        self._context, self._make_client = context, make_client
        self.changed, self.leaving, self.forgotten = Signal(), Signal(), Signal()
        self.found, self.answered = Signal(), Signal()
        self.drafts_found, self.drafts_offered = Signal(), Signal()
        self.login_needed = context.login_needed
        context.not_reachable.connect(self.lose)
        self.client: Any = None
        self.capabilities: Optional[Capabilities] = None
        self.trouble: Optional[Exception] = None
        self.connecting = self._retrying = False
        self._retry_at = 0.0

    @property
    def lost(self) -> bool:
        """Whether the server has responded before, but does not now."""
        return self._context.lost

    @property
    def online(self) -> bool:
        """Whether a server can be reached."""
        return self.capabilities is not None and not self.lost

    @property
    def known(self) -> Capabilities:
        """What the server offers.

        Raises:
            NotReachable: not connected.
        """
        if self.capabilities is None:
            raise NotReachable("There is no connection to a server: connect first.")
        return self.capabilities

    @property
    def addresses(self) -> List[str]:
        """Addresses used before, the most recent first."""
        try:
            known = json.loads((self._context.folder / "connections.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [str(address) for address in known] if isinstance(known, list) else []

    def connect(self, address: str) -> None:
        """Connect to a server; edits of another server's case are saved as a draft first."""
        try:
            client = self._make_client(address)
        except Exception as error:
            self.trouble = error
            self._context.say("error", sentence(error), CONNECTION)
            return
        if self.client is None or client.url != self.client.url:
            self.leaving.emit()
        self._forget()
        self.client = client
        self._ask(lambda: client.capabilities())

    def login(self, user: str, password: str) -> None:
        """Reply to ``login_needed``; continues connecting."""
        client = self.client
        if client is None:
            return

        def job() -> Capabilities:
            client.login(user, password)
            return client.capabilities()

        self._ask(job)

    def disconnect(self) -> None:
        """Disconnect; edits are saved as a draft."""
        self.leaving.emit()
        self._forget()
        self.client = None
        self._context.settle()

    def refresh(self) -> None:
        """Read again what the server offers and which cases it has."""
        if self.online:
            client = self.client
            self._context.run(lambda: client.capabilities(), self._offers)

    def lose(self) -> None:
        """Note that a request did not reach the server."""
        if self.capabilities is not None:
            self._context.lost = True
            self._retry_at = self._context.clock() + RETRY

    def tick(self, now: float) -> None:
        """Check whether a lost server is back."""
        if self.lost and not self.connecting and not self._retrying and now >= self._retry_at:
            client, self._retrying = self.client, True
            self._context.run(lambda: client.capabilities(), self._found, self._not_found)

    def _forget(self) -> None:
        self._context.connection_number += 1
        self.capabilities, self.trouble = None, None
        self._context.lost = self.connecting = self._retrying = False
        self.forgotten.emit()

    def _ask(self, job: Callable[[], Capabilities]) -> None:
        self.connecting = True
        self._context.settle()
        self._context.run(job, self._found, self._not_found)

    def _found(self, capabilities: Capabilities) -> None:
        self._context.succeeded(CONNECTION)
        back, first = self.lost, self.capabilities is None
        self.connecting = self._context.lost = self._retrying = False
        self.trouble = None
        if first:
            self._remember(self.client.url)
            self.found.emit(capabilities)
        self._offers(capabilities)
        if back:
            self._context.say("info", f"The server at {self.client.url} is back.")
        if first:
            url, drafts = self.client.url, self._context.drafts
            self._context.run(lambda: drafts.list(url, capabilities.study), self.drafts_found.emit)
        self.answered.emit()

    def _not_found(self, error: Exception) -> None:
        self.trouble = error
        self.connecting = self._retrying = False
        self._retry_at = self._context.clock() + RETRY

    def _offers(self, capabilities: Capabilities) -> None:
        if capabilities.problem and capabilities.problem != getattr(self.capabilities, "problem", ""):
            self._context.say("warning", capabilities.problem, "model")
        if not capabilities.problem:
            self._context.succeeded("model")
        if capabilities.no_scans and capabilities.no_scans != getattr(self.capabilities, "no_scans", ""):
            self._context.say("warning", capabilities.no_scans, "scans")
        if not capabilities.no_scans:
            self._context.succeeded("scans")
        if capabilities.proposal and not getattr(self.capabilities, "proposal", ""):
            self._context.say("info", capabilities.proposal)
        self.capabilities = capabilities
        self.changed.emit(capabilities)

    def _remember(self, address: str) -> None:
        known = [address, *(other for other in self.addresses if other != address)][:REMEMBERED]
        folder = self._context.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "connections.json").write_text(json.dumps(known), encoding="utf-8")
        except OSError as error:
            self._context.say("warning", sentence(error))
