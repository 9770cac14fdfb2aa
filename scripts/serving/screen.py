"""What a person sees of the server's log: warnings, errors, and why it did not start. The whole of it is in a file."""

import os
import re
import sys
import threading
from pathlib import Path

_LARGE = 10_000_000  # bytes of a log that is put aside at the next start
_RECORD = re.compile(r"^\[\d{4}-[^\]]*\] (?:\[[^\]]*\] )*\[([A-Z]+)\] (?:\([^)]*\) - )?(.*)")
_SHOWN = ("WARNING", "ERROR", "CRITICAL")
_FAILED, _SHORT = "FewLabel cannot start. ", "In short: "


def log_file(workspace: "Path") -> "Path":
    """The file that the server's output goes to; an earlier one is continued, or put aside where it is large.

    Raises:
        OSError: it cannot be written.
    """
    workspace.mkdir(parents=True, exist_ok=True)
    log = workspace / "server.log"
    if log.exists() and log.stat().st_size > _LARGE:
        os.replace(log, workspace / "server.log.1")
    log.open("ab").close()
    return log


class Screen:
    """Follows a log from its end on, and shows what matters.

    Args:
        log: existing file.

    Attributes:
        failure: why the server did not start, in a sentence; "" as long as it did not say so.
        short: what it found in the folder, in a sentence; "" as long as it did not say so.
    """

    def __init__(self, log: "Path") -> "None":
        self.log = log
        self.failure = self.short = ""
        self._begin = log.stat().st_size
        self._shows = False
        self._ends, self._said = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._follow, name="screen", daemon=True)

    def start(self) -> "None":
        """Begin to show."""
        self._thread.start()

    def stop(self) -> "None":
        """Show what is left, and end."""
        self._ends.set()
        self._thread.join()

    def wait_for_short(self, seconds: "float" = 5.0) -> "str":
        """What the server found in the folder: it says so before it answers, and we read it a moment later."""
        self._said.wait(seconds)
        return self.short

    def last(self, lines: "int" = 15) -> "str":
        """The last lines since the start, shown or not."""
        with self.log.open("rb") as file:
            file.seek(self._begin)
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])

    def _follow(self) -> "None":
        with self.log.open("rb") as file:
            file.seek(self._begin)
            begun = b""
            while True:
                ends = self._ends.wait(0.2)  # before reading, so that nothing written until then is missed
                *lines, begun = (begun + file.read()).split(b"\n")
                for line in [*lines, *([begun] if ends and begun else [])]:
                    self._take(line.decode("utf-8", "replace").rstrip("\r"))
                if ends:
                    return

    def _take(self, line: "str") -> "None":
        record = _RECORD.match(line)
        if _FAILED in line:
            self.failure = line[line.index(_FAILED) :]
        if record is not None:
            self._shows = record.group(1) in _SHOWN
            if record.group(2).startswith(_SHORT):
                self.short = record.group(2)[len(_SHORT) :]
                self._said.set()
        if self._shows and not self.failure:  # lines without a head, such as a traceback, belong to the one above
            print(record.group(2) if record else line, file=sys.stderr, flush=True)
