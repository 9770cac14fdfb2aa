"""The server's process: its command, start and end, with all its children."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from environment import ROOT

APP = ROOT / "apps" / "fewlabel"
SAFE = {"MONAI_LABEL_TRACKING_ENABLED": "false", "MONAI_LABEL_AUTO_UPDATE_SCORING": "false"}


def server_command(studies: "Path", port: "int", host: "str" = "127.0.0.1", conf: "list" = ()) -> "list[str]":
    """Command line of MONAI Label's server for our app, with the running interpreter.

    Args:
        studies: existing folder of images.
        conf: pairs (key, value) of settings.
    """
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(APP)]
    command += ["--studies", str(Path(studies).resolve()), "--host", host, "--port", str(port)]
    for key, value in conf:
        command += ["--conf", key, value]
    return command


def server_environment() -> "dict[str, str]":
    """The environment variables of this process, overridden by safe settings."""
    return dict(os.environ, **SAFE)


def start(command: "list[str]", log: "Path | None" = None) -> "subprocess.Popen":
    """Start a server in its own process group, so that Ctrl-C reaches this launcher first.

    Args:
        log: file that its output is added to; None: the screen.
    """
    if os.name == "nt":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    else:
        group = {"start_new_session": True}
    group["stdin"] = subprocess.DEVNULL  # ours may be watched by Attached
    if log is None:
        return subprocess.Popen(command, env=server_environment(), **group)
    with log.open("ab") as file:
        return subprocess.Popen(command, env=server_environment(), stdout=file, stderr=subprocess.STDOUT, **group)


def stop(server: "subprocess.Popen", patience: "float" = 10.0) -> "None":
    """Stop a server and its training children: terminate first, kill after `patience` seconds.

    MONAI Label leaves its training child running when the server stops.
    """
    import psutil

    try:
        leader = psutil.Process(server.pid)
        family = [*leader.children(recursive=True), leader]
    except psutil.NoSuchProcess:
        family = []
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(family, timeout=patience)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    if os.name != "nt":  # children of a server that has already ended
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def wait_until_ready(server: "subprocess.Popen", host: "str", port: "int") -> "bool":
    """True as soon as the server accepts connections, False if it ends before."""
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    while server.poll() is None:
        try:
            socket.create_connection((target, port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.2)
    return False


class Attached:
    """Stops a server when this process's standard input is closed: the program that started it has ended, or wants so.

    A line "keep" ends the watch: the server goes on.

    Attributes:
        ended: whether the server was stopped for this reason.
    """

    def __init__(self, server: "subprocess.Popen") -> "None":
        self.ended = False
        self._server = server
        threading.Thread(target=self._watch, name="attached", daemon=True).start()

    def _watch(self) -> "None":
        # not sys.stdin.readline(): Python could not end while a thread waits in it
        if sys.stdin is None or os.read(sys.stdin.fileno(), 16).strip() != b"keep":
            self.ended = True
            stop(self._server)


def interrupt(signum: "int", frame: "object") -> "None":
    """Treat a request to end, or a closed terminal, like Ctrl-C."""
    raise KeyboardInterrupt
