"""Speed and memory of FewLabel, measured through a real server and MONAI Label's own client."""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
from monailabel.client import MONAILabelClient

from experiments.harness.clinician import MODEL, STRATEGY
from experiments.harness.errors import ExperimentError
from experiments.harness.say import say
from experiments.harness.server import running
from experiments.speed.ranking import ranking_rows
from experiments.speed.scoring import scored, scoring_row
from experiments.speed.study import generate, label_some, take
from experiments.speed.table import Row, latency, machine, table
from experiments.speed.whole_pool import label_all_rows
from fewlabel.workspace import Workspace, write_json

CLASSES = "bright,brightest"
LABELLED = 4
PATIENCE = 180.0  # seconds to wait for the first step of a training
HIPPOCAMPUS, LARGE, TINY = (36, 50, 36), (96, 96, 64), (16, 16, 16)  # voxels


@dataclass(frozen=True)
class Sizes:
    """How much is measured."""

    volumes: int = 100  # of the training
    requests: int = 60  # of each kind, while training runs
    images: int = 10_000  # of the large store
    large_requests: int = 50
    scored: int = 60
    proposed: int = 2000  # by Label all
    pools: tuple[int, int] = (20, 200)
    steps: int = 400  # with each of these pools: enough to read nearly all volumes of the larger one


QUICK = Sizes(volumes=12, requests=5, images=500, large_requests=5, scored=4, proposed=40, pools=(20, 40), steps=10)


def seconds_of(request: Callable[[], object], times: int, pause: float = 0.0) -> list[float]:
    """Wall seconds of each of so many requests, one after the other, with a pause between them."""
    measured = []
    for _ in range(times):
        started = time.perf_counter()
        request()
        measured.append(time.perf_counter() - started)
        time.sleep(pause)
    return measured


def first_step(client: MONAILabelClient) -> float:
    """Start a training; seconds until it tells of its first step.

    Raises:
        ExperimentError: it failed, or takes too long.
    """
    started = time.monotonic()
    client.train_start(MODEL, {})
    while time.monotonic() - started < PATIENCE:
        stats = client.info()["train_stats"][MODEL]
        if stats.get("step", 0) >= 1:
            return time.monotonic() - started
        if stats.get("phase") == "failed":
            raise ExperimentError(f"The training failed: {stats.get('error')}")
        time.sleep(0.1)
    raise ExperimentError(f"The training reported no step within {PATIENCE:.0f} s.")


def measure_training(folder: Path, sizes: Sizes, images: Path | None, seed: int) -> list[Row]:
    """From the press on Train to the first step, and how quick the server answers meanwhile."""
    studies = folder / "training"
    if images:
        take(studies, images, LABELLED + 1, sizes.volumes)
    else:
        generate(studies, sizes.volumes, HIPPOCAMPUS, seed)
    volumes = sum(each.is_file() for each in studies.iterdir())
    label_some(studies, LABELLED)
    with running(studies, labels=CLASSES, seed=seed) as server:
        first = first_step(server.client)
        info = seconds_of(server.client.info, sizes.requests, pause=0.2)
        following = seconds_of(lambda: server.client.next_sample(STRATEGY, {}), sizes.requests, pause=0.2)
        if server.client.info()["train_stats"][MODEL]["phase"] != "training":
            raise ExperimentError("The training ended before the latencies were measured; give larger volumes.")
        server.client.train_stop()
    what = f"Train pressed → first step reported, {volumes} volumes, {LABELLED} labelled"
    return [
        Row(what, f"{first:.1f} s", "≤ 20 s", first, 20.0),
        latency("/info while training", info, 0.2),
        latency("Next case while training", following, 0.2),
    ]


def measure_store(folder: Path, sizes: Sizes, images: Path | None, seed: int) -> list[Row]:
    """Start of the server and next case in a store of many images, before and after a model has scored them."""
    studies = folder / "store"
    generate(studies, sizes.images, TINY, seed)
    name = f"{sizes.images:,} images"
    with running(studies, labels=CLASSES) as server:
        rows = [Row(f"Start of the server, {name}, first time", f"{server.start_seconds:.1f} s")]
    workspace = Workspace(studies / ".fewlabel")
    with running(studies, labels=CLASSES) as server:
        rows.append(Row(f"Start of the server, {name}, known", f"{server.start_seconds:.1f} s"))
        ask = lambda: server.client.next_sample(STRATEGY, {})  # noqa: E731
        rows.append(latency(f"Next case, {name}, just started", seconds_of(ask, sizes.large_requests), 0.1))
        random = np.random.default_rng(seed)
        cases = {f"case_{number:05d}": scored(random, CLASSES.split(",")) for number in range(sizes.images)}
        write_json(workspace.scores, {"version": 1, "done": len(cases), "of": len(cases), "cases": cases})
        rows.append(latency(f"Next case, {name}, all scored", seconds_of(ask, sizes.large_requests), 0.1))
        batch = lambda: server.client.next_sample(STRATEGY, {"count": 10})  # noqa: E731
        rows.append(latency(f"Ten cases at once, {name}, all scored", seconds_of(batch, sizes.large_requests), 0.5))
        rows.append(latency(f"/info, {name}", seconds_of(server.client.info, sizes.large_requests), 0.2))
    return rows


