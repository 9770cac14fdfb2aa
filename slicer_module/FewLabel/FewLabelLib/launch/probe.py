"""Ports of this computer, and what answers there."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path

SECONDS = 3.0  # for an answer
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open  # a proxy does not know this computer


def free_port(wished: int = 0) -> int:
    """A port of the loopback interface on which nothing listens: the one that is wished, or any.

    Another program may take it before it is used.
    """
    for port in (wished, 0):
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except (OSError, OverflowError):
                continue
            return int(listener.getsockname()[1])
    raise OSError("no port is free on this computer")


def serves(url: str, studies: Path) -> bool:
    """Whether a server of FewLabel answers there, for a folder of this name."""
    try:
        with _open(f"{url}/fewlabel/study", timeout=SECONDS) as answer:
            study = json.loads(answer.read())
    except (OSError, ValueError, urllib.error.URLError):
        return False
    return isinstance(study, dict) and study.get("name") in (studies.name, studies.resolve().name)
