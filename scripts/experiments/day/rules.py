"""What rules of publishing without validation would have published, and what that was worth.

Below five labels no case can be held back. For each look at a candidate there is kept: its Dice on the cases that are
measured on, how far it agrees with the candidate before it on scans of the pool, and, for each label that comes later,
its Dice on that label before it was learnt. From that each rule's choice follows after the fact.
"""

from __future__ import annotations

import copy
import itertools
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from experiments.comparison.cases import Cases
from experiments.comparison.measures import measure
from experiments.comparison.outcomes import means
from experiments.comparison.table import row, spread
from fewlabel.inference.predict import segment
from fewlabel.methods.base import Method
from fewlabel.plan import Plan
from fewlabel.volumes.reading import read_label
from fewlabel.workspace import read_json, write_json

_SCANS = 10  # of the pool, on which two candidates are compared
_AGREE = (0.8, 0.9, 0.95)  # least Dice between two candidates: rule (b) with each of these
LAST, NEWEST = "always the last", "the newest label judges"

Look = dict[str, Any]
"""``minute``, ``labels`` (that were learnt from), ``dice``, ``agreement`` (None for the first), and ``judged``: the
Dice on each label that came after this look, by its number."""


class Record:
    """What was seen at each look of one day; kept on disk, so that a killed day goes on.

    Args:
        folder: of the candidates, and of what was seen.
        cases: of the experiment.
        device: of the networks.
        measured: gives measures of each test case for (image to label map).
    """

    def __init__(self, folder: Path, cases: Cases, device: str, measured: Callable[..., Any]) -> None:
        self.folder, self.cases, self.device, self.measured = folder, cases, device, measured
        self.looks: list[Look] = read_json(folder / "looks.json", [])
        self._networks: dict[int, torch.nn.Module] = {}
        self._maps: list[torch.Tensor] = []

    def look(self, candidate: Method, plan: Plan, minute: float, labels: int, pool: Sequence[str]) -> None:
        """A candidate of this minute of the day; the scans of the pool are those that have no label."""
        network = copy.deepcopy(candidate.deployed).eval()
        maps = [self._map(network, plan, self.cases.images[case]) for case in sorted(pool)[:_SCANS]]
        agreement = _agreement(self._maps, maps, plan.classes)
        found = list(self.measured(self.cases, plan, lambda image: self._map(network, plan, image)))
        look = {"minute": minute, "labels": labels, "dice": means(found)["dice"], "agreement": agreement, "judged": {}}
        self._networks[len(self.looks)], self._maps = network, maps
        self.looks.append(look)
        write_json(self.folder / "looks.json", self.looks)

    def label(self, case: str, number: int, plan: Plan) -> None:
        """A label that no candidate has learnt from yet judges those that are still in memory."""
        truth = read_label(self.cases.labels[case])
        reference = torch.as_tensor(truth.array.astype("int64"))
        for index, network in self._networks.items():
            found = measure(self._map(network, plan, self.cases.images[case]), reference, truth.spacing, plan.classes)
            self.looks[index]["judged"][str(number)] = means([{"case": case, **each} for each in found])["dice"]
        write_json(self.folder / "looks.json", self.looks)

    def _map(self, network: torch.nn.Module, plan: Plan, image: Path) -> torch.Tensor:
        return segment(network, plan, image, self.device)[0]


def _agreement(before: Sequence[torch.Tensor], now: Sequence[torch.Tensor], classes: Sequence[str]) -> float | None:
    """Mean Dice between two candidates' maps of the same scans; None without the maps of a candidate before."""
    found = []
    for one, other in zip(before, now, strict=False):
        for value in range(1, len(classes) + 1):
            in_one, in_other = one == value, other == value
            total = int(in_one.sum() + in_other.sum())
            if total:
                found.append(2 * int((in_one & in_other).sum()) / total)
    return statistics.fmean(found) if found else None


def read_looks(folder: Path) -> list[tuple[int, list[Look]]]:
    """The seed and the looks of each day in a folder that recorded any."""
    found = [read_json(file, {}) for file in sorted((folder / "outcomes").glob("*.json"))]
    return [(each["row"]["seed"], each["looks"]) for each in found if each.get("looks")]


def published(looks: Sequence[Look]) -> dict[str, list[int]]:
    """For each rule, which look's candidate is published after each look, by its index."""
    rules = {LAST: list(range(len(looks))), NEWEST: _by_newest(looks)}
    for least in _AGREE:
        rules[f"two in a row agree, Dice {least:g}"] = _by_agreement(looks, least)
    return rules


def _by_agreement(looks: Sequence[Look], least: float) -> list[int]:
    """A candidate is published where the one before it agrees; the first of all at once."""
    chosen: list[int] = []
    for index, look in enumerate(looks):
        agrees = not chosen or (look["agreement"] is not None and look["agreement"] >= least)
        chosen.append(index if agrees else chosen[-1])
    return chosen


def _by_newest(looks: Sequence[Look]) -> list[int]:
    """When a label comes, the last candidate replaces the published one if it is not worse on that label."""
    chosen: list[int] = []
    for index, look in enumerate(looks):
        best = chosen[-1] if chosen else index
        if chosen and look["labels"] > looks[index - 1]["labels"]:
            number = str(look["labels"])
            last, known = (looks[each]["judged"].get(number) for each in (index - 1, best))
            best = index - 1 if last is not None and (known is None or last >= known) else best
        chosen.append(best)
    return chosen


def rules_table(days: Sequence[tuple[int, Sequence[Look]]]) -> str:
    """A line for each rule and number of labels: mean Dice ± sd over seeds of what is published, over all looks.

    Args:
        days: the seed and the looks of each.
    """
    counts = sorted({look["labels"] for _, looks in days for look in looks})
    head = ["rule", *(f"{count} label{'s' if count > 1 else ''}" for count in counts), "last look", "largest fall"]
    lines = [row(head), "|" + "---|" * len(head)]
    for rule in published(days[0][1]):
        of_rule = [(looks, published(looks)[rule]) for _, looks in days]
        cells = [_over([_mean_with(*each, count) for each in of_rule]) for count in counts]
        cells.append(_over([looks[chosen[-1]]["dice"] for looks, chosen in of_rule]))
        cells.append(f"{max(_fall(*each) for each in of_rule):.3f}")
        lines.append(row([rule, *cells]))
    return "\n".join(lines)


def _mean_with(looks: Sequence[Look], chosen: Sequence[int], count: int) -> float | None:
    values = [looks[index]["dice"] for look, index in zip(looks, chosen, strict=True) if look["labels"] == count]
    return statistics.fmean(values) if values else None


def _fall(looks: Sequence[Look], chosen: Sequence[int]) -> float:
    """The most that the Dice of what is published falls from one look to the next."""
    values = [looks[index]["dice"] for index in chosen]
    return max([0.0, *(one - other for one, other in itertools.pairwise(values))])


def _over(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    return spread(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else float("nan"))
