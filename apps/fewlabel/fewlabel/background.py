"""The processes that MONAI Label starts for one training or batch inference each, and their server."""

from __future__ import annotations

import os
import sys
import threading

import psutil

_SERVER = "FEWLABEL_SERVER"  # environment variable: id of the server's process, which its children inherit
# Volumes are given back to the system at once. Left alone, glibc puts ever larger arrays on its heap, where volumes
# that come and go leave holes: with 200 volumes a training peaked at 970 MiB, with 20 at 830; so it is 800 with both.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(4 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20)}


def is_background_process() -> bool:
    """Whether MONAI Label started this process for one training, scoring or batch inference."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return getattr(spec, "name", "") == "monailabel.interfaces.utils.app"


def announce_server() -> None:
    """Let the background processes know which server they belong to and how to handle large arrays (on Linux)."""
    os.environ[_SERVER] = str(os.getpid())
    for name, value in _MEMORY.items():
        os.environ.setdefault(name, value)


def end_with_server() -> None:
    """In a background process: end when the server is gone.

    A server that is killed leaves its training running; with the training of the next server, two would write
    the same files.
    """
    server = int(os.environ.get(_SERVER, os.getpid()))
    if server != os.getpid():
        threading.Thread(target=_end_after, args=(server,), name="server watch", daemon=True).start()


def _end_after(process: int) -> None:
    try:
        psutil.Process(process).wait()
    except psutil.NoSuchProcess:
        pass
    finally:
        os._exit(1)
