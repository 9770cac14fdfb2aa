"""Finding a server, logging in, noticing that it is lost and that it is back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable, List, Optional

from .capabilities import Capabilities
from .errors import sentence
from .signals import Signal

if TYPE_CHECKING:
    from .session import Session

RETRY = 5.0  # seconds between two looks whether a lost server is back
REMEMBERED = 10  # addresses


class Connection:
    """The session's server.

    Attributes:
        client: of the server; None: none was chosen.
        capabilities: what it offers; None until it has answered.
        lost: it has answered before, and does not now.
        connecting: it has been asked for the first time.
        trouble: why the last attempt to connect failed, None if it did not.
        login_needed: sentence; answer with ``login``.
        changed: Capabilities.
        drafts_offered: drafts that this server has not confirmed; answer with ``cases.restore`` or ``cases.discard``.
    """

    def __init__(self, session: Session, make_client: Callable[[str], Any]) -> None:
        self._session, self._make_client = session, make_client
        self.login_needed, self.changed, self.drafts_offered = Signal(), Signal(), Signal()
        self.client: Any = None
        self.capabilities: Optional[Capabilities] = None
        self.trouble: Optional[Exception] = None
        self.lost = self.connecting = self._retrying = False
        self._retry_at = 0.0
        self.number = 0  # answers to questions of an earlier connection are dropped

    @property
    def online(self) -> bool:
        """Whether there is a server to ask."""
        return self.capabilities is not None and not self.lost

    @property
    def addresses(self) -> List[str]:
        """Addresses used before, the last one first."""
        try:
            known = json.loads((self._session.folder / "connections.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        return [str(address) for address in known] if isinstance(known, list) else []

    def connect(self, address: str) -> None:
        """Connect to a server; edits of another one's case are kept as a draft first."""
        try:
            client = self._make_client(address)
        except Exception as error:
            self.trouble = error
            self._session.say("error", sentence(error))
            return
        if self.client is None or client.url != self.client.url:
            self._session.cases.close()
        self._forget()
        self.client = client
        self._ask(lambda: client.capabilities())

    def login(self, user: str, password: str) -> None:
        """Answer ``login_needed``; goes on with connecting."""
        client = self.client
        if client is None:
            return

        def job() -> Capabilities:
            client.login(user, password)
            return client.capabilities()

        self._ask(job)

    def disconnect(self) -> None:
        """Leave the server; edits are kept as a draft."""
        self._session.cases.close()
        self._forget()
        self.client = None
        self._session.settle()

    def refresh(self) -> None:
        """Ask the server anew what it offers and which cases it has."""
        if self.online:
            client = self.client
            self._session.run(lambda: client.capabilities(), self._offers)

    def lose(self) -> None:
        """A request found nobody there."""
        if self.capabilities is not None:
            self.lost = True
            self._retry_at = self._session.clock() + RETRY
            self._session.cases.keeper.keep()

    def tick(self, now: float) -> None:
        """Look whether a lost server is back."""
        if self.lost and not self.connecting and not self._retrying and now >= self._retry_at:
            client, self._retrying = self.client, True
            self._session.run(lambda: client.capabilities(), self._found, self._not_found)

    def _forget(self) -> None:
        self.number += 1
        self.capabilities, self.trouble = None, None
        self.lost = self.connecting = self._retrying = False
        for part in (self._session.cases, self._session.training, self._session.export):
            part.reset()

    def _ask(self, job: Callable[[], Capabilities]) -> None:
        self.connecting = True
        self._session.settle()
        self._session.run(job, self._found, self._not_found)

    def _found(self, capabilities: Capabilities) -> None:
        back, first = self.lost, self.capabilities is None
        self.connecting = self.lost = self._retrying = False
        self.trouble = None
        if first:
            self._remember(self.client.url)
            self._session.training.connected(capabilities)
        self._offers(capabilities)
        if back:
            self._session.say("info", f"The server at {self.client.url} is back.")
        if first:
            url, drafts = self.client.url, self._session.drafts
            self._session.run(lambda: drafts.list(url, capabilities.study), self._offer_drafts)
        self._session.training.poll()

    def _not_found(self, error: Exception) -> None:
        self.trouble = error
        self.connecting = self._retrying = False
        self._retry_at = self._session.clock() + RETRY

    def _offers(self, capabilities: Capabilities) -> None:
        if capabilities.problem and capabilities.problem != getattr(self.capabilities, "problem", ""):
            self._session.say("warning", capabilities.problem)
        if capabilities.no_scans and capabilities.no_scans != getattr(self.capabilities, "no_scans", ""):
            self._session.say("warning", capabilities.no_scans)
        self.capabilities = capabilities
        self.changed.emit(capabilities)
        self._session.cases.refresh()
        self._session.training.consider()

    def _offer_drafts(self, drafts: List[Any]) -> None:
        case = self._session.cases.case
        drafts = [draft for draft in drafts if case is None or draft.case != case.id]
        if drafts:
            self.drafts_offered.emit(drafts)

    def _remember(self, address: str) -> None:
        known = [address, *(other for other in self.addresses if other != address)][:REMEMBERED]
        folder = self._session.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "connections.json").write_text(json.dumps(known), encoding="utf-8")
        except OSError as error:
            self._session.say("warning", sentence(error))
