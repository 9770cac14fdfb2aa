"""Which device to compute on, and how it is named to people."""

import psutil
import torch

from fewlabel.errors import Refusal


def device_names(first: str | None = None) -> list[str]:
    """What can be chosen here, ``first`` (or else the best) in front, since viewers send the first one back."""
    names = [*(f"cuda:{index}" for index in range(torch.cuda.device_count())), "cpu"]
    return names if first is None else sorted(names, key=lambda name: name != choose_device(first))


def choose_device(asked: str | list[str] | None) -> str:
    """The device to use: what is asked for where it exists, the best where nothing (or a list of choices) is asked.

    Raises:
        Refusal: (400) the asked device does not exist here.
    """
    names = device_names()
    if not asked or isinstance(asked, list):
        return names[0]
    if asked == "cuda" and torch.cuda.is_available():
        return names[0]
    # "NVIDIA ...:0" is how MONAI Label's own device list names GPUs
    if ":" in asked and torch.cuda.is_available() and not asked.startswith("cuda"):
        asked = f"cuda:{asked.rsplit(':', 1)[1]}"
    if asked not in names:
        raise Refusal(f"There is no device '{asked}' on this machine: choose one of {', '.join(names)}.")
    return asked


def memory_used(device: str) -> int:
    """Bytes that this process holds: of the GPU at most so far, or of the computer's memory now."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    return int(psutil.Process().memory_info().rss)
