"""What a training that goes on tells people: rounds in the place of epochs, and notes."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from fewlabel.training.progress import Progress

_NOTES = 12
ROUND = 100  # "epochs" between two publications, for viewers that divide by their number


class OngoingProgress(Progress):
    """Progress of a training without an end: ``epoch`` goes from 1 to 100 between two looks at a candidate.

    Args:
        path: the file.
        fields: constants to be told along.
    """

    def __init__(self, path: Path, **fields: Any) -> None:
        super().__init__(path, 0.0, **fields)
        self.values.update(total_epochs=ROUND, epoch=1, seconds_left=None, training="continuous")
        self.values["since"] = datetime.now().strftime("%H:%M")

    def update(self, progress: float | None = None, **fields: Any) -> None:
        """Take in new values and write them now.

        Args:
            progress: share of the round that is done, in [0, 1].
            fields: anything of the file's keys.
        """
        if progress is not None:
            self.values["progress"] = self.values["epoch"] = 0
        super().update(progress, **{**fields, "seconds_left": None})

    def note(self, text: str) -> None:
        """A sentence about the training; it goes on for days, so only the last ones are kept, and each of them once."""
        self.values["notes"] = [*(note for note in self.values["notes"] if note != text), text][-_NOTES:]

    def say_instead(self, before: str, now: str) -> None:
        """A sentence that is true now in the place of one that was true before; "": none."""
        if now != before:
            self.values["notes"] = [note for note in self.values["notes"] if note != before]
            if now:
                self.note(now)

    def _epoch(self, now: float) -> int:
        return min(ROUND, max(1, int(self.values["progress"] * ROUND)))
