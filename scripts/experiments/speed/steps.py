"""What one training step of each method costs: time, memory, parameters, and waits of the host for the device.

A step is all that a training does in it: the crops are made, the method learns, the optimiser moves the weights. On a
CPU with one thread, seconds are those of a core at work, the threads that make crops counted; else those of the clock.
"""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from monai.utils import set_determinism
from torch.profiler import ProfilerActivity, profile

from experiments.comparison.table import row
from experiments.harness.say import say
from experiments.speed.crops import made_up_loader
from experiments.speed.table import machine
from fewlabel.data.loaders import Batch
from fewlabel.methods import METHODS, make_method
from fewlabel.methods.base import Method, total
from fewlabel.networks import find, partner
from fewlabel.plan import Plan

HOST_WAITS = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::is_nonzero", "Memcpy DtoH")
_CLASSES = 3
_GRADIENT_NORM = 12.0  # as the trainer clips it
_PERIOD = 6  # steps after which every method has done each of its turns
_HEAD = (
    "| method | s/step | × supervised | × supervised on as many crops | memory, GiB | parameters trained, deployed | "
    "host waits |"
)


@dataclass(frozen=True)
class Case:
    """One measurement; ``batch`` is the number of labelled, and of unlabelled crops in a step."""

    method: str
    network: str
    patch: tuple[int, int, int]
    batch: int
    device: str
    threads: int
    periods: int
    teacher: str = "live"


@dataclass(frozen=True)
class Cost:
    """Median seconds of a step, peak GiB (of the device, or of the process on a CPU), parameters, waits per step."""

    seconds: float
    memory: float
    trained: int
    deployed: int
    waits: float


def steps_table(
    methods: Sequence[str],
    network: str,
    patch: tuple[int, int, int],
    batch: int,
    device: str,
    threads: int,
    quick: bool,
) -> str:
    """Measure each method, in a process of its own, with all its terms at full weight; a Markdown table."""
    case = partial(Case, network=network, patch=patch, device=device, threads=threads, periods=1 if quick else 4)
    floor, same = (measure_apart(case("supervised", batch=crops)) for crops in (batch, 2 * batch))
    lines = [_HEAD, "|" + "---|" * (_HEAD.count("|") - 1)]
    lines.append(_line("supervised", floor, floor, same))
    lines.append(_line("supervised, as many crops as the others", same, floor, same))
    for name in methods:
        if name == "supervised":
            continue
        for teacher in ("live", "cached") if METHODS[name].takes_cached else ("live",):
            shown = name if teacher == "live" else f"{name}, cached teacher"
            say(f"measuring a step of {shown}")
            lines.append(_line(shown, measure_apart(case(name, batch=batch, teacher=teacher)), floor, same))
    sides = "×".join(map(str, patch))
    of = f"crops {sides}, {batch} labelled + {batch} unlabelled, {device}, {threads} threads"
    heading = f"One step of `{network}`, {of}"
    return f"{heading}. {machine()}.\n\n" + "\n".join(lines)


def measure_apart(case: Case) -> Cost:
    """The cost of one case, measured in a fresh process, whose peak memory is then its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(measure, (case,))


def measure(case: Case) -> Cost:
    """The cost of one case, in this process."""
    torch.set_num_threads(case.threads)
    set_determinism(0)  # as in the product: on a GPU it chooses other kernels
    builders = (partial(find(name), _CLASSES) for name in (case.network, partner(case.network)))
    taught = {"teacher": case.teacher} if case.teacher != "live" else {}
    method = make_method(case.method, *builders, _CLASSES, **taught).to(case.device).train()
    method = method.to(memory_format=torch.channels_last_3d)
    optimiser = torch.optim.AdamW([each for each in method.parameters() if each.requires_grad], lr=1e-4)
    names = tuple(f"class {value}" for value in range(1, _CLASSES))
    plan = Plan((1.0, 1.0, 1.0), case.patch, "meanstd", None, case.network, case.batch, names)
    amp = case.device.startswith("cuda")
    with tempfile.TemporaryDirectory() as folder:
        batches = iter(made_up_loader(Path(folder), method, plan))

        def step() -> None:
            _step(method, optimiser, *_on_device(next(batches), case.device), amp)

        for _ in range(2 * _PERIOD):  # the scans are read in the first ones
            step()
        seconds = [_seconds_of(step, case) for _ in range(case.periods)]
        fixed = _on_device(next(batches), case.device)
        batches.close()
    return Cost(
        statistics.median(seconds),
        _memory(case.device),
        sum(each.numel() for each in method.parameters() if each.requires_grad),
        sum(each.numel() for each in method.deployed.parameters()),
        host_waits(partial(_step, method, None, *fixed, amp)) / _PERIOD,
    )


def _seconds_of(step: Callable[[], None], case: Case) -> float:
    """Of one step, mean over a period; see the top of the file."""
    clock = time.process_time if case.device == "cpu" and case.threads == 1 else time.perf_counter
    _wait(case.device)
    begun = clock()
    for _ in range(_PERIOD):
        step()
    _wait(case.device)
    return (clock() - begun) / _PERIOD


def _on_device(batch: Batch, device: str) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor] | None]:
    labelled = {key: value.to(device) for key, value in batch["labelled"].items()}
    if batch["unlabelled"] is None:
        return labelled, None
    return labelled, {key: value.to(device) for key, value in batch["unlabelled"].items()}


def _step(
    method: Method, optimiser: torch.optim.Optimizer | None, labelled: dict, unlabelled: dict | None, amp: bool
) -> None:
    """All after the crops; without an optimiser all but its part, whose counters live on the host."""
    with torch.autocast("cuda", torch.bfloat16, enabled=amp):
        loss = total(method.step(labelled, unlabelled, 1.0), method.weights(1.0))
    loss.backward()
    if optimiser is not None:
        trained = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        torch.nn.utils.clip_grad_norm_(trained, _GRADIENT_NORM)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    method.after_step(1.0)


def host_waits(step: partial) -> int:
    """How often the host needs a value of the device in one period of steps."""
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])
    with profile(activities=activities) as profiled:
        for _ in range(_PERIOD):
            step()
    return sum(event.count for event in profiled.key_averages() if event.key.startswith(HOST_WAITS))


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def _memory(device: str) -> float:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _line(name: str, cost: Cost, floor: Cost, same: Cost) -> str:
    parameters = f"{cost.trained / 1e6:.2f} M, {cost.deployed / 1e6:.2f} M"
    times = (f"{cost.seconds / each.seconds:.2f}" for each in (floor, same))
    return row([name, f"{cost.seconds:.3f}", *times, f"{cost.memory:.2f}", parameters, f"{cost.waits:g}"])
