"""Outcomes as Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments.comparison.outcomes import Group, ablation
from experiments.comparison.rows import CEILING, FLOOR, RADIOLOGY

_HEAD = (
    "| labelled | method | Dice | against the floor | share of the gap | Jaccard | 95HD, mm | ASD, mm | empty | "
    "steps | s/step | memory, GiB | parameters trained / deployed, M |"
)
_ABLATION_HEAD = "| | Dice | against the whole method | 95HD, mm | s/step |"


def methods_table(groups: Sequence[Group]) -> str:
    """Floor, methods, ceiling and MONAI Label's recipe, for each number of labelled cases.

    ``share of the gap``: of the mean difference between ceiling and floor that the method closes.
    """
    shown = [group for group in groups if group.part == "methods"]
    counts = sorted({group.labelled for group in shown if group.labelled is not None})
    ceiling = next((group for group in shown if group.name == CEILING), None)
    lines = [_HEAD, _rule(_HEAD)]
    for count in counts:
        of_count = [group for group in shown if group.labelled == count]
        floor = next((group for group in of_count if group.name == FLOOR), None)
        ordered = sorted(of_count, key=lambda group: (group.name != FLOOR, group.name == RADIOLOGY))
        lines += [_line(group, floor, ceiling) for group in ordered]
    if ceiling:
        lines.append(_line(ceiling, None, None))
    return "\n".join(lines)


def ablation_table(groups: Sequence[Group], method: str) -> str:
    """A method and the same without each of its modules; differences are taken seed by seed."""
    whole, without = ablation(groups, method)
    lines = [_ABLATION_HEAD, _rule(_ABLATION_HEAD)]
    for group in (whole, *without):
        gain = "" if group is whole else signed(*group.gain(whole))
        cells = [group.name, spread(*group.spread("dice")), gain, spread(*group.spread("hausdorff95"), digits=2)]
        lines.append(row([*cells, f"{group.spread('seconds_per_step')[0]:.2f}"]))
    return "\n".join(lines)


def _line(group: Group, floor: Group | None, ceiling: Group | None) -> str:
    gain = share = ""
    if floor is not None and group is not floor:
        gain = signed(*group.gain(floor))
        gap = ceiling.gain(floor)[0] if ceiling else math.nan
        share = f"{group.gain(floor)[0] / gap:.0%}" if gap > 0 else ""
    one = next(iter(group.runs.values()))
    return row(
        [
            "all" if group.labelled is None else str(group.labelled),
            group.name,
            spread(*group.spread("dice")),
            gain,
            share,
            spread(*group.spread("jaccard")),
            spread(*group.spread("hausdorff95"), digits=2),
            spread(*group.spread("surface_distance"), digits=2),
            str(sum(run["empty"] for run in group.runs.values())),
            f"{group.spread('steps')[0]:.0f}",
            f"{group.spread('seconds_per_step')[0]:.2f}",
            f"{max(run['peak_memory'] for run in group.runs.values()):.2f}",
            f"{one['parameters_trained'] / 1e6:.2f} / {one['parameters_deployed'] / 1e6:.2f}",
        ]
    )


def spread(mean: float, deviation: float, digits: int = 3) -> str:
    """``mean ± standard deviation``; the mean alone where there is one value only."""
    return f"{mean:.{digits}f}" + ("" if math.isnan(deviation) else f" ± {deviation:.{digits}f}")


def signed(mean: float, deviation: float) -> str:
    """The same for differences, with the sign of the mean."""
    return ("+" if mean >= 0 else "") + spread(mean, deviation)


def row(cells: Sequence[str]) -> str:
    """One line of a table."""
    return f"| {' | '.join(cells)} |"


def _rule(head: str) -> str:
    return "|" + "---|" * (head.count("|") - 1)
