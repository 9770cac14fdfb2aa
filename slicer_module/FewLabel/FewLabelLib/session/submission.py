"""Submits the label of the current case, and takes a submission back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from .. import texts
from ..errors import Unusable
from ..label.drafts import Draft
from ..label.label_file import write_label
from ..label.labels import EmptyLabel, UnknownSegments, label_map
from .case import Case, Current, Submitted, read_response
from .connection import Connection
from .context import Context, Signal
from .keeping import Keeper


class Submission:
    """Submits labels.

    Attributes:
        last: the case whose submission can be taken back; "": none in this session.
        done: Submitted.
        unknown_segments: dict name -> suggested class; reply with ``submit(mapping)``.
        empty_label: names of the classes, none of which has a voxel; reply with ``submit_empty``.
        taken_back: Draft, of what was submitted from here; None: the segments are still on the screen.
    """

    def __init__(self, context: Context, connection: Connection, current: Current, keeper: Keeper) -> None:
        self._context, self._connection, self._current, self._keeper = context, connection, current, keeper
        self.done, self.unknown_segments, self.empty_label = Signal(), Signal(), Signal()
        self.taken_back = Signal()
        self.reset()

    def reset(self) -> None:
        """Forget what can be taken back: another server."""
        self.last = ""
        self._draft: Optional[Draft] = None
        self._said: Tuple[Any, Any] = (None, None)

    def submit(
        self,
        mapping: Optional[Mapping[str, Optional[str]]] = None,
        order: Optional[Sequence[str]] = None,
        empty: bool = False,
    ) -> None:
        """Submit the label of the current case.

        Args:
            mapping: classes of unknown segments, see ``labels.assign``.
            order: see ``labels.label_map``.
            empty: also without any voxel.
        """
        case, connection = self._current.case, self._connection
        if case is None or self._current.activity != "editing":
            self._context.say("info", texts.SUBMITTING if self._current.activity == "submitting" else texts.NO_CASE)
            return
        self._said = mapping, order
        try:
            self._context.scene.harden_transforms(case.handle)
            draft = self._keeper.draft_of(case)
        except Unusable as error:
            self._context.say("error", f"{error} Nothing was submitted.")
            return
        self._keeper.write(draft)  # before anything that can fail
        if connection.capabilities is None:
            self._context.say("error", f"There is no connection to a server. Nothing was submitted. {texts.KEPT}")
            return
        self._send(case, draft, empty)

    def submit_empty(self) -> None:
        """Submit the label although it has no voxel: the reply to ``empty_label``."""
        self.submit(*self._said, empty=True)

    def _send(self, case: Case, draft: Draft, empty: bool) -> None:
        classes, client, drafts = self._connection.known.classes, self._connection.client, self._context.drafts
        geometry, (mapping, order) = self._context.scene.geometry(case.handle), self._said
        said = {"kind": case.kind} if case.kind else {}
        revision, edited = case.revision, self._keeper.edited

        def job() -> Submitted:
            label = label_map(draft.segments, classes, geometry.shape, mapping, order)
            if not empty and not label.array.any():
                if not edited:
                    drafts.remove(draft)  # there is nothing in it to go on with
                raise EmptyLabel(label.missing)
            with tempfile.TemporaryDirectory() as folder:
                file = write_label(Path(folder) / "label.nrrd", label.array, geometry)
                answer = client.submit_label(case.id, file, label.label_info, **said)
            for done in (draft, *([case.draft] if case.draft else [])):
                drafts.remove(done)  # here and not in the callback: the server has the label
            return read_response(case.id, answer, label.notes)

        def has_submitted(result: Submitted) -> None:
            case.submitted, case.stored = True, revision
            self._current.activity, self.last, self._draft = "editing", result.case, draft
            self.done.emit(result)

        self._current.activity = "submitting"
        self._context.run(job, has_submitted, self._not_done, lambda: self._current.case is case)
        self._context.settle()

    def _not_done(self, error: Exception) -> Optional[bool]:
        self._current.activity = "editing"
        if isinstance(error, EmptyLabel):
            self.empty_label.emit(error.classes)
            return True  # a question, no error
        if isinstance(error, UnknownSegments):
            self.unknown_segments.emit(error.suggestions)
            return None
        self._context.say("info", texts.KEPT)
        return None

    def accepted(self, case: str) -> None:
        """The server has stored its own proposal as the label of this case: this is what can be taken back."""
        self.last, self._draft = case, None

    def undo(self, case: str = "") -> None:
        """Take back the last submission, of the given case or of the last one submitted here."""
        case, connection = case or self.last, self._connection
        if not case or not connection.online or not connection.known.has("undo"):
            self._context.say("info", texts.NOTHING_TO_UNDO)
            return
        client, before = connection.client, self.last

        def failed(_: Exception) -> None:
            self.last = before

        self.last = ""  # a second click would take back the submission before it, too
        self._context.run(lambda: client.undo(case), self._undone, failed)

    def _undone(self, answer: Dict[str, Any]) -> None:
        """What was submitted is on no server any more: it becomes a draft, and is shown again."""
        draft, case = self._draft, self._current.case
        if draft is not None and draft.case != answer["id"]:
            draft = None
        else:
            self._draft = None
        shown = case is not None and case.id == answer["id"] and case.ready
        if case is not None and shown:
            case.submitted, case.stored, case.revision = False, None, case.revision - 1
            self._keeper.keep()
        elif draft is not None:
            self._keeper.write(draft)
        self._context.say("info", texts.taken_back(answer["id"], answer["state"], draft is not None or bool(shown)))
        self._connection.refresh()
        if draft is not None and not shown:
            self.taken_back.emit(draft)
