"""Cleans up after requests: temporary files and memory."""

from __future__ import annotations

import contextlib
import json
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
from monailabel.utils.sessions import Sessions

from fewlabel.memory import free_memory, resident

logger = logging.getLogger(__name__)

_PREFIX, _LOCK = "fewlabel-", "server.lock"
_OF_REQUESTS = re.compile(r"tmp[a-z0-9_]{8}(\..*)?")
"""Names of temporary files of MONAI Label and Python; files of libraries are named differently."""

_COARSE = 1.0
"""Seconds by which times of files may differ from the computer's clock."""

_READ_BY_THEN = 10.0
"""Seconds after which a starting server has read its logging configuration."""

_HOUR = 3600.0
"""Seconds that a session lasts."""

_MUCH = 64 * 2**20
"""Bytes of memory: freeing less is not worth the time."""

_mine: FileLock | None = None


def own_temporary_folder(app: str) -> None:
    """Give this server its own folder for temporary files; remove those of servers that have ended.

    MONAI Label stores every upload among the system's temporary files, and leaves there refused uploads, its archives,
    and unfinished files when it is killed. The operating system releases the lock of a folder with its process.

    Args:
        app: folder of the app, to recognise the logging configurations that MONAI Label writes at each start.
    """
    global _mine
    if _mine is not None:
        return
    system = Path(tempfile.gettempdir())
    _remove(_settings_of_logs(system, app))
    for folder in system.glob(f"{_PREFIX}*"):
        if (folder / _LOCK).is_file():
            _remove_if_nobody_holds(folder)
    while _mine is None:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=system))
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire(blocking=False)
        except Timeout:  # another server that starts at the same moment is cleaning up
            continue
        except OSError as error:  # a file system without locks: nothing is removed, all else works
            logger.warning("Temporary files of this server are left in %s: %s", folder, error)
        _mine = lock
        tempfile.tempdir = str(folder)


def _settings_of_logs(system: Path, app: str) -> list[str]:
    """Logging configurations that were read already: a server reads its own at once."""
    found = []
    for path in system.glob("tmp????????.json"):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            if path.stat().st_mtime < time.time() - _READ_BY_THEN:
                files = [each.get("filename", "") for each in json.loads(path.read_text())["handlers"].values()]
                found += [str(path)] * any(Path(app, "logs", "app.log") == Path(file) for file in files if file)
    return found


def _remove_if_nobody_holds(folder: Path) -> None:
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(blocking=False)
        lock.release()
    except (Timeout, OSError):  # a running server, or one of another user
        return
    shutil.rmtree(folder, ignore_errors=True)


def remove_old_sessions(sessions: Sessions) -> None:
    """Remove sessions after their hour, unfinished ones of a killed server included.

    Replaces MONAI Label's own function, which fails at the first unfinished session, and the start with it.
    """
    for folder in Path(sessions.store_path).glob("*/"):
        try:
            meta = json.loads((folder / "meta.info").read_text())
            ends = meta["last_access_ts"] + meta["expiry"]
        except (OSError, ValueError, KeyError, TypeError):
            ends = _changed(folder) + _HOUR
        if ends < time.time():
            sessions.remove_session(folder.name)


def _changed(path: Path) -> float:
    """Modification time in seconds since the epoch; infinite where the file does not exist."""
    try:
        return path.stat().st_mtime
    except OSError:
        return math.inf


class Tidy:
    """Cleans up after requests; does nothing in programs without their own temporary folder."""

    def __init__(self) -> None:
        self._open: dict[object, float] = {}

    @asynccontextmanager
    async def after_request(self, takes_much: bool) -> AsyncIterator[None]:
        """Remove temporary files after a request, except those made since an open request came.

        Args:
            takes_much: it may contain a volume: free memory as well.
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
    """Temporary files of requests that were not changed since ``moment``, in seconds since the epoch."""
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
