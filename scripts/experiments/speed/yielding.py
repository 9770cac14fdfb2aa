"""What people wait for while the server trains by itself, beside what they wait for when it does not."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from experiments.harness.clinician import MODEL, STRATEGY
from experiments.harness.say import say
from experiments.harness.server import Server
from experiments.speed.ongoing import LABELLED, cases_of, said, training, trainings, wait_for
from experiments.speed.study import label_some
from experiments.speed.table import Row, typical

SLOWER, UPDATED, TAKEN_IN = 1.3, 20.0, 60.0  # the most that it should be: a ratio, and seconds

Ask = Callable[[str], object]


def measure_yielding(folder: Path, pairs: int, images: Path | None, seed: int) -> list[Row]:
    """Requests of each kind in pairs, with the training at work and with its process suspended; and how it goes on.

    A suspended process takes no processor and keeps its memory, so that both of a pair are asked within seconds.

    Raises:
        ExperimentError: a training does not begin, or fails.
    """
    studies, choice, rows = folder / "yielding", random.Random(seed), []
    with training(studies, images, seed) as server:
        for kind, ask in _kinds(server).items():
            say(f"  {kind}, {pairs} pairs")
            rows += _compare(kind, _pairs(ask, server, cases_of(studies), pairs, choice))
        return [*rows, _updated(server), _taken_in(server, studies)]


def _kinds(server: Server) -> dict[str, Ask]:
    """What is asked for, of a case."""
    client = server.client

    def infer(model: str, case: str) -> None:
        file, _ = client.infer(model, case, {"result_extension": ".nrrd"})
        Path(file).unlink()

    return {
        "/infer": lambda case: infer(MODEL, case),
        "map of uncertainty": lambda case: infer(f"{MODEL}_uncertainty", case),
        "next case": lambda case: client.next_sample(STRATEGY, {}),
    }


def _pairs(ask: Ask, server: Server, cases: list[str], pairs: int, choice: random.Random) -> list[tuple[float, float]]:
    """Seconds of each request (while nothing trains, while it trains), in either order."""
    ask(cases[-1])  # the first one of a kind loads what it needs
    found = []
    for number in range(pairs):
        case, seconds = cases[number % len(cases)], {}
        for suspends in choice.sample([True, False], 2):
            time.sleep(choice.uniform(0.5, 1.5))  # any moment of a step
            with _suspended(server) if suspends else _at_work():
                started = time.perf_counter()
                ask(case)
                seconds[suspends] = time.perf_counter() - started
        found.append((seconds[True], seconds[False]))
    return found


@contextmanager
def _at_work() -> Iterator[None]:
    yield


@contextmanager
def _suspended(server: Server) -> Iterator[None]:
    """Within, the training does nothing."""
    processes = trainings(server)
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def _compare(kind: str, found: list[tuple[float, float]]) -> list[Row]:
    ratio = statistics.median(busy / idle for idle, busy in found)
    most = SLOWER if kind == "/infer" else None
    what, target = f"{kind}, the second to the first (median of pairs)", f"≤ {most:g}" if most else ""
    return [
        typical(f"{kind}, nothing trains", [idle for idle, _ in found], None),
        typical(f"{kind}, it trains by itself", [busy for _, busy in found], None),
        Row(what, f"{ratio:.2f}", target, ratio, most),
    ]


def _updated(server: Server) -> Row:
    """What the stock viewer does after each submission: it ends the training and starts it again."""
    say("  ends and starts the training, as the stock viewer does")
    step = said(server)["step"]
    server.client.train_stop()
    started = time.monotonic()
    server.client.train_start(MODEL, {})
    wait_for(server, lambda stats: stats["phase"] == "training" and stats["step"] > step)
    seconds = time.monotonic() - started
    what = "Auto-Update Model: from POST /train/ to a step beyond those before"
    return Row(what, f"{seconds:.1f} s", f"≤ {UPDATED:g} s", seconds, UPDATED)


def _taken_in(server: Server, studies: Path) -> Row:
    """From a label in the folder to the first step that may learn from it."""
    say("  a label comes")
    started = time.monotonic()
    label_some(studies, LABELLED + 1)
    wait_for(server, lambda stats: stats["labelled"] + len(stats["validation_cases"]) > LABELLED)
    seconds = time.monotonic() - started
    return Row("A label comes and is learned from", f"{seconds:.1f} s", f"≤ {TAKEN_IN:g} s", seconds, TAKEN_IN)
