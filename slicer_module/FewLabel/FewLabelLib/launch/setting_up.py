"""Makes FewLabel's environment, in a process, and tries again when the network is back."""

from __future__ import annotations

import re
from typing import Callable, List

from ..errors import NotStarted
from . import texts
from .child import Child

WAITS = (10.0, 30.0, 60.0, 120.0)  # seconds before each further attempt without a network
_LARGE = re.compile(r"\s+\S+ \((\d[\d.]*) ([MG])B\)")
_NETWORK = "the package index cannot be reached"
_HEADS = ("Set-up stopped: ", "serve.py: error: ", "FewLabel cannot start. ")


class Downloads:
    """Counts what the set-up says that it downloads.

    Attributes:
        words: to be shown.
    """

    def __init__(self) -> None:
        self.count, self.megabytes, self.words, self._step = 0, 0.0, "", ""

    def take(self, line: str) -> None:
        """Read a line that scripts/environment.py wrote."""
        large = _LARGE.fullmatch(line)
        if large:
            self.count += 1
            self.megabytes += float(large.group(1)) * (1000 if large.group(2) == "G" else 1)
        if line.strip():
            self._step = line.strip()
            self.words = texts.downloads(self.count, self.megabytes, self._step)


def reason(lines: List[str], what: str, code: int) -> str:
    """Why a script ended: its last line, which is a sentence; or one that gives the code."""
    said = [line.strip() for line in lines if line.strip()]
    if not said:
        return texts.failed(what, code)
    last = said[-1]
    for head in _HEADS:
        if last.startswith(head):
            last = last[len(head) :]
    return last[:1].upper() + last[1:]


def set_up(
    begin: Callable[[], Child],
    show: Callable[[str, str], None],
    looks: Callable[[], None],
    sleep: Callable[[float], None],
) -> None:
    """Run the set-up until the environment is complete.

    Args:
        begin: starts scripts/environment.py.
        show: gets a sentence and what was downloaded.
        looks: called often; raises if the person has cancelled.
        sleep: waits so many seconds, or raises if the person has cancelled.

    Raises:
        NotStarted: it failed, and not for want of a network, or that stayed away.
    """
    for seconds in (*WAITS, 0.0):
        why = _once(begin(), show, looks)
        if not why:
            return
        if not seconds or _NETWORK not in why.lower():
            raise NotStarted(why)
        show(texts.network_away(seconds), "")
        sleep(seconds)


def _once(child: Child, show: Callable[[str, str], None], looks: Callable[[], None]) -> str:
    """One attempt; gives the reason of a failure, "" for success. Whatever ends this ends the process."""
    downloads, last = Downloads(), [""]
    try:
        while True:
            ended = child.code
            for line in child.lines():
                downloads.take(line)
                last = [line] if line.strip() else last
            if ended is not None:
                return reason(last, "The set-up", ended) if ended else ""
            show(texts.PREPARING, downloads.words)
            looks()
    finally:
        child.end(patience=2.0)
