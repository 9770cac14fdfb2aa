"""A tiny study for a server that is killed again and again, and the server itself."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import requests

from experiments.harness.errors import ExperimentError
from experiments.harness.server import free_port
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import WRITING
from serving import process as serving

CLASSES = ("organ", "tumour")
SHAPE = (20, 24, 18)
AFFINE = np.diag([-1.0, 1.25, 2.0, 1.0])
PATIENCE = 120.0
"""Seconds to wait for an answer; generous, because other work may hold the processor."""
CONF = {
    "network": "unet_small",
    "patch": "16,16,16",
    "batch": "1",
    "training": "on_request",
    "max_steps": "60",
    "max_minutes": "1",
    "scoring_minutes": "0.05",
    "labels": ",".join(CLASSES),
    "workspace": "",
}
BY_ITSELF = {"max_steps": "1000000", "publish_minutes": "0.03"}
"""Beside a training that goes on by itself: it ends with a kill alone, and publishes every few seconds."""


def label_map(random: np.random.Generator) -> np.ndarray:
    """Two boxes, values 1 and 2, somewhere in SHAPE."""
    array = np.zeros(SHAPE, np.uint8)
    x, y, z = random.integers(1, 5, 3)
    array[x : x + 8, y : y + 8, z : z + 8] = 1
    array[x + 9 : x + 13, y + 9 : y + 13, 4:12] = 2
    return array


def make_images(folder: Path, count: int, seed: int) -> list[str]:
    """Write ``count`` scans with two bright boxes; their ids."""
    folder.mkdir(parents=True)
    for number in range(count):
        random = np.random.default_rng([seed, number])
        image = random.normal(0, 8, SHAPE) + 100.0 * label_map(random)
        write_volume(folder / f"scan_{number}.nii.gz", image.astype(np.float32), AFFINE)
    return [f"scan_{number}" for number in range(count)]


class MortalServer:
    """A server that is started anew after each kill, with a folder for temporary files of its own.

    Args:
        home: an empty folder: the images go to ``studies``, what the server writes elsewhere to ``temporary`` and
            ``sessions``.
        training: ``on_request`` or ``continuous``.
    """

    def __init__(self, home: Path, training: str = "on_request") -> None:
        self.home, self.studies = home, home / "studies"
        self.conf = {**CONF, "training": training, **(BY_ITSELF if training == "continuous" else {})}
        self.temporary, self.sessions = home / "temporary", home / "sessions"
        self.temporary.mkdir()
        self._process: subprocess.Popen | None = None
        self.url = ""

    def launch(self) -> None:
        """Start the process on a free port and return at once."""
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        conf = [(key, value) for key, value in self.conf.items() if value]
        folders = {"TMPDIR": str(self.temporary), "MONAI_LABEL_SESSION_PATH": str(self.sessions)}
        with (self.home / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                serving.server_command(self.studies, port, conf=conf),
                env={**serving.server_environment(), "OMP_NUM_THREADS": "1", **folders},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Wait until it answers.

        Raises:
            ExperimentError: it ends, or does not answer in time; with the path of its log.
        """
        end = time.monotonic() + PATIENCE
        while self._process is not None and self._process.poll() is None and time.monotonic() < end:
            with contextlib.suppress(requests.ConnectionError):
                self.request("GET", "/info/")
                return
            time.sleep(0.1)
        raise ExperimentError(f"The server did not start; its log is {self.home / 'server.log'}.")

    def children(self) -> list[psutil.Process]:
        """The processes that it started: trainings, scorings."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self._process.pid).children(recursive=True) if self._process else []
        return []

    def kill_children(self) -> None:
        """Kill what it started, at once."""
        children = self.children()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, 30)

    def kill(self) -> list[psutil.Process]:
        """Kill it at once; the processes that it started and that outlived it by more than a minute, now dead too."""
        if self._process is None:
            return []
        children = self.children()
        self._process.kill()
        self._process.wait()
        self._process = None
        alive = psutil.wait_procs(children, 60)[1]
        for child in alive:
            child.kill()
        return alive

    def request(self, method: str, path: str, **arguments: Any) -> requests.Response:
        """Send a request to it."""
        return requests.request(method, self.url + path, timeout=PATIENCE, **arguments)

    def export_state(self) -> dict[str, Any]:
        """How far its export is."""
        return self.request("GET", "/fewlabel/export").json()

    def leftovers(self) -> list[str]:
        """Files that belong to nobody: half written ones of processes that are gone, uploads put aside, sessions.

        Its own are the lock of its folder, and the settings of its log, which the next start removes.
        """
        running = [self._process, *self.children()] if self._process else []
        writing = tuple(f"{WRITING}{each.pid}-" for each in running)
        own = [path for path in self.studies.rglob(f"{WRITING}*") if not path.name.startswith(writing)]
        lent = [path for folder in (self.temporary, self.sessions) for path in folder.rglob("*") if path.is_file()]
        locks = [path for path in lent if path.name == "server.lock"]
        logs = [path for path in lent if path.suffix == ".json" and _just_written(path)]
        left = [*own, *(path for path in lent if path not in (*locks, *logs)), *locks[1:]]
        return sorted(os.path.relpath(path, self.home) for path in left)


def _just_written(path: Path) -> bool:
    return path.stat().st_mtime > time.time() - PATIENCE
