"""A server whose training goes on by itself, as benchmarks need it: a study, and what it says of the training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from experiments.harness.clinician import MODEL
from experiments.harness.errors import ExperimentError
from experiments.harness.server import Server, running
from experiments.speed.bench import CLASSES, HIPPOCAMPUS
from experiments.speed.study import generate, label_some, take
from fewlabel.volumes.reading import split_extension

VOLUMES, LABELLED = 24, 4
PATIENCE = 600.0  # seconds to wait for what the training does


def said(server: Server) -> dict:
    """What the server says of its training.

    Raises:
        ExperimentError: it failed.
    """
    stats = server.client.info()["train_stats"].get(MODEL, {})
    if stats.get("phase") == "failed":
        raise ExperimentError(f"The training failed: {stats.get('error')}")
    return stats


def wait_for(server: Server, condition: Callable[[dict], object]) -> float:
    """Wait until what the server says meets a condition; the seconds that took.

    Raises:
        ExperimentError: the training failed, or it takes too long.
    """
    started = time.monotonic()
    while not condition(said(server)):
        if time.monotonic() - started > PATIENCE:
            raise ExperimentError(f"Waited {PATIENCE:.0f} s in vain; of the training is said: {said(server)}")
        time.sleep(0.2)
    return time.monotonic() - started


@contextmanager
def training(studies: Path, images: Path | None, seed: int, **conf: object) -> Iterator[Server]:
    """A server on some labelled volumes, generated or copied, that trains by itself and has published a model.

    Raises:
        ExperimentError: it does not.
    """
    if images:
        take(studies, images, LABELLED + 2, VOLUMES)
    else:
        generate(studies, VOLUMES, HIPPOCAMPUS, seed)
    label_some(studies, LABELLED)
    with running(studies, **{"training": "continuous", "labels": CLASSES, "seed": seed, **conf}) as server:
        wait_for(server, lambda stats: stats.get("version") and stats.get("phase") == "training")
        yield server


def cases_of(studies: Path) -> list[str]:
    """Ids of a study without subfolders."""
    return [split_extension(path.name)[0] for path in sorted(studies.iterdir()) if path.is_file()]


def trainings(server: Server) -> list[psutil.Process]:
    """The processes that the server started."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(server.process.pid).children(recursive=True)
    return []
