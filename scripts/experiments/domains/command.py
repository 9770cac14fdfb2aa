"""The command ``experiment.py domains``: run what has no line yet, give the tables."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from experiments.domains.report import report
from experiments.domains.rows import LEAST_GAP, Lines, Row, references, rows_of
from experiments.domains.runs import drawn_for, experiment_of, run
from experiments.domains.tasks import GENERATED, MSD, OASIS, TASKS, Task, make_tasks
from experiments.speed.table import machine
from fewlabel.devices import choose_device
from fewlabel.volumes.reading import read_label


def domains(options: argparse.Namespace, say: Callable[[str], None]) -> str:
    """Run what is missing, one run after the other; each is written as soon as it has ended.

    Raises:
        UnusableData: the options or the data cannot work; the message says why.
    """
    names = options.tasks or (GENERATED if options.root is None else TASKS)
    device, threads = choose_device(options.device), options.threads or torch.get_num_threads()
    same = {"seconds": options.seconds, "steps_given": options.steps, "network": options.network, "threads": threads}
    lines = Lines(options.output, same)
    tasks = make_tasks(names, options.output / "data", options.root, options.network)
    torch.set_num_threads(threads)
    for task, row in [] if options.report_only else _missing(tasks, options, lines):
        experiment = experiment_of(task, options.seconds, options.steps, device, threads)
        say(f"{task.name}: {row.name}, seed {row.seed}")
        copied = _same_run(task, row, tasks, lines)
        lines.add(task.name, row, copied or run(task, row, experiment, options.output / "running"))
        say(f"{task.name}: {row.name}, seed {row.seed}: Dice {float(lines.lines[-1]['dice']):.3f}")
    return "\n\n".join([_heading(options, threads), *_sizes(tasks), report(tasks, lines)])


def _missing(tasks: Sequence[Task], options: argparse.Namespace, lines: Lines) -> Iterator[tuple[Task, Row]]:
    """The references of all tasks first, then the methods on those whose references differ enough."""
    for seed in options.seeds:
        wanted = [(task, row) for task in tasks for row in references(seed)]
        wanted += [(task, row) for task in tasks for row in rows_of(options.methods, seed)]
        for task, row in wanted:
            gap = lines.gap(task.name)
            dropped = row not in references(seed) and gap is not None and gap < LEAST_GAP
            if not dropped and lines.find(task.name, row.name, row.seed) is None:
                yield task, row


def _same_run(task: Task, row: Row, tasks: Sequence[Task], lines: Lines) -> dict[str, Any]:
    """What came out of the very same run of another task: two tasks of one target share ``target-supervised``."""
    for other in tasks:
        line = lines.find(other.name, row.name, row.seed)
        same = (drawn_for(task, row), task.cases.test) == (drawn_for(other, row), other.cases.test)
        if line is not None and row.on_target and same:
            return {name: value for name, value in line.items() if name not in {"task", "name", "method", "seed"}}
    return {}


def _heading(options: argparse.Namespace, threads: int) -> str:
    each = f"{options.steps} steps" if options.steps else f"{options.seconds:g} seconds of a core"
    return (
        f"{each} a run, `{options.network}`, {threads} thread(s), last weights, measured on test scans of the target; "
        f"†: one seed. {machine()}."
    )


def _sizes(tasks: Sequence[Task]) -> list[str]:
    """How much larger the structures of OASIS are: a difference of the rules, which no adaptation can know."""
    real = [task for task in tasks if OASIS in task.sampling.domain_of.values()]
    if not real:
        return []
    labels = {case: path for task in real for case, path in task.cases.labels.items()}
    oasis = [path for case, path in labels.items() if real[0].sampling.domain_of[case] == OASIS]
    others = [path for case, path in labels.items() if real[0].sampling.domain_of[case] != OASIS]
    means = [_mean_volume(paths) for paths in (oasis, others)]
    return [
        f"Mean volume of a hippocampus in the labels: {OASIS} {means[0]:.0f} mm³, {MSD} {means[1]:.0f} mm³, "
        f"{means[0] / means[1]:.2f} times as large: a part of the difference is one of the rules of drawing."
    ]


def _mean_volume(labels: Sequence[Path]) -> float:
    volumes = [read_label(path) for path in labels]
    return float(np.mean([(each.array > 0).sum() * np.prod(each.spacing) for each in volumes]))
