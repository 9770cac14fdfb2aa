"""People come first: while somebody asks the server for something, a training waits."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

_LONGEST = 60.0  # seconds that a training waits for one request; a server that died asks for nothing
_POLL = 0.05


class People:
    """What somebody asks for now, told to the training by a file that is there meanwhile.

    Args:
        file: in the workspace.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._asking = 0
        self._guard = threading.Lock()

    @contextlib.contextmanager
    def ask(self) -> Iterator[None]:
        """Within, a training waits."""
        with self._guard:
            self._asking += 1
            self._tell()
        try:
            yield
        finally:
            with self._guard:
                self._asking -= 1
                self._tell()

    def _tell(self) -> None:
        try:
            if self._asking:
                self.file.touch()
            else:
                self.file.unlink(missing_ok=True)
        except OSError as error:  # a full disk: the answer comes, only later
            logger.debug("the training could not be asked to wait: %s", error)


def is_asked(file: Path) -> bool:
    """Whether somebody asks for something now."""
    try:
        return time.time() - file.stat().st_mtime < _LONGEST
    except OSError:
        return False


def wait_for_people(file: Path) -> None:
    """Return when nobody asks for anything."""
    while is_asked(file):
        time.sleep(_POLL)
