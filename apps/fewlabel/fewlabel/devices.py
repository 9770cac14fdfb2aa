"""Choice of the device to compute on."""

from typing import Any

import psutil
import torch

from fewlabel.errors import Refusal


def device_names(first: str | None = None) -> list[str]:
    """The available devices, ``first`` (or else the best) in front, since viewers send the first one back."""
    names = [*(f"cuda:{index}" for index in range(torch.cuda.device_count())), "cpu"]
    return names if first is None else sorted(names, key=lambda name: name != choose_device(first))


def choose_device(asked: str | list[str] | None) -> str:
    """The device to use: the requested one; the best if none (or a list of choices) is requested.

    Raises:
        Refusal: (400) the requested device does not exist here.
    """
    names = device_names()
    if not asked or isinstance(asked, list):
        return names[0]
    if asked == "cuda" and torch.cuda.is_available():
        return names[0]
    # "NVIDIA ...:0": names of GPUs in MONAI Label's own device list
    if ":" in asked and torch.cuda.is_available() and not asked.startswith("cuda"):
        asked = f"cuda:{asked.rsplit(':', 1)[1]}"
    if asked not in names:
        raise Refusal(f"There is no device '{asked}' on this machine: choose one of {', '.join(names)}.")
    return asked


def pick_device(asked: Any, default: str | None) -> tuple[str, str]:
    """The device for one request, and a note where it is not the requested one.

    Viewers may send options back that another server, or another version, has shown: so a missing device is no reason
    to refuse the work.

    Args:
        asked: device in the request, or a list of choices; None for none.
        default: from the settings; None for the best.

    Raises:
        Refusal: (400) the default does not exist here.
    """
    wanted = next(iter(asked), None) if isinstance(asked, list) else asked
    if not wanted or wanted == "auto":
        return choose_device(default), ""
    try:
        return choose_device(str(wanted)), ""
    except Refusal:
        device = choose_device(default)
        return device, f"There is no device '{str(wanted)[:60]}' on this machine: {device} was used instead."


def memory_used(device: str) -> int:
    """Bytes used by this process: the peak on a GPU so far, or the computer's memory now."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    return int(psutil.Process().memory_info().rss)
