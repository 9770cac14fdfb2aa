"""Requests come first: while the server answers one, the training waits."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

_LONGEST = 60.0  # seconds that a training waits for one request; the server may have died meanwhile
_POLL = 0.05


class People:
    """Makes the training wait while requests are answered: a file exists as long as there are any.

    Args:
        file: in the workspace.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._asking = 0
        self._guard = threading.Lock()

    @contextlib.contextmanager
    def ask(self) -> Iterator[None]:
        """Make the training wait while the context is open."""
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
        except OSError as error:  # a full disk: the response only takes longer
            logger.debug("the training could not be asked to wait: %s", error)


def is_asked(file: Path) -> bool:
    """Whether a request is being answered now."""
    try:
        return time.time() - file.stat().st_mtime < _LONGEST
    except OSError:
        return False


def wait_for_people(file: Path) -> None:
    """Block until no request is being answered."""
    while is_asked(file):
        time.sleep(_POLL)
