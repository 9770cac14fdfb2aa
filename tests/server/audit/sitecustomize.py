"""Python runs this at the start of each process of a server: it logs the opened files of scans, labels and JSON."""

import os
import sys
import threading

_target, _local = os.environ["AUDIT_LOG"], threading.local()
_command = " ".join(sys.orig_argv)


def _note(event, arguments):
    """One line for each opened file: process, command, mode, path. A single append is atomic."""
    if event != "open" or getattr(_local, "busy", False):
        return
    path, _, flags = arguments
    if isinstance(path, int) or (".nii" not in os.fsdecode(path) and ".json" not in os.fsdecode(path)):
        return
    _local.busy = True
    try:
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
        kind = "train" if "monailabel.interfaces.utils.app -m train" in _command else "other"
        text = "\t".join([str(os.getpid()), kind, "write" if writes else "read", os.path.abspath(os.fsdecode(path))])
        handle = os.open(_target, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, (text + "\n").encode())
        os.close(handle)
    finally:
        _local.busy = False


sys.addaudithook(_note)
