"""*Label all*, and going through its proposals: the most doubtful first, accepted or rejected without waiting."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Optional, Set

from .. import texts
from .case import Case, Submitted
from .casework import CaseWork
from .connection import Connection
from .context import Context, Signal

POLL = 1.0  # seconds between two requests
LIST = 10.0  # seconds between two requests of the list of cases meanwhile


class Pool:
    """The proposals of the whole pool.

    Attributes:
        state: the server's last response about *Label all*; {} while unknown.
        changed: state.
    """

    def __init__(self, context: Context, connection: Connection, cases: CaseWork) -> None:
        self._context, self._connection, self._cases = context, connection, cases
        self.changed = Signal()
        self.reset()
        cases.loading.opened.connect(self._opened)
        cases.submitted.connect(self._submitted)
        cases.follow = self._follows

    def reset(self) -> None:
        """Forget the state: another server."""
        self.state: Dict[str, Any] = {}
        self._polling, self._next_look, self._next_list, self._complaint = False, 0.0, 0.0, ""
        self._asked = ""  # the case that was opened last from here
        self._done: Set[str] = set()  # cases that were accepted or rejected here; the list may not say so yet

    @property
    def running(self) -> bool:
        """Whether the server labels all."""
        return self.state.get("state") == "running"

    # --- label all

    def look(self) -> None:
        """Request the state: the server may be at work since before it was connected."""
        if self._connection.online and self._connection.known.has("label_all") and not self._polling:
            client, self._polling = self._connection.client, True
            self._context.run(lambda: client.label_all_state(), self._seen, self._not_seen)

    def start(self) -> None:
        """Let the server predict every scan without a label."""
        client = self._connection.client
        if self._connection.online:
            self._context.run(lambda: client.label_all(), self._seen)

    def stop(self) -> None:
        """Let it end; what was predicted stays."""
        client = self._connection.client
        if self._connection.online:
            self._context.run(lambda: client.stop_label_all(), self._seen)

    def tick(self, now: float) -> None:
        """Request the state if it is time."""
        if self.running and now >= self._next_look:
            self.look()

    def _not_seen(self, error: Optional[Exception] = None) -> bool:
        """Show the same error once, not every second."""
        known = error is not None and str(error) == self._complaint
        self._complaint, self._polling = str(error or ""), False
        self._next_look = self._context.clock() + POLL
        return known

    def _seen(self, state: Dict[str, Any]) -> None:
        self._not_seen()
        was_running, before = self.running, self.state
        self.state = state
        now = self._context.clock()
        if (self.running and now >= self._next_list) or (was_running and not self.running):
            self._next_list = now + LIST
            self._cases.refresh()
        if state.get("error") and state["error"] != before.get("error"):
            self._context.say("error", str(state["error"]), "pool")
        elif not state.get("error"):
            self._context.succeeded("pool")
        self.changed.emit(state)

    # --- one proposal after the other

    def doubtful(self) -> List[str]:
        """Cases with a proposal and without a label, the most doubtful first, rejected ones last."""
        waiting = [
            row
            for row in self._cases.rows
            if row.get("proposal") and row.get("state") in ("unlabelled", "in_work") and row["id"] not in self._done
        ]
        waiting.sort(key=lambda row: (bool(row.get("skipped")), -float(row["proposal"].get("score") or 0.0), row["id"]))
        return [row["id"] for row in waiting]

    def next(self) -> None:
        """Open the most doubtful proposal; where one is open that was only looked at, the one after it."""
        order = self.doubtful()
        at = order.index(self._asked) + 1 if self._asked in order else 0
        case = next((case for case in [*order[at:], *order[:at]] if case != self._asked), "")
        if not case:
            self._asked = ""
            self._context.say("info", texts.NO_PROPOSAL_LEFT)
            return
        self._asked = case
        self._cases.open(case)

    @property
    def acceptable(self) -> bool:
        """Whether the current case shows the model's proposal as it came, and the server has it stored."""
        case = self._cases.case
        if case is None or not case.ready or self._cases.activity != "editing" or case.id in self._done:
            return False
        stored = self._cases.row(case.id).get("proposal") or {}
        same = case.version is not None and stored.get("version") == case.version
        return same and case.shown == "model" and not self._cases.keeper.edited

    @property
    def rejectable(self) -> bool:
        """Whether the current case was opened from here and has no label."""
        case = self._cases.case
        ready = case is not None and case.ready and self._cases.activity == "editing"
        return bool(ready and case is not None and case.id == self._asked and case.id not in self._done)

    def accept(self) -> None:
        """Store the proposal of the current case as its label, on the server, and open the next one at once."""
        case, client = self._cases.case, self._connection.client
        if case is None or not self.acceptable:
            self._context.say("info", texts.NOT_ACCEPTABLE)
            return
        version = case.version
        self._decide(case, lambda: client.accept(case.id, version), lambda _: self._accepted(case))
        self._asked = case.id
        self.next()

    def reject(self) -> None:
        """Put the current case off, so that it comes back last, and open the next one at once."""
        case, client = self._cases.case, self._connection.client
        if case is None or not self.rejectable:
            return
        self._decide(case, lambda: client.skip(case.id, texts.REJECTED), lambda _: self._cases.refresh())
        self.next()

    def _decide(self, case: Case, request: Callable[[], Any], finish: Callable[[Any], None]) -> None:
        """Send what was decided about a case; if that is refused, the case is to be looked at again."""
        self._done.add(case.id)
        self._context.run(request, finish, lambda _: self._done.discard(case.id))

    def _accepted(self, case: Case) -> None:
        self._done.discard(case.id)
        case.submitted = True
        self._cases.submission.accepted(case.id)
        self._connection.refresh()

    def _follows(self, case: str) -> bool:
        """Whether this part opens the next case after a submission of this one."""
        return bool(case) and case == self._asked

    def _submitted(self, result: Submitted) -> None:
        """A corrected proposal was submitted: go on, unless something looks wrong."""
        if self._follows(result.case) and not result.flags:
            self._done.add(result.case)
            self.next()

    def _opened(self, case: Case) -> None:
        """Download the scan that comes next while this one is looked at."""
        if case.id != self._asked or not self._connection.online:
            return
        self._done.discard(case.id)
        coming = next((each for each in self.doubtful() if each != case.id), "")
        if coming:
            client = self._connection.client
            self._context.run(
                lambda: client.download_image(coming, _nothing),
                lambda _: None,
                lambda _: True,  # an error is shown when the case is opened
                lambda: self._asked == case.id,
            )


def _nothing(_now: int, _of: int) -> None:
    """Progress that nobody sees."""
