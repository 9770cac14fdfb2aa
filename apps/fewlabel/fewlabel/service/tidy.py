"""What requests leave behind is taken away: files put aside for them, and memory."""

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
"""As MONAI Label and Python name files that are put aside; what libraries keep is named otherwise."""

_COARSE = 1.0
"""Seconds by which clocks of disks may differ from the computer's."""

_READ_BY_THEN = 10.0
"""Seconds after which a server that starts has read the settings of its logs."""

_HOUR = 3600.0
"""Seconds that a session lasts."""

_MUCH = 64 * 2**20
"""Bytes of memory: collecting what is left of less takes longer than it is worth."""

_mine: FileLock | None = None


def own_temporary_folder(app: str) -> None:
    """Let this server put files aside in a folder of its own; remove those of servers that have ended.

    MONAI Label puts every upload among the temporary files of the system, and leaves there what was refused, what it
    packed, and what it had not finished when it was killed. The system ends the lock of a folder with its process.

    Args:
        app: folder of the app, by which the settings of logs are known that MONAI Label writes at each start.
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
        except Timeout:  # another server, which starts at the same moment, takes it for one that was left
            continue
        except OSError as error:  # a file system without locks: nothing is removed there, and all else works
            logger.warning("Temporary files of this server are left in %s: %s", folder, error)
        _mine = lock
        tempfile.tempdir = str(folder)


def _settings_of_logs(system: Path, app: str) -> list[str]:
    """Those that were read: a server reads its own at once."""
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
    except (Timeout, OSError):  # a server that runs, or that of another user
        return
    shutil.rmtree(folder, ignore_errors=True)


def remove_old_sessions(sessions: Sessions) -> None:
    """Remove the sessions whose hour is over, and those that a killed server did not finish, after an hour.

    In place of MONAI Label's own clearing, which fails at the first that is not finished, and the start with it.
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
    """When, in seconds since the epoch; never where it is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return math.inf


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
