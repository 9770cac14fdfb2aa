"""*Label all* on a large pool: memory, a kill in the middle, and what others wait for meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import requests

from experiments.harness.clinician import STRATEGY
from experiments.harness.errors import ExperimentError
from experiments.harness.server import Server, running
from experiments.speed.study import generate, label_some
from experiments.speed.table import Row, typical
from fewlabel.networks import find
from fewlabel.plan import Plan
from fewlabel.published import save_published
from fewlabel.workspace import Workspace

_LABELLED, _PAUSE = 2, 0.5
_PATIENCE = 1800.0  # seconds without an end
_AIM = 0.1  # seconds at the median, for others
_CARD = {"version": 1, "method": "supervised", "network": "unet_small", "validation": {}, "validated": False}


class Watch:
    """What is seen while a server works: seconds of others' requests, MiB of its processes, how far it is."""

    def __init__(self) -> None:
        self.info: list[float] = []
        self.following: list[float] = []
        self.memory: list[tuple[int, float]] = []

    def until(self, server: Server, enough: int) -> dict:
        """Ask again and again, until so many scans are done or all are; the last answer.

        Raises:
            ExperimentError: it failed, or takes too long.
        """
        url, began = server.client._server_url, time.monotonic()
        while time.monotonic() - began < _PATIENCE:
            said = requests.get(f"{url}/fewlabel/label_all", timeout=600).json()
            self.memory.append((said["done"], memory_of(server.process.pid)))
            if said["state"] == "done" or said["done"] >= enough:
                return said
            if said["state"] != "running":
                raise ExperimentError(f"Label all is {said['state']}: {said['error']}")
            self.info.append(_seconds(server.client.info))
            self.following.append(_seconds(lambda: server.client.next_sample(STRATEGY, {})))
            time.sleep(_PAUSE)
        raise ExperimentError(f"Label all did not end within {_PATIENCE:.0f} s.")


def label_all_rows(folder: Path, count: int, classes: str, seed: int, shape: tuple[int, int, int]) -> list[Row]:
    """Predict a pool of generated volumes with untrained weights, with a kill at its half.

    Raises:
        ExperimentError: it failed, or predicted a scan twice.
    """
    studies, watch, names = folder / "label_all", Watch(), classes.split(",")
    generate(studies, count + _LABELLED, shape, seed)
    label_some(studies, _LABELLED)
    workspace = Workspace(studies / ".fewlabel")
    plan = Plan((1.0, 1.0, 1.0), shape, "meanstd", None, "unet_small", 1, tuple(names))
    save_published(workspace.model, find("unet_small")(len(names) + 1), plan, _CARD)
    began = time.monotonic()
    with running(studies, labels=classes) as server:
        requests.post(f"{server.client._server_url}/fewlabel/label_all", timeout=600).raise_for_status()
        watch.until(server, count // 2)
        kill(server.process.pid)
    kept = {path: path.stat().st_mtime_ns for path in workspace.proposed.glob("*.npz")}
    with running(studies, labels=classes) as server:
        said = watch.until(server, count)
    again = sum(path.stat().st_mtime_ns != written for path, written in kept.items())
    if said["done"] != count or again:
        raise ExperimentError(f"{said['done']} of {count} scans have a proposal; {again} were predicted twice.")
    return _rows(watch, count, len(kept), time.monotonic() - began)


def _rows(watch: Watch, count: int, kept: int, seconds: float) -> list[Row]:
    early = max(size for done, size in watch.memory if done < count // 4)
    late = max(size for _, size in watch.memory)
    what = f"while {count:,} scans are labelled"
    return [
        Row(f"Label all, {count:,} scans, killed at {kept:,}, none predicted twice", f"{seconds:.0f} s in all"),
        Row(f"Memory of the server {what}", f"{early:.0f} MiB in the first quarter, {late:.0f} MiB at most"),
        Row("The same, most to first quarter", f"{late / early:.2f}", "≤ 1.10", late / early, 1.1),
        typical(f"/info/ {what}", watch.info, _AIM),
        typical(f"next case {what}", watch.following, _AIM),
    ]


def kill(process: int) -> None:
    """Kill a process and all below it."""
    for each in [*psutil.Process(process).children(recursive=True), psutil.Process(process)]:
        with suppress(psutil.Error):
            each.kill()


def memory_of(process: int) -> float:
    """Resident MiB of a process and all below it."""
    total = 0
    for each in [psutil.Process(process), *psutil.Process(process).children(recursive=True)]:
        with suppress(psutil.Error):
            total += each.memory_info().rss
    return total / 2**20


def _seconds(request: Callable[[], object]) -> float:
    began = time.perf_counter()
    request()
    return time.perf_counter() - began
