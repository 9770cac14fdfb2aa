"""Plots of experiments, drawn without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt


@contextmanager
def lines_over(file: Path, x: str, y: str) -> Iterator[plt.Axes]:
    """A plot to draw labelled curves into, which is then written to a file.

    Args:
        file: its extension is the format.
        x, y: names of the axes.
    """
    figure, axis = plt.subplots(figsize=(7, 4.5))
    yield axis
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.legend(fontsize=8)
    save(figure, file)


def save(figure: plt.Figure, file: Path) -> None:
    """Write a figure, and forget it."""
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    plt.close(figure)
