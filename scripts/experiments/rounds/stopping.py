"""Is the advice on when to stop labelling right? On rounds that were played to their end.

After each round the product's own estimate is made from the history of corrections that the round had by then. The
labels that came after the first advice to stop would have been saved; what they were worth is known here.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.comparison.table import row
from experiments.rounds.simulate import Annotation
from fewlabel.review.stopping import expected_gain, is_hardly_worth_it
from fewlabel.wording import amount

NEAR = 0.005  # of Dice, to the end of the run: no loss

_HEAD = (
    "data",
    "method, strategy",
    "runs",
    "advised to stop",
    f"of these within {NEAR:g} of the end",
    "labels saved",
    "most Dice lost",
    "runs that could have stopped",
    "labels that could have been saved",
)


@dataclass(frozen=True)
class Played:
    """What the advice would have done in one run.

    Attributes:
        name: of the data, and of the method and strategy.
        last: labels in the end.
        stop: labels at the first advice to stop, where it came before the end.
        lost: Dice of the end minus Dice at that advice.
        enough: the first number of labels from which on the Dice is never more than NEAR below that of the end.
    """

    name: tuple[str, str]
    last: int
    stop: int | None
    lost: float
    enough: int


def stopping_table(folders: Sequence[Path]) -> str:
    """A line for each method and strategy of these outputs of ``rounds --seconds``, and one sentence of them all."""
    played = [each for folder in folders for each in read_played(folder)]
    if not played:
        return "There is no run that is over and has a history of corrections: play some with rounds --seconds."
    lines = [row(_HEAD), "|" + "---|" * len(_HEAD)]
    for name in sorted({each.name for each in played}):
        lines.append(_line(name, [each for each in played if each.name == name]))
    return "\n".join([*lines, "", _sentence(played)])


def read_played(folder: Path) -> list[Played]:
    """The runs of a folder that are over."""
    experiment = json.loads((folder / "experiment.json").read_text(encoding="utf-8"))
    outcomes = [json.loads(file.read_text(encoding="utf-8")) for file in sorted((folder / "outcomes").glob("*.json"))]
    data = Path(experiment["data"]).name
    return [judge(data, each) for each in outcomes if each.get("whole") and each.get("history")]


def judge(data: str, outcome: dict[str, Any]) -> Played:
    """Replay one outcome of ``rounds --seconds``: the advice is asked for at each round that was measured."""
    rounds = [each for each in outcome["rounds"] if "dice" in each]
    dice = {each["labels"]: each["dice"] for each in rounds}
    last = max(dice)
    stop = next((each["labels"] for each in rounds[:-1] if _says_stop(outcome["history"], each["labelled"])), None)
    poor = [labels for labels, value in dice.items() if value < dice[last] - NEAR]
    enough = min(labels for labels in dice if labels > max(poor, default=0))
    lost = math.nan if stop is None else dice[last] - dice[stop]
    return Played((data, Annotation.of(outcome["row"]).name), last, stop, lost, enough)


def _says_stop(history: Sequence[dict[str, Any]], labelled: Sequence[str]) -> bool:
    """What the server says when these are labelled."""
    known = set(labelled)
    return is_hardly_worth_it(expected_gain([entry for entry in history if entry["case"] in known]))


def _line(name: tuple[str, str], runs: Sequence[Played]) -> str:
    stopped = [run for run in runs if run.stop is not None]
    could = [run for run in runs if run.enough < run.last]
    return row(
        [
            *name,
            str(len(runs)),
            str(len(stopped)),
            str(sum(run.lost <= NEAR for run in stopped)),
            _mean([run.last - run.stop for run in stopped if run.stop is not None]),
            f"{max(run.lost for run in stopped):+.3f}" if stopped else "",
            str(len(could)),
            _mean([run.last - run.enough for run in could]),
        ]
    )


def _mean(values: Sequence[int]) -> str:
    return f"{statistics.fmean(values):.1f}" if values else ""


def _sentence(runs: Sequence[Played]) -> str:
    stopped = [run for run in runs if run.stop is not None]
    said = f"In {amount(len(runs), 'run')} the advice to stop came before the end in {len(stopped)}"
    if not stopped:
        return f"{said}: it would have saved nothing and cost nothing."
    right = sum(run.lost <= NEAR for run in stopped)
    saved = [run.last - run.stop for run in stopped if run.stop is not None]
    share = sum(saved) / sum(run.last for run in stopped)
    return (
        f"{said}, {right} of these within {NEAR:g} Dice of the end; there it saved {statistics.fmean(saved):.1f} "
        f"labels on average ({share:.0%})."
    )
