"""The table of the benchmark: what was measured beside what it should be, and on which machine."""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import psutil


@dataclass(frozen=True)
class Row:
    """One line of the table; `value` is measured, `target` the most that it should be (None: no target)."""

    what: str
    measured: str
    target: str = ""
    value: float = 0.0
    most: float | None = None

    @property
    def verdict(self) -> str:
        """Whether the target is met, in a word."""
        if self.most is None:
            return ""
        return "met" if self.value <= self.most else "**missed**"


def latency(what: str, seconds: Sequence[float], most: float) -> Row:
    """A line on latencies; the target is held against the 95th percentile."""
    high = float(np.percentile(seconds, 95))
    text = f"median {statistics.median(seconds):.3f} s, 95 % {high:.3f} s, longest {max(seconds):.3f} s"
    return Row(f"{what} ({len(seconds)} requests)", text, f"≤ {most:g} s", high, most)


def typical(what: str, seconds: Sequence[float], most: float | None) -> Row:
    """A line on latencies; the target is held against the median. None: there is no target."""
    if not seconds:
        return Row(what, "no answer was measured: the long request was too short")
    middle, high = statistics.median(seconds), float(np.percentile(seconds, 95))
    text = f"median {middle:.3f} s, 95 % {high:.3f} s, longest {max(seconds):.3f} s"
    return Row(f"{what} ({len(seconds)} requests)", text, "" if most is None else f"≤ {most:g} s", middle, most)


def machine() -> str:
    """What is needed to judge and to repeat the numbers."""
    import monai
    import monailabel
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    memory = psutil.virtual_memory().total / 2**30
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, MONAI {monai.__version__}"
    versions += f", MONAI Label {monailabel.__version__}"
    load = f"load at the start {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{platform.platform()}, {os.cpu_count()} CPU cores, {memory:.0f} GiB, GPU: {gpu}; {versions}; {load}"


def table(rows: Sequence[Row]) -> str:
    """The lines as a Markdown table."""
    lines = ["| | measured | target | |", "|---|---|---|---|"]
    return "\n".join([*lines, *(f"| {row.what} | {row.measured} | {row.target} | {row.verdict} |" for row in rows)])
