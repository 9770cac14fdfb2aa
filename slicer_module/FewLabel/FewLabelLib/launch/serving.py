"""Starts scripts/serve.py, and waits until the server answers."""

from __future__ import annotations

from typing import Callable, List, Tuple

from ..errors import NotStarted
from . import probe, texts
from .child import Child
from .setting_up import reason

ATTEMPTS = 3  # where another program takes the port first
PATIENCE = 60.0  # seconds until a server that is asked to end is killed; its training ends with it
READY = "FewLabel is ready at "


def start_server(
    begin: Callable[[int], Child], wished: int, show: Callable[[str, str], None], looks: Callable[[], None]
) -> Tuple[int, Child]:
    """Start a server and wait until it is ready.

    Args:
        begin: starts scripts/serve.py at a port.
        wished: port to take if it is free; 0: any.
        show: gets a sentence and what the server said last.
        looks: called often; raises if the person has cancelled.

    Returns:
        The port and the process.

    Raises:
        NotStarted: it has ended; the sentence is its own.
    """
    why = ""
    for _ in range(ATTEMPTS):
        port = probe.free_port(wished)
        child = begin(port)
        why = _until_ready(child, show, looks)
        if not why:
            return port, child
        if f"port {port} is busy" not in why.lower():
            break
        wished = 0
    raise NotStarted(why)


def _until_ready(child: Child, show: Callable[[str, str], None], looks: Callable[[], None]) -> str:
    """Why it has ended, "" if it is ready. Whatever else ends this ends the process."""
    last: List[str] = []
    ready = False
    try:
        while True:
            ended = child.code
            for line in child.lines():
                ready = ready or line.startswith(READY)
                last = [line] if line.strip() else last
            if ready:
                return ""
            if ended is not None:
                return reason(last, "The server", ended)
            show(texts.STARTING, last[-1].strip() if last else "")
            looks()
    finally:
        if not ready:
            child.end(PATIENCE)
