"""Reports scans that turn out to be damaged when any part of the server reads them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol
from weakref import WeakSet

from fewlabel.files import Stamp, stamp
from fewlabel.volumes.formats import UnreadableVolume


class Listener(Protocol):
    """Is notified of each damaged scan that this process reads."""

    def damaged(self, path: Path, seen: Stamp, message: str) -> None:
        """Called with the file, its stamp when it was read, and what is wrong in a sentence."""


_listeners: WeakSet[Listener] = WeakSet()


def listen(listener: Listener) -> None:
    """Notify an object from now on; only a weak reference to it is kept."""
    _listeners.add(listener)


@contextmanager
def reported(path: Path) -> Iterator[None]:
    """Report a file to all listeners if reading it shows that it is damaged; the error is raised again."""
    before: Stamp | None = None
    with suppress(OSError):
        before = stamp(path)
    try:
        yield
    except UnreadableVolume as error:
        with suppress(OSError):
            if before is not None and before == stamp(path) and not _may_pass(error):
                for listener in list(_listeners):
                    listener.damaged(path, before, str(error))
        raise


def _may_pass(error: BaseException) -> bool:
    """Whether the same file may be readable later: out of memory, a disk that is offline, missing permissions.

    Damaged gzip data raise an OSError too, but without an errno.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno is not None):
            return True
        cause = cause.__cause__
    return False
