"""Background processes, which MONAI Label starts for each training or batch inference, and their server."""

from __future__ import annotations

import os
import sys
import threading

import psutil

_SERVER = "FEWLABEL_SERVER"  # environment variable with the id of the server's process, inherited by its children
# Return the memory of volumes to the system at once. By default, glibc puts ever larger arrays on its heap, where freed
# volumes leave holes: a training peaked at 970 MiB with 200 volumes and at 830 with 20; now it is 800 with both.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(4 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(64 * 2**20)}


def is_background_process() -> bool:
    """Whether MONAI Label started this process for one training, scoring or batch inference."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return getattr(spec, "name", "") == "monailabel.interfaces.utils.app"


def announce_server() -> None:
    """Tell background processes their server, and how to allocate large arrays (on Linux), by the environment."""
    os.environ[_SERVER] = str(os.getpid())
    for name, value in _MEMORY.items():
        os.environ.setdefault(name, value)


def end_with_server() -> None:
    """In a background process: end when the server has ended.

    A killed server leaves its training running; together with the training of the next server, two would write the same
    files.
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
