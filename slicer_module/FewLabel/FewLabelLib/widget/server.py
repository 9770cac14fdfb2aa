"""The section for the server: address, state of the connection, name, login, and unsubmitted edits."""

from __future__ import annotations

from typing import Any, Callable, List

from ..label.drafts import Draft, age
from ..panel.glance import Glance
from ..session.case import Submitted
from ..session.loading import Case
from .common import ERROR, Settings, say

FIRST_ADDRESS = "http://127.0.0.1:8000"
DISCARD, SURE = "Discard", "Really discard?"


class ServerSection:
    """The section "Server".

    Args:
        ui: its widgets.
        session: the session.
        settings: for the person's name.
        named: called with that name.
    """

    def __init__(self, ui: Any, session: Any, settings: Settings, named: Callable[[str], None]) -> None:
        self.ui, self.session, self.settings, self.named = ui, session, settings, named
        self.drafts: List[Draft] = []
        self._offer_addresses()
        ui.nameEdit.text = settings.text("name")
        named(ui.nameEdit.text)
        ui.loginFrame.setVisible(False)
        ui.draftsFrame.setVisible(False)
        ui.connectButton.connect("clicked(bool)", lambda _=False: self.connect())
        ui.addressCombo.lineEdit().connect("returnPressed()", self.connect)
        ui.disconnectButton.connect("clicked(bool)", lambda _=False: self.disconnect())
        ui.nameEdit.connect("editingFinished()", self._rename)
        ui.loginButton.connect("clicked(bool)", lambda _=False: self._login())
        ui.passwordEdit.connect("returnPressed()", self._login)
        ui.restoreButton.connect("clicked(bool)", lambda _=False: self._restore())
        ui.discardButton.connect("clicked(bool)", lambda _=False: self._discard())
        ui.laterButton.connect("clicked(bool)", lambda _=False: self._offer([]))
        ui.draftCombo.connect("currentIndexChanged(int)", lambda _=0: self._unsure())
        session.connection.login_needed.connect(self._ask_login)
        session.connection.changed.connect(lambda _: self._connected())
        session.connection.drafts_offered.connect(self._offer)
        session.cases.submitted.connect(self._submitted)
        session.cases.loading.opened.connect(self._opened)

    def show(self, glance: Glance) -> None:
        self.ui.serverLabel.text = glance.server
        self.ui.serverLabel.styleSheet = "" if glance.good else f"color: rgb{ERROR}"
        self.ui.connectButton.enabled = "connect" in glance.may
        self.ui.disconnectButton.enabled = "disconnect" in glance.may
        self.ui.restoreButton.enabled = "open" in glance.may

    def connect(self) -> None:
        """Connect to the address that was entered or selected."""
        self._rename()
        self._offer([])
        self.ui.loginFrame.setVisible(False)
        self.session.connection.connect(self.ui.addressCombo.currentText)

    def disconnect(self) -> None:
        """Disconnect."""
        self._offer([])
        self.ui.loginFrame.setVisible(False)
        self.session.connection.disconnect()

    # --- addresses, name, login

    def _offer_addresses(self) -> None:
        combo, typed = self.ui.addressCombo, self.ui.addressCombo.currentText
        combo.clear()
        combo.addItems(self.session.connection.addresses or [FIRST_ADDRESS])
        if typed:
            combo.setEditText(typed)

    def _connected(self) -> None:
        if self.ui.loginFrame.visible:
            client = self.session.connection.client
            self.settings.put_token(client.url, client.token if self.ui.stayCheck.checked else "")
        self.ui.loginFrame.setVisible(False)
        if self.ui.addressCombo.itemText(0) != self.session.connection.client.url:
            self._offer_addresses()

    def _rename(self) -> None:
        name = self.ui.nameEdit.text.strip()
        self.settings.put("name", name)
        self.named(name)

    def _ask_login(self, sentence: str) -> None:
        client = self.session.connection.client
        if client is not None:
            self.settings.put_token(client.url, "")  # it was wrong, or has expired
        self.ui.loginLabel.text = sentence
        self.ui.loginFrame.setVisible(True)
        self.ui.userEdit.setFocus()

    def _login(self) -> None:
        user, password = self.ui.userEdit.text, self.ui.passwordEdit.text
        self.ui.passwordEdit.clear()
        self.session.connection.login(user, password)

    # --- drafts

    def _offer(self, drafts: List[Draft]) -> None:
        """Show these drafts; discarding one needs a second click."""
        self.drafts = list(drafts)
        self.ui.draftCombo.clear()
        now = self.session.clock()
        self.ui.draftCombo.addItems([f"{draft.case}, {age(draft, now)}" for draft in self.drafts])
        say(self.ui.draftsLabel, "You have edits that were not submitted:")
        self.ui.draftsFrame.setVisible(bool(self.drafts))
        self._unsure()

    def _unsure(self) -> None:
        self.ui.discardButton.text = DISCARD

    def _chosen(self) -> Draft:
        return self.drafts[max(0, self.ui.draftCombo.currentIndex)]

    def _restore(self) -> None:
        if self.drafts:
            self.session.cases.restore(self._chosen())

    def _discard(self) -> None:
        if self.drafts and self.ui.discardButton.text != SURE:
            self.ui.discardButton.text = SURE
        elif self.drafts:
            chosen = self._chosen()
            self.session.cases.discard(chosen)
            self._offer([draft for draft in self.drafts if draft is not chosen])

    def _opened(self, case: Case) -> None:
        if case.shown == "draft":
            self._no_more(case.id)

    def _submitted(self, result: Submitted) -> None:
        self._no_more(result.case)

    def _no_more(self, case: str) -> None:
        if any(draft.case == case for draft in self.drafts):
            self._offer([draft for draft in self.drafts if draft.case != case])
