"""Detects that memory ran out, frees memory, and says what people can do."""

from __future__ import annotations

import ctypes
import gc
import sys

import psutil
import torch

from fewlabel.errors import Refusal

_SIGNS = (
    "out of memory",
    "defaultcpuallocator",
    "can't allocate memory",
    "not enough memory",
    "alloc_failed",  # of cuDNN and cuBLAS
    "killed by signal: killed",  # a worker killed by the system
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the memory of a GPU or of the computer ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)


def free_memory() -> None:
    """Free unused memory; call it when the error and its frames are gone."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":  # glibc keeps freed memory
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def keep_what_is_there() -> None:
    """Exclude everything loaded so far from garbage collection, which would take most of a second."""
    gc.collect()
    gc.freeze()


def resident() -> int:
    """Resident memory of this process, bytes."""
    return psutil.Process().memory_info().rss


def memory_of(device: str) -> str:
    """The memory of a device, in words."""
    return f"the memory of the GPU ({device})" if device.startswith("cuda") else "the memory of this computer"


def too_little(what: str, device: str) -> Refusal:
    """The refusal (503) of work that did not fit into memory, even in smaller pieces.

    Args:
        what: the work, as the beginning of the sentence: "Training".
        device: of the work.
    """
    return Refusal(
        f"{what} needs more than {memory_of(device)}, also in smaller pieces. Close other programs that use it, or "
        "start the server with a smaller --conf patch (such as 32,32,32), --conf batch 1 or a coarser --conf spacing "
        "(such as 2,2,2), and train again.",
        503,
    )
