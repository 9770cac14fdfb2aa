"""What a start is asked for, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Optional

from ..errors import NotStarted


class Stage(str, Enum):
    """How far it is."""

    IDLE = "idle"
    WORKING = "working"
    RUNNING = "running"
    FAILED = "failed"


@dataclass(frozen=True)
class Status:
    """What is shown.

    Attributes:
        stage: how far it is.
        text: a sentence.
        detail: what the process said last, or what was downloaded; "" for nothing.
        url: of the running server, else "".
        asks_folder: FewLabel's folder must be chosen.
    """

    stage: Stage = Stage.IDLE
    text: str = ""
    detail: str = ""
    url: str = ""
    asks_folder: bool = False

    @property
    def busy(self) -> bool:
        """Whether something can be stopped."""
        return self.stage in (Stage.WORKING, Stage.RUNNING)


@dataclass(frozen=True)
class Wish:
    """What to start.

    Attributes:
        studies: folder of the scans.
        root: FewLabel's folder; None: the remembered one, or the one that the panel lies in.
        classes: their names with commas in between; "": those that the study has, or those of the first label.
    """

    studies: Path
    root: Optional[Path] = None
    classes: str = ""


class NoFolder(NotStarted):
    """FewLabel's folder is not known, or another one was chosen."""


class Over(Exception):
    """The person has cancelled, or Slicer ends."""
