"""What a strategy gains over cases drawn at random, in rounds of one training that goes on; seed by seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy import stats

from experiments.comparison.table import row, spread
from experiments.rounds.kinds import rare
from experiments.rounds.report import area, labels_needed, over_seeds, read_all
from experiments.rounds.simulate import Annotation

_AT_RANDOM = ("foreground_random", "random")  # the first of them that was run is what the others are compared with
_SURE = 0.95

Runs = Sequence["GoingOn"]


@dataclass(frozen=True)
class GoingOn:
    """One run that is over.

    Attributes:
        row: which.
        rounds: what was measured after some of its rounds, ``of_case`` (Dice by test case) among it.
        choosing: core-seconds of choosing cases, the features of all scans included.
        scoring: core-seconds of scoring the pool, which is a part of the training.
    """

    row: Annotation
    rounds: tuple[dict[str, Any], ...]
    choosing: float
    scoring: float

    def dice(self) -> dict[int, float]:
        """Mean Dice by number of labels."""
        return {each["labels"]: each["dice"] for each in self.rounds}

    def dice_of(self, cases: frozenset[str]) -> dict[int, float]:
        """The same over these test cases; {} where none of them was measured."""
        values = {each["labels"]: [d for case, d in each["of_case"].items() if case in cases] for each in self.rounds}
        return {labels: statistics.fmean(dice) for labels, dice in values.items() if dice}

    def worst(self) -> float:
        """Dice of the worst test case in the end."""
        return min(self.rounds[-1]["of_case"].values())

    def labelled(self, cases: frozenset[str]) -> int:
        """How many of these were labelled in the end."""
        return len(cases & set(self.rounds[-1]["labelled"]))


def read_runs(folder: Path) -> list[GoingOn]:
    """The runs of a folder in which one training went on, those that are over."""
    whole = [each for each in read_all(folder) if each.get("whole") and each["row"].get("seconds")]
    return [
        GoingOn(
            Annotation.of(each["row"]),
            tuple(found for found in each["rounds"] if "of_case" in found),
            each["choosing"],
            each["scoring"],
        )
        for each in whole
    ]


def all_table(runs: Runs) -> str:
    """Dice of all test cases: a line for each method and strategy."""
    sizes = sorted({size for run in runs for size in run.dice()})
    head = ["method, strategy", "seeds", *(f"Dice with {size}" for size in sizes), "area", "area − random's"]
    head += ["labels for random's last Dice", "worst case", "choosing, core-s", "scoring, core-s"]
    lines = [row(head), "|" + "---|" * len(head)]
    for name, group in _by_name(runs).items():
        curves = [run.dice() for run in group]
        cells = [name, str(len(group)), *_by_size(curves, sizes), _mean([area(curve) for curve in curves])]
        cells += [_against_random(runs, group, lambda run: area(run.dice())), _needed(runs, group, GoingOn.dice)]
        cells += [f"{min(run.worst() for run in group):.3f}"]
        cells += [f"{statistics.fmean(getattr(run, what) for run in group):.1f}" for what in ("choosing", "scoring")]
        lines.append(row(cells))
    return "\n".join(lines)


def rare_table(runs: Runs, kinds: Mapping[str, str]) -> str:
    """The same of the rare test cases, and of each rare kind with the most labels; how many of the pool were labelled.

    "" where no rare case was measured.
    """
    cases, tested = rare(kinds), {case for run in runs for case in run.rounds[-1]["of_case"]}
    of_kind = {kinds[case]: frozenset(each for each in cases if kinds[each] == kinds[case]) for case in cases & tested}
    if not of_kind:
        return ""
    of_kind = dict(sorted(of_kind.items()))
    sizes = sorted({size for run in runs for size in run.dice()})
    head = ["method, strategy", *(f"Dice of rare cases with {size}" for size in sizes), "area", "area − random's"]
    head += ["labels for random's last Dice", *(f"{kind}, with {sizes[-1]}" for kind in of_kind), "rare ones labelled"]
    lines = [row(head), "|" + "---|" * len(head)]
    for name, group in _by_name(runs).items():
        curves = [run.dice_of(cases) for run in group]
        cells = [name, *_by_size(curves, sizes), _mean([area(curve) for curve in curves])]
        cells += [_against_random(runs, group, lambda run: area(run.dice_of(cases)))]
        cells += [_needed(runs, group, lambda run: run.dice_of(cases))]
        cells += [_mean([run.dice_of(members)[sizes[-1]] for run in group]) for members in of_kind.values()]
        cells += [", ".join(str(run.labelled(cases)) for run in group)]
        lines.append(row(cells))
    return "\n".join(lines)


def _by_name(runs: Runs) -> dict[str, list[GoingOn]]:
    found: dict[str, list[GoingOn]] = {}
    for run in sorted(runs, key=lambda run: (run.row.name, run.row.seed)):
        found.setdefault(run.row.name, []).append(run)
    return found


def _by_size(curves: Sequence[dict[int, float]], sizes: Sequence[int]) -> list[str]:
    return [_mean([curve[size] for curve in curves if size in curve]) for size in sizes]


def _mean(values: Sequence[float]) -> str:
    return spread(*over_seeds(values)) if values else ""


def at_random(runs: Runs, run: GoingOn) -> GoingOn | None:
    """The run of the same method and seed whose cases were drawn at random; None where there is none."""
    same = {each.row.strategy: each for each in runs if (each.row.method, each.row.seed) == _key(run)}
    return next((same[name] for name in _AT_RANDOM if name in same), None)


def _key(run: GoingOn) -> tuple[str, int]:
    return run.row.method, run.row.seed


def _against_random(runs: Runs, group: Runs, of: Callable[[GoingOn], float]) -> str:
    """Mean difference, seed by seed, with its 95 % interval (Student) where there are several seeds."""
    pairs = [(run, at_random(runs, run)) for run in group]
    differences = [of(run) - of(other) for run, other in pairs if other is not None and other is not run]
    if not differences:
        return ""
    mean, sd = over_seeds(differences)
    if math.isnan(sd):
        return f"{mean:+.3f}"
    half = float(stats.t.ppf((1 + _SURE) / 2, len(differences) - 1)) * sd / math.sqrt(len(differences))
    return f"{mean:+.3f} ({mean - half:+.3f} to {mean + half:+.3f})"


def _needed(runs: Runs, group: Runs, of: Callable[[GoingOn], dict[int, float]]) -> str:
    """Median over the seeds of the labels that reach what the random ones of the same seed reach in the end."""
    found = []
    for run in group:
        other = at_random(runs, run)
        if other is not None:
            target = of(other)
            found.append(labels_needed(of(run), target[max(target)]))
    if not found:
        return ""
    median = statistics.median(found)
    return "not reached" if math.isinf(median) else f"{median:.1f}"
