"""Saves the edits of the current case as drafts."""

from __future__ import annotations

from typing import Any, List, Optional

from .. import texts
from ..errors import Unusable, sentence
from ..label.drafts import Draft, take_draft
from .case import Case, Current
from .context import Context

DRAFT_MINUTES = 3.0


class Keeper:
    """Makes drafts on the UI thread and writes them in the background.

    Attributes:
        minutes: between two drafts.
    """

    def __init__(self, context: Context, current: Current) -> None:
        self._context, self._current = context, current
        self.minutes = DRAFT_MINUTES
        self._unwritten: List[Draft] = []

    def tick(self, now: float) -> None:
        """Save a draft if it is time."""
        case = self._current.case
        if case is not None and now - case.kept >= 60 * self.minutes:
            self.keep()

    @property
    def edited(self) -> bool:
        """Whether the current case has edits that were not submitted."""
        case = self._current.case
        return case is not None and case.ready and self._context.scene.revision(case.handle) != case.stored

    @property
    def newer(self) -> bool:
        """Whether the current case has edits that are in no draft."""
        case = self._current.case
        return self.edited and case is not None and self._context.scene.revision(case.handle) != case.revision

    def keep(self) -> None:
        """Save a draft if there are new edits."""
        try:
            draft = self.take()
        except Unusable as error:
            self._context.say("warning", texts.not_kept(str(error)))
            return
        if draft is not None:
            self.write(draft)

    def safe(self, coming: str) -> bool:
        """Whether the current case may be replaced by this one: nothing of it would be lost.

        Says where edits are kept, or that the case stays; call it when nothing is being written.
        """
        case = self._current.case
        if case is None or not self.edited:
            return True
        if self.newer:
            self._context.say("warning", texts.STAYS)
            return False
        if case.told != case.revision and case.id != coming:
            case.told = case.revision
            self._context.say("info", texts.kept(case.id))
        return True

    def take(self) -> Optional[Draft]:
        """A draft of the current case; None where nothing has changed since the last one.

        Raises:
            Unusable: the scene cannot give its segments on the image's grid.
        """
        case, scene = self._current.case, self._context.scene
        if case is None or not case.ready:
            return None
        if scene.revision(case.handle) == case.revision:
            case.kept = self._context.clock()
            return None
        return self.draft_of(case)

    def draft_of(self, case: Case) -> Draft:
        """A draft of a case whose segments are shown, even if they have not changed.

        Raises:
            Unusable: the scene cannot give its segments on the image's grid.
        """
        scene = self._context.scene
        case.kept, revision = self._context.clock(), scene.revision(case.handle)
        segments, geometry = scene.segments(case.handle), scene.geometry(case.handle)
        case.revision = revision
        return take_draft(case.server, case.study, case.id, segments, geometry, case.kept)

    def write(self, draft: Draft) -> None:
        """Write it in the background, independent of the connection."""
        self._unwritten.append(draft)

        def written(_: Any) -> None:
            self._unwritten = [other for other in self._unwritten if other is not draft]

        def failed(error: Exception) -> None:
            written(None)
            case = self._current.case
            if case is not None and case.id == draft.case:
                case.revision -= 1  # take it again next time
            self._context.say("error", texts.not_kept(sentence(error)))

        self._context.worker.submit(lambda: self._context.drafts.write(draft), written, failed)

    def write_now(self) -> None:
        """Write unsaved drafts now, on this thread: the session is closing."""
        try:
            draft = self.take()
        except Unusable:
            draft = None
        for waiting in [*self._unwritten, *([draft] if draft else [])]:
            self._context.drafts.write(waiting)