def measure_scoring(folder: Path, sizes: Sizes, images: Path | None, seed: int) -> list[Row]:
    """Cases scored per second, by two networks of the preset of this computer, reading included."""
    studies = folder / "scoring"
    if images:
        take(studies, images, 1, sizes.scored)
    else:
        generate(studies, sizes.scored, HIPPOCAMPUS, seed)
    return [scoring_row(studies, folder / "scores.json", CLASSES.split(","), seed)]


def measure_ranking(folder: Path, sizes: Sizes, images: Path | None, seed: int) -> list[Row]:
    """Seconds that each strategy takes to rank a pool of scored cases."""
    return ranking_rows(folder, sizes.images, sizes.large_requests, CLASSES.split(","), seed)


def measure_label_all(folder: Path, sizes: Sizes, images: Path | None, seed: int) -> list[Row]:
    """Memory and requests while Label all predicts a pool, killed at its half."""
    return label_all_rows(folder, sizes.proposed, CLASSES, seed, TINY)


def memory_of_children(process: int) -> float:
    """Resident MiB of all processes below this one."""
    total = 0
    for child in psutil.Process(process).children(recursive=True):
        with suppress(psutil.Error):
            total += child.memory_info().rss
    return total / 2**20


def peak_of_training(studies: Path, steps: int, seed: int) -> tuple[float, int]:
    """Peak MiB of one whole training, its children included, and how many unlabelled volumes it read."""
    conf = {"max_steps": steps, "max_minutes": 30, "patch": "32,32,32", "scoring_minutes": 0.1, "seed": seed}
    with running(studies, labels=CLASSES, **conf) as server:
        task, peak = server.client.train_start(MODEL, {}), 0.0
        while task["status"] in ("SUBMITTED", "RUNNING"):
            peak = max(peak, memory_of_children(server.process.pid))
            time.sleep(0.05)
            task = server.client.train_status()
        stats = server.client.info()["train_stats"][MODEL]
    if stats.get("phase") != "done":
        raise ExperimentError(f"The training ended as '{stats.get('phase')}': {stats.get('error')}")
    return peak, stats["unlabelled_read"]


def measure_memory(folder: Path, sizes: Sizes, images: Path | None, seed: int) -> list[Row]:
    """Peak memory of training with a small and a large pool of the same volumes, for the same steps."""
    peaks, rows = [], []
    size = "×".join(map(str, LARGE))
    for count in sizes.pools:
        studies = folder / f"pool_{count}"
        generate(studies, count, LARGE, seed)
        label_some(studies, LABELLED)
        say(f"  training {sizes.steps} steps with {count} volumes")
        peak, read = peak_of_training(studies, sizes.steps, seed)
        peaks.append(peak)
        what = f"Peak memory of training, {count} volumes of {size}, {LABELLED} labelled, {sizes.steps} steps"
        rows.append(Row(what, f"{peak:.0f} MiB ({read} unlabelled volumes read)"))
    ratio = peaks[1] / peaks[0]
    rows.append(Row(f"The same, {sizes.pools[1]} to {sizes.pools[0]}", f"{ratio:.2f}", "≤ 1.10", ratio, 1.1))
    return rows


def bench(only: Sequence[str], quick: bool, images: Path | None, seed: int) -> str:
    """Measure and tell in Markdown.

    Raises:
        ExperimentError: a server or a training did not do its work.
    """
    about = f"{machine()}; seed {seed}" + ("; QUICK: small numbers, the targets are not for these" if quick else "")
    sizes, rows = QUICK if quick else Sizes(), []
    measurements = {
        "training": measure_training,
        "store": measure_store,
        "scoring": measure_scoring,
        "ranking": measure_ranking,
        "memory": measure_memory,
        "label_all": measure_label_all,
    }
    with tempfile.TemporaryDirectory(prefix="fewlabel-bench-") as folder:
        for name in only:
            say(f"measuring: {name}")
            rows += measurements[name](Path(folder), sizes, images, seed)
    return f"{about}\n\n{table(rows)}"
