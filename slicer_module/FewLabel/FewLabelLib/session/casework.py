"""Work on cases: choose the next one, load it, save drafts, submit the label, take a submission back."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from .. import texts
from ..label.drafts import Draft
from .case import Case, Current, Submitted
from .case_list import CaseList
from .connection import Connection
from .context import Context
from .keeping import Keeper
from .loading import Loading
from .locking import Locking
from .submission import Submission


class CaseWork:
    """Work on cases.

    Attributes:
        list: the server's list of cases.
        loading: loads a case, with the signals ``opened`` and ``arriving``.
        keeper: saves edits as drafts.
        locking: locks finished segments.
        submission: submits labels and takes them back, with the signals ``unknown_segments`` and ``empty_label``.
        auto_next: whether the next case is loaded after a submission that raised no flag.
        follow: says of a case whether another part opens the next one after its submission.
        listed: rows.
        submitted: Submitted.
    """

    def __init__(self, context: Context, connection: Connection) -> None:
        self._context, self._connection, self._current = context, connection, Current()
        self.list = CaseList(context, connection)
        self.keeper = Keeper(context, self._current)
        self.loading = Loading(context, connection, self._current, self.list, self.keeper)
        self.submission = submission = Submission(context, connection, self._current, self.keeper)
        self.locking = Locking(context, self._current)
        self.listed, self.submitted = self.list.listed, submission.done
        self.unknown_segments, self.empty_label = submission.unknown_segments, submission.empty_label
        self.auto_next = False
        self.follow: Callable[[str], bool] = lambda case: False
        submission.done.connect(self._submitted)
        submission.taken_back.connect(self.restore)

    def reset(self) -> None:
        """Forget the list: another server. The current case stays, if it belongs to the same server."""
        self.list.reset()
        self.submission.reset()
        self.loading.stop()
        if self.activity:
            self._current.fall_back()

    @property
    def case(self) -> Optional[Case]:
        """The current case; None: none."""
        return self._current.case

    @property
    def activity(self) -> str:
        """ "" or the value of a state: loading, editing, submitting."""
        return self._current.activity

    @property
    def rows(self) -> List[Dict[str, Any]]:
        """The server's list of cases."""
        return self.list.rows

    @property
    def history(self) -> Dict[str, Any]:
        """The history of submissions, and the estimated gain from more labels."""
        return self.list.history

    def row(self, case: str) -> Dict[str, Any]:
        """The row of a case."""
        return self.list.row(case)

    def refresh(self) -> None:
        """Request the list of cases and the history of submissions."""
        self.list.refresh()

    # --- which case

    def next(self, strategy: str = "", **options: Any) -> None:
        """Request the next case and load it; edits of the current one are saved as a draft."""
        connection = self._connection
        if not self._may_leave():
            return
        strategy = strategy or next(iter(connection.known.strategies), "")
        if not strategy:
            self._context.say("warning", "This server does not choose cases: open one from the list.")
            return
        self.loading.next(strategy, options)

    def open(self, case: str, fresh: bool = False) -> None:
        """Load a case of the list: a submitted one with its label, another with the model's proposal.

        Args:
            fresh: discard the edits of it; otherwise they are restored.
        """
        if self._may_leave():
            self.loading.open(case, fresh=fresh)

    def restore(self, draft: Draft) -> None:
        """Load the case of a draft with its edits."""
        if self._may_leave():
            self.loading.open(draft.case, draft)

    def discard(self, draft: Draft) -> None:
        """Forget a draft."""
        self._context.run(lambda: self._context.drafts.remove(draft), lambda _: None)

    def skip(self, reason: str) -> None:
        """Skip the current case, and load the next one."""
        case, connection = self.case, self._connection
        if case is None or not self._may_leave():
            return
        if not connection.known.has("skip"):
            self.next(skip=case.id)  # FewLabel's strategies understand this; others ignore it
            return
        client = connection.client
        self._context.run(lambda: client.skip(case.id, reason), lambda _: self._skipped(case))

    def unskip(self, case: str) -> None:
        """Offer a skipped case again."""
        client = self._connection.client
        if self._connection.online:
            self._context.run(lambda: client.unskip(case), lambda _: self.refresh())

    def _skipped(self, case: Case) -> None:
        self.refresh()
        if self.case is case:
            self.next()

    def _may_leave(self) -> bool:
        if not self._connection.online:
            self._context.say("warning", texts.NOT_CONNECTED)
            return False
        if self.activity == "submitting":
            self._context.say("info", texts.SUBMITTING)
            return False
        self.keeper.keep()
        return True

    def close(self) -> None:
        """Close the current case; its edits are saved as a draft."""
        self.keeper.keep()
        self.loading.stop()
        if self.case is not None:
            self._current.case, self._current.activity = None, ""
            self._context.scene.clear()

    # --- submission

    @property
    def last_submitted(self) -> str:
        """The case whose submission can be taken back; "": none in this session."""
        return self.submission.last

    def submit(
        self,
        mapping: Optional[Mapping[str, Optional[str]]] = None,
        order: Optional[Sequence[str]] = None,
        empty: bool = False,
    ) -> None:
        """Submit the label of the current case; see ``Submission.submit``."""
        self.submission.submit(mapping, order, empty)

    def undo(self, case: str = "") -> None:
        """Take back the last submission, of the given case or of the last one submitted here.

        The segments that were submitted are shown again, also where another case was opened since.
        """
        self.submission.undo(case)

    def _submitted(self, result: Submitted) -> None:
        self._connection.refresh()  # the response also says whether a training runs
        if self.auto_next and not result.flags and not self.follow(result.case):
            self.next()
