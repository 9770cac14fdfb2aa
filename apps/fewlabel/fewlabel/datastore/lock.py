"""Allows one server for a study: a lock of the operating system, which ends with the process however it ends."""

from __future__ import annotations

import os
import socket
import time
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from fewlabel.workspace import read_json, write_json

_LOCK, _HOLDER = "server.lock", "server.json"
_held: dict[Path, FileLock] = {}
"""Locks of this process, which may open its study again (as a reload does)."""


class StudyInUse(ValueError):
    """Another process serves this study; the message says which."""


def lock_study(*folders: Path) -> None:
    """Keep other servers away from a study until this process ends.

    Args:
        folders: that the study writes to; one that cannot be written needs no lock.

    Raises:
        StudyInUse: another server holds one of them.
    """
    for folder in dict.fromkeys(path.resolve() for path in folders):
        if folder in _held:
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / _LOCK)
            lock.acquire(blocking=False)
        except Timeout:
            if _holder(folder).get("pid") == os.getpid():  # the folder was moved while we hold it
                continue
            raise StudyInUse(_who_holds(folder)) from None
        except OSError:  # read-only, or a file system without locks
            continue
        _held[folder] = lock
        holder = {"pid": os.getpid(), "computer": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        write_json(folder / _HOLDER, holder)


def unlock_studies() -> None:
    """Release every study of this process; for tests, since a server keeps its study until it ends."""
    while _held:
        _held.popitem()[1].release()


def _holder(folder: Path) -> dict[str, Any]:
    """What the holder of a lock wrote into its file; {} where that cannot be read."""
    holder = read_json(folder / _HOLDER, {})
    return holder if isinstance(holder, dict) else {}


def _who_holds(folder: Path) -> str:
    holder = _holder(folder)
    here = holder.get("computer") in (None, socket.gethostname())
    who = f"process {holder['pid']}" if holder.get("pid") else "another process"
    if here and holder.get("pid") and psutil.pid_exists(holder["pid"]):
        who += f" ({psutil.Process(holder['pid']).name()})"
    computer = "" if here else f" on {holder['computer']}"
    since = f", since {holder['since']}" if holder.get("since") else ""
    return (
        f"This study is served already, by {who}{computer}{since} (it holds {folder / _LOCK}). Connect to that server, "
        "or stop it first: two servers of one study would write over each other's labels."
    )
