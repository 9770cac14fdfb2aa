"""A real server of FewLabel on a free port of this computer."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from monailabel.client import MONAILabelClient

from experiments.harness.clinician import connect
from experiments.harness.errors import ExperimentError
from serving import process as serving


def free_port() -> int:
    """A port of this computer on which nothing listens now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def launch(studies: Path, port: int, conf: list[tuple[str, str]], log: Path) -> subprocess.Popen:
    """Start a server in a process group of its own; its output goes to ``log``."""
    group = {} if os.name == "nt" else {"start_new_session": True}
    command = serving.server_command(studies, port, conf=conf)
    with log.open("w", encoding="utf-8") as file:
        return subprocess.Popen(
            command, env=serving.server_environment(), stdout=file, stderr=subprocess.STDOUT, **group
        )


def show_log(log: Path, lines: int = 15) -> None:
    """Print the end of a server's log and where the whole of it is."""
    if log.exists():
        print("\nLast lines of the server's log:", file=sys.stderr)
        print("\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]), file=sys.stderr)
        print(f"The whole log: {log}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Server:
    """A running server, its client, and the seconds from its start until it answered."""

    process: subprocess.Popen
    client: MONAILabelClient
    start_seconds: float


@contextmanager
def running(studies: Path, **conf: object) -> Iterator[Server]:
    """A server on a folder, stopped in the end however that comes; ``conf`` are its settings.

    Raises:
        ExperimentError: it does not start.
    """
    pairs = [(key, str(value)) for key, value in {"training": "on_request", **conf}.items()]
    log, port = studies.parent / f"{studies.name}.log", free_port()
    started = time.monotonic()
    process = launch(studies, port, pairs, log)
    try:
        if not serving.wait_until_ready(process, "127.0.0.1", port):
            raise ExperimentError("The server stopped while starting.")
        seconds = time.monotonic() - started
        yield Server(process, connect(f"http://127.0.0.1:{port}", studies.parent / "downloads"), seconds)
    except ExperimentError:
        show_log(log)
        raise
    finally:
        serving.stop(process)
