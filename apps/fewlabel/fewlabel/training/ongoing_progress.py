"""Reports a continuous training: rounds instead of epochs, and notes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from fewlabel.training.progress import Progress

_NOTES = 12
ROUND = 100  # "epochs" of a round, for viewers that divide by their number


class OngoingProgress(Progress):
    """Progress of a training without a planned end: ``epoch`` goes from 1 to 100 between two looks at a candidate.

    Args:
        path: the file.
        fields: constants to report as well.
    """

    def __init__(self, path: Path, **fields: Any) -> None:
        super().__init__(path, 0.0, **fields)
        self._values.update(total_epochs=ROUND, epoch=1, seconds_left=None, training="continuous")
        self._about_labels = set(self._values["notes"])  # sentences that were true of the labels of their time
        self._values["since"] = datetime.now().strftime("%H:%M")

    def update(self, progress: float | None = None, **fields: Any) -> None:
        """Take new values and write the file now.

        Args:
            progress: share of the round that is done, in [0, 1].
            fields: any keys of the file.
        """
        if progress is not None:
            self._values["progress"] = self._values["epoch"] = 0
        super().update(progress, **{**fields, "seconds_left": None})

    def note(self, text: str) -> None:
        """Add a sentence about the training; it may run for days, so only the last ones are kept, each of them once."""
        self._values["notes"] = [*(note for note in self._values["notes"] if note != text), text][-_NOTES:]

    def note_labels(self, now: str) -> None:
        """Say what is true of the present labels, in place of everything that was said of earlier ones; "": nothing."""
        self._about_labels |= {now} - {""}
        if [note for note in self._values["notes"] if note in self._about_labels] == [now]:
            return
        self._values["notes"] = [note for note in self._values["notes"] if note not in self._about_labels]
        if now:
            self.note(now)

    def _epoch(self, now: float) -> int:
        return min(ROUND, max(1, int(self._values["progress"] * ROUND)))
