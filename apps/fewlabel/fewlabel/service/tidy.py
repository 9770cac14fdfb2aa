"""What requests leave behind is taken away: files put aside for them, and memory."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from anyio import to_thread
from filelock import FileLock, Timeout

from fewlabel.memory import free_memory, resident

logger = logging.getLogger(__name__)

_PREFIX, _LOCK = "fewlabel-", "server.lock"
_OF_REQUESTS = re.compile(r"tmp[a-z0-9_]{8}(\..*)?")
"""As MONAI Label and Python name files that are put aside; what libraries keep is named otherwise."""

_COARSE = 1.0
"""Seconds by which clocks of disks may differ from the computer's."""

_MUCH = 64 * 2**20
"""Bytes of memory: collecting what is left of less takes longer than it is worth."""

_mine: FileLock | None = None


def own_temporary_folder() -> None:
    """Let this server put files aside in a folder of its own; remove those of servers that have ended.

    MONAI Label puts every upload among the temporary files of the system, and leaves there what was refused, what it
    packed, and what it had not finished when it was killed. The system ends the lock of a folder with its process.
    """
    global _mine
    if _mine is not None:
        return
    system = Path(tempfile.gettempdir())
    for folder in system.glob(f"{_PREFIX}*"):
        if (folder / _LOCK).is_file():
            _remove_if_nobody_holds(folder)
    while _mine is None:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=system))
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:  # another server, which starts at the same moment, takes it for one that was left
            continue
        except OSError as error:  # a file system without locks: nothing is removed there, and all else works
            logger.warning("Temporary files of this server are left in %s: %s", folder, error)
        _mine = lock
        tempfile.tempdir = str(folder)


def _remove_if_nobody_holds(folder: Path) -> None:
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(blocking=False)
        lock.release()
    except (Timeout, OSError):  # a server that runs, or that of another user
        return
    shutil.rmtree(folder, ignore_errors=True)


class Tidy:
    """Looks after each request; in programs without a folder of their own it leaves all files alone."""

    def __init__(self) -> None:
        self._open: dict[object, float] = {}

    @asynccontextmanager
    async def after_request(self, takes_much: bool) -> AsyncIterator[None]:
        """Of requests that are open at the same time each keeps what was put aside since it came.

        Args:
            takes_much: it may carry a volume: memory is looked after as well.
        """
        request, before = object(), resident() if takes_much else math.inf
        self._open[request] = time.time()
        try:
            yield
        finally:
            del self._open[request]
            left = _left_before(min(self._open.values(), default=math.inf))
            if left:
                await to_thread.run_sync(_remove, left)
        if resident() - before > _MUCH:
            await to_thread.run_sync(free_memory)


def _left_before(moment: float) -> list[str]:
    """What was put aside for requests and not written to since ``moment``, in seconds since the epoch."""
    if _mine is None:
        return []
    left = []
    with contextlib.suppress(OSError), os.scandir(tempfile.gettempdir()) as entries:
        for entry in entries:
            if _OF_REQUESTS.fullmatch(entry.name):
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_mtime < moment - _COARSE:
                        left.append(entry.path)
    return left


def _remove(paths: list[str]) -> None:
    for path in paths:
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(path)
