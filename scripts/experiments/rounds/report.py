"""What the simulated annotators reached, as a table and a picture."""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.comparison.outcomes import as_text
from experiments.comparison.table import row, spread
from experiments.harness.picture import lines_over
from fewlabel.workspace import replace_file

Curve = dict[int, dict[int, float]]  # seed -> labels -> mean Dice


def read_curves(folder: Path) -> dict[str, Curve]:
    """Mean Dice by name of the run, seed and number of labels."""
    curves: dict[str, Curve] = {}
    for outcome in read_all(folder):
        line = {each["labels"]: each["dice"] for each in outcome["rounds"] if "dice" in each}
        curves.setdefault(_name(outcome["row"]), {})[outcome["row"]["seed"]] = line
    return curves


def _name(values: dict[str, Any]) -> str:
    return f"{values['method']}, {values['strategy']}"


def read_all(folder: Path) -> list[dict[str, Any]]:
    """Every outcome of a folder, in the order of their files' names."""
    return [json.loads(file.read_text(encoding="utf-8")) for file in sorted((folder / "outcomes").glob("*.json"))]


def area(line: dict[int, float]) -> float:
    """Area under the curve over the logarithm of the number of labels, divided by its width: a mean Dice."""
    sizes = sorted(line)
    if len(sizes) < 2:
        return line[sizes[0]]
    logs = np.log2(sizes)
    return float(np.trapz([line[size] for size in sizes], logs) / (logs[-1] - logs[0]))


def labels_needed(line: dict[int, float], target: float) -> float:
    """Labels at which a curve first reaches a Dice, between rounds by the logarithm; infinite if it never does."""
    sizes = sorted(line)
    if line[sizes[0]] >= target:
        return float(sizes[0])
    for low, high in itertools.pairwise(sizes):
        if line[high] >= target:
            share = (target - line[low]) / (line[high] - line[low])
            return float(2 ** (math.log2(low) + share * (math.log2(high) - math.log2(low))))
    return math.inf


def rounds_table(curves: dict[str, Curve], reference: str) -> str:
    """Dice after each round, area, and labels needed for what ``reference`` reaches in the end, as Markdown."""
    sizes = sorted({size for curve in curves.values() for line in curve.values() for size in line})
    head = ["method, strategy", *(f"Dice with {size}" for size in sizes), "area", f"labels for {reference}'s last Dice"]
    lines = [row(head), "|" + "---|" * len(head)]
    target = _means(curves[reference])[sizes[-1]] if reference in curves else math.inf
    for name, curve in sorted(curves.items()):
        cells = [spread(*over_seeds([line[size] for line in curve.values() if size in line])) for size in sizes]
        needed = labels_needed(_means(curve), target)
        areas = spread(*over_seeds([area(line) for line in curve.values()]))
        lines.append(row([name, *cells, areas, "not reached" if math.isinf(needed) else f"{needed:.1f}"]))
    return "\n".join(lines)


def _means(curve: Curve) -> dict[int, float]:
    sizes = sorted({size for line in curve.values() for size in line})
    return {size: statistics.fmean(line[size] for line in curve.values() if size in line) for size in sizes}


def over_seeds(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation; NaN for the latter where there is one value."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else math.nan


def draw_rounds(curves: dict[str, Curve], file: Path) -> None:
    """Mean Dice over the number of labels, with the standard deviation over the seeds."""
    with lines_over(file, "labelled cases", "mean Dice on the test cases") as axis:
        for number, (name, curve) in enumerate(sorted(curves.items())):
            means = _means(curve)
            deviations = [over_seeds([line[size] for line in curve.values() if size in line])[1] for size in means]
            shifted = [size * (1 + 0.015 * number) for size in means]  # so that bars do not hide each other
            axis.errorbar(shifted, list(means.values()), np.nan_to_num(deviations), marker="o", capsize=3, label=name)
        axis.set_xscale("log", base=2)
        sizes = sorted({size for curve in curves.values() for size in _means(curve)})
        axis.set_xticks(sizes, [str(size) for size in sizes])


def write_rounds_csv(folder: Path) -> None:
    """``rounds.csv``: a line for each round of each run."""
    lines = [
        {**{key: outcome["row"][key] for key in ("method", "strategy", "seed")}, **_flat(each)}
        for outcome in read_all(folder)
        for each in outcome["rounds"]
        if "dice" in each
    ]
    if not lines:
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, lines[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    replace_file(folder / "rounds.csv", lambda path: path.write_text(text.getvalue(), encoding="utf-8"))


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in values.items() if not isinstance(value, dict)}
    return {key: as_text(" ".join(value) if isinstance(value, list) else value) for key, value in shown.items()}
