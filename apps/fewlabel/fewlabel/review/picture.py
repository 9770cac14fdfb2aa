"""The history of corrections as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fewlabel.review.stopping import MORE, at, expected_gain
from fewlabel.workspace import replace_file


def history_picture(history: Sequence[dict[str, Any]], file: str | Path) -> dict[str, Any]:
    """Plot the Dice of first submissions against the number of labels that the model was trained on.

    Args:
        history: entries of :class:`fewlabel.review.history.History`; may be empty.
        file: picture to write; its suffix is the format (.png, .svg).

    Returns:
        The result of :func:`fewlabel.review.stopping.expected_gain`.

    Raises:
        Refusal: (507) the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # slow to import, and rarely needed
    from matplotlib.figure import Figure

    found = expected_gain(history)
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    if found["points"]:
        axes.plot(*np.transpose(found["points"]), "o", color="#4d9de0", alpha=0.7, label=f"{found['source']} Dice")
    if "curve" in found:
        _draw_curve(axes, found)
    axes.set(xlabel="labels that the model was trained on", ylabel="mean Dice", ylim=(0, 1))
    axes.set_title(found["advice"], fontsize="x-small", wrap=True)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right")
    suffix = Path(file).suffix[1:] or "png"
    replace_file(Path(file), lambda temporary: figure.savefig(temporary, format=suffix, dpi=110))
    return found


def _draw_curve(axes: Any, found: dict[str, Any]) -> None:
    curve, now = np.array([list(found["curve"].values())]), found["labels"]
    numbers = np.linspace(min(n for n, _ in found["points"]), now + MORE, 100)
    axes.plot(numbers, at(curve, numbers)[0], color="#1c2330", label="fitted curve")
    expected = found["expected_now"] + found["gain"]
    reach = [[found["gain"] - found["low"]], [found["high"] - found["gain"]]]
    axes.errorbar([now + MORE], [expected], reach, fmt="s", color="#e4572e", capsize=4, label=f"{MORE} more, 90 %")
