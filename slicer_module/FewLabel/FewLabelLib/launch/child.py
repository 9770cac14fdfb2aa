"""A process whose output goes to a log that is followed, and that is ended with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

LARGE = 5_000_000  # bytes of a log that begins anew
LOOK = 0.05  # seconds between two looks whether a process has ended


class Child:
    """A process, in a group of its own.

    Its output goes into a file and not through a pipe, so that it can go on after Slicer has ended.

    Args:
        command: with whole paths; run without a shell.
        variables: all its environment variables.
        log: its output is added to this file.
        folder: that it runs in.
        follows: it ends by itself when its standard input is closed, as the server does.

    Raises:
        OSError: it cannot be started, or the log cannot be written.
    """

    def __init__(
        self, command: List[str], variables: Mapping[str, str], log: Path, folder: Path, follows: bool = False
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        begins_anew = log.exists() and log.stat().st_size > LARGE
        with log.open("wb" if begins_anew else "ab") as file:
            begin = file.tell()
            self._process = subprocess.Popen(
                command,
                env=dict(variables),
                cwd=str(folder),
                stdin=subprocess.PIPE if follows else subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                **_own_group(),
            )
        self.log, self._at, self._begun = log, begin, b""

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def code(self) -> Optional[int]:
        """Its exit code, None while it runs."""
        return self._process.poll()

    def lines(self) -> List[str]:
        """Lines that it wrote since the last call; after its end also one that it did not finish."""
        ended = self.code is not None  # before reading, so that nothing is missed
        with self.log.open("rb") as file:
            file.seek(self._at)
            content = file.read()
        self._at += len(content)
        *whole, self._begun = (self._begun + content).split(b"\n")
        if ended and self._begun:
            whole, self._begun = [*whole, self._begun], b""
        return [line.decode("utf-8", "replace").rstrip("\r") for line in whole]

    def release(self) -> None:
        """Let it go on when this process ends."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            with suppress(OSError):
                self._process.stdin.write(b"keep\n")
                self._process.stdin.close()

    def ask_to_end(self) -> None:
        """Ask it to end, with what it started; returns at once."""
        stdin = self._process.stdin
        follows = stdin is not None and not stdin.closed
        if stdin is not None and follows:
            with suppress(OSError):
                stdin.close()
        if self.code is None and not (follows and os.name == "nt"):  # Windows knows no request that could be answered
            request_end(self.pid)

    def end(self, patience: float) -> None:
        """End it and what it started; what has not ended after ``patience`` seconds is killed."""
        self.ask_to_end()
        end = time.monotonic() + patience
        while self.code is None and time.monotonic() < end:
            time.sleep(LOOK)
        if self.code is None:
            kill(self.pid)
            self._process.wait()


def is_running(pid: int) -> bool:
    """Whether there is such a process, of this user."""
    if os.name == "nt":
        listed = subprocess.run(["tasklist", "/FI", f"PID eq {pid}", "/NH"], stdout=subprocess.PIPE, **_hidden())
        return str(pid).encode() in listed.stdout
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # one of this process that has ended would be there until somebody asks
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def request_end(pid: int) -> None:
    """Ask a process that leads a group to end; on Windows, which knows no such request, it is ended."""
    if os.name == "nt":
        kill(pid)
        return
    with suppress(OSError):
        os.killpg(pid, signal.SIGTERM)


def kill(pid: int) -> None:
    """End a process and what it started, at once."""
    if os.name == "nt":
        subprocess.run(["taskkill", "/PID", str(pid), "/T", "/F"], stdout=subprocess.DEVNULL, **_hidden())
        return
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _hidden() -> Dict[str, Any]:
    return {"stderr": subprocess.DEVNULL, "stdin": subprocess.DEVNULL, **_own_group()}


def _own_group() -> Dict[str, Any]:
    """Options by which a process leads a group of its own; on Windows also without a window."""
    if os.name == "nt":
        new = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW  # type: ignore[attr-defined]
        return {"creationflags": new}
    return {"start_new_session": True}
