"""Work on cases: choose the next one, load it, save drafts, submit the label, take a submission back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..errors import Unusable
from ..label.drafts import Draft
from ..label.label_file import write_label
from ..label.labels import UnknownSegments, label_map
from .case import Case, Current, Submitted, read_response
from .case_list import CaseList
from .connection import Connection
from .context import Context, Signal
from .keeping import Keeper
from .loading import Loading

_KEPT = "Your label is kept as a draft on this computer; nothing is lost."


class CaseWork:
    """Work on cases.

    Attributes:
        list: the server's list of cases.
        loading: loads a case, with the signals ``opened`` and ``arriving``.
        keeper: saves edits as drafts.
        auto_next: whether the next case is loaded after a submission that raised no flag.
        last_submitted: the case whose submission can be taken back; "": none in this session.
        listed: rows.
        submitted: Submitted.
        unknown_segments: dict name -> suggested class; reply with ``submit(mapping)``.
    """

    def __init__(self, context: Context, connection: Connection) -> None:
        self._context, self._connection, self._current = context, connection, Current()
        self.list = CaseList(context, connection)
        self.keeper = Keeper(context, self._current)
        self.loading = Loading(context, connection, self._current, self.list, self.keeper)
        self.listed, self.submitted, self.unknown_segments = self.list.listed, Signal(), Signal()
        self.auto_next = False
        self.last_submitted = ""

    def reset(self) -> None:
        """Forget the list: another server. The current case stays, if it belongs to the same server."""
        self.list.reset()
        self.last_submitted = ""
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
            fresh: ignore a draft of it; otherwise its edits are restored.
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
            self._context.say("warning", "There is no connection to a server: connect first.")
            return False
        if self.activity == "submitting":
            self._context.say("info", "The label is just being submitted: wait a moment.")
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

    def submit(
        self, mapping: Optional[Mapping[str, Optional[str]]] = None, order: Optional[Sequence[str]] = None
    ) -> None:
        """Submit the label of the current case.

        Args:
            mapping: classes of unknown segments, see ``labels.assign``.
            order: see ``labels.label_map``.
        """
        case, scene, connection = self.case, self._context.scene, self._connection
        if case is None or self.activity != "editing":
            why = "The label is just being submitted." if self.activity == "submitting" else "No case is open."
            self._context.say("info", why)
            return
        try:
            scene.harden_transforms(case.handle)
            draft = self.keeper.draft_of(case)
            geometry = scene.geometry(case.handle)
        except Unusable as error:
            self._context.say("error", f"{error} Nothing was submitted.")
            return
        self.keeper.write(draft)  # before anything that can fail
        if connection.capabilities is None:
            self._context.say("error", f"There is no connection to a server. Nothing was submitted. {_KEPT}")
            return
        classes, client, drafts = connection.capabilities.classes, connection.client, self._context.drafts
        said = {"kind": case.kind} if case.kind else {}

        def job() -> Submitted:
            label = label_map(draft.segments, classes, geometry.shape, mapping, order)
            with tempfile.TemporaryDirectory() as folder:
                file = write_label(Path(folder) / "label.nrrd", label.array, geometry)
                answer = client.submit_label(case.id, file, label.label_info, **said)
            for done in (draft, *([case.draft] if case.draft else [])):
                drafts.remove(done)  # here and not in the callback: the server has the label
            return read_response(case.id, answer, label.notes)

        self._current.activity = "submitting"
        self._context.run(job, self._done, self._not_done, lambda: self.case is case)
        self._context.settle()

    def _done(self, result: Submitted) -> None:
        self._current.activity, self.last_submitted = "editing", result.case
        if self.case is not None:
            self.case.submitted = True
        self.submitted.emit(result)
        self._connection.refresh()  # the response also says whether a training runs
        if self.auto_next and not result.flags:
            self.next()

    def _not_done(self, error: Exception) -> Optional[bool]:
        self._current.activity = "editing"
        if isinstance(error, UnknownSegments):
            self.unknown_segments.emit(error.suggestions)
            return None
        self._context.say("info", _KEPT)
        return None

    def undo(self, case: str = "") -> None:
        """Take back the last submission, of the given case or of the last one submitted here."""
        case, connection = case or self.last_submitted, self._connection
        if not case or not connection.online or not connection.known.has("undo"):
            self._context.say("info", "There is no submission that could be taken back.")
            return
        client, before = connection.client, self.last_submitted

        def failed(_: Exception) -> None:
            self.last_submitted = before

        self.last_submitted = ""  # a second click would take back the submission before it, too
        self._context.run(lambda: client.undo(case), self._undone, failed)

    def _undone(self, answer: Dict[str, Any]) -> None:
        if self.case is not None and self.case.id == answer["id"]:
            self.case.submitted = False
        self._context.say("info", f"The last submission of '{answer['id']}' was taken back; it is {answer['state']}.")
        self._connection.refresh()
