"""What played days reached, as tables and a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from experiments.comparison.outcomes import Group, groups
from experiments.comparison.table import row, signed, spread
from experiments.day.rows import AFTER, WHILE, Day
from experiments.harness.picture import lines_over

Outcomes = Sequence[dict[str, Any]]


def clock_table(outcomes: Outcomes) -> str:
    """Both ways at the same minutes of the day, with the labels that there are then; differences seed by seed."""
    minutes = sorted({outcome["minutes"] for outcome in outcomes})
    return _table(
        "minute",
        [(f"{minute:g}", lambda each, minute=minute: each["minutes"] == minute) for minute in minutes],
        outcomes,
    )


def labels_table(outcomes: Outcomes) -> str:
    """Both ways when each label is submitted, each way at its own minute: what the server can do by then."""
    most = max(outcome["row"]["labelled"] for outcome in outcomes)
    return _table(
        "at label",
        [(str(number), lambda each, number=number: is_at(each, number)) for number in range(2, most + 1)],
        outcomes,
    )


def is_at(outcome: dict[str, Any], number: int) -> bool:
    """Whether it was measured when the label of this number was submitted."""
    values = {key: value for key, value in outcome["row"].items() if key not in ("name", "settings")}
    return abs(outcome["minutes"] - Day(**values).submitted(number)) < 1e-6


def _table(what: str, lines: Sequence[tuple[str, Callable[[dict[str, Any]], bool]]], outcomes: Outcomes) -> str:
    names = [way for way in (WHILE, AFTER) if any(outcome["row"]["way"] == way for outcome in outcomes)]
    head = [what, *(f"{part}{name}" for name in names for part in ("", "labels, ", "worst case, "))]
    head += ["difference"] if len(names) == 2 else []
    found = [row(head), "|" + "---|" * len(head)]
    for title, belongs in lines:
        of_way = {name: _group(outcomes, name, belongs) for name in names}
        if not any(of_way.values()):
            continue
        cells = [cell for group in of_way.values() for cell in _cells(group)]
        both = list(of_way.values())
        if len(names) == 2:
            cells.append(signed(*both[0].gain(both[1])) if all(both) else "")
        found.append(row([title, *cells]))
    return "\n".join(found)


def _group(outcomes: Outcomes, way: str, belongs: Callable[[dict[str, Any]], bool]) -> Group | None:
    return next(iter(groups([each for each in outcomes if each["row"]["way"] == way and belongs(each)])), None)


def _cells(group: Group | None) -> list[str]:
    if group is None:
        return ["", "", ""]
    runs = list(group.runs.values())
    worst = min(case["dice"] for run in runs for case in run["cases"] if case["dice"] is not None)
    labels = sorted({run["labels"] for run in runs})
    return [spread(*group.spread("dice")), "-".join(map(str, labels)), f"{worst:.3f}"]


def draw_days(outcomes: Outcomes, file: Path) -> None:
    """Mean Dice over the minutes of the day, each seed as a dot; dotted: when labels are submitted."""
    x = "minutes of the day (dotted: a label is submitted)"
    with lines_over(file, x, "mean Dice of the published model") as axis:
        for way, colour in ((WHILE, "tab:blue"), (AFTER, "tab:orange")):
            of_way = [each for each in outcomes if each["row"]["way"] == way]
            minutes = sorted({each["minutes"] for each in of_way})
            means = [_group(of_way, way, lambda each, at=at: each["minutes"] == at).spread("dice")[0] for at in minutes]
            axis.plot(minutes, means, color=colour, label=way)
            axis.plot([each["minutes"] for each in of_way], [each["dice"] for each in of_way], ".", color=colour)
            for number in range(1, of_way[0]["row"]["labelled"] + 1) if of_way else ():
                submitted = next((each["minutes"] for each in of_way if is_at(each, number)), None)
                if submitted is not None:
                    axis.axvline(submitted, color=colour, linestyle=":", linewidth=0.6)
