"""Outcomes as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib import pyplot as plt

from experiments.comparison.outcomes import Group, ablation
from experiments.comparison.rows import CEILING, FLOOR
from experiments.harness.picture import save


def draw_methods(groups: Sequence[Group], file: Path) -> None:
    """Mean Dice of each method, each seed as a dot, the standard deviation as a bar; floor and ceiling as lines."""
    shown = [group for group in groups if group.part == "methods" and group.name != CEILING]
    counts = sorted({group.labelled for group in shown})
    if not counts:
        return
    ceiling = next((group for group in groups if group.name == CEILING), None)
    figure, axes = plt.subplots(1, len(counts), figsize=(5 * len(counts), 4), sharey=True, squeeze=False)
    for count, axis in zip(counts, axes[0], strict=True):
        of_count = [group for group in shown if group.labelled == count]
        _bars(axis, of_count)
        for group, style in ((next((g for g in of_count if g.name == FLOOR), None), ":"), (ceiling, "--")):
            if group:
                axis.axhline(group.spread("dice")[0], linestyle=style, color="grey", linewidth=1)
        axis.set_title(f"{count} labelled cases (dotted: labels only; dashed: all labels)", fontsize=9)
    axes[0][0].set_ylabel("mean Dice on the test cases")
    save(figure, file)


def draw_ablations(groups: Sequence[Group], method: str, file: Path) -> None:
    """What each module adds: the Dice that is lost without it, over the seeds."""
    whole, without = ablation(groups, method)
    figure, axis = plt.subplots(figsize=(6, 0.45 * len(without) + 1))
    gains = [group.gain(whole) for group in without]
    names = [group.name.partition(" without ")[2] for group in without]
    axis.errorbar([mean for mean, _ in gains], names, xerr=[sd for _, sd in gains], fmt="o", capsize=3)
    axis.axvline(0, color="grey", linewidth=1)
    axis.invert_yaxis()
    axis.set_xlabel(f"Dice of {method} without the module, minus Dice with it")
    save(figure, file)


def _bars(axis: plt.Axes, groups: Sequence[Group]) -> None:
    for column, group in enumerate(groups):
        mean, deviation = group.spread("dice")
        axis.errorbar(column, mean, deviation, fmt="o", capsize=4, color="tab:blue")
        dots = [run["dice"] for run in group.runs.values()]
        axis.plot([column + 0.15] * len(dots), dots, ".", color="grey", markersize=4)
    axis.set_xticks(range(len(groups)), [group.name for group in groups], rotation=40, ha="right", fontsize=8)
