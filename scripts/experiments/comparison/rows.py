"""Which runs a comparison is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from fewlabel.methods import METHODS

RADIOLOGY = "radiology"  # MONAI Label's recipe: no method of ours
CEILING = "ceiling"
FLOOR = "supervised"


@dataclass(frozen=True)
class Row:
    """One run: a method, the labelled cases it is given, a seed.

    Attributes:
        name: as the tables call it.
        method: a name of ``fewlabel.methods.METHODS``, or ``radiology``.
        labelled: number of labelled cases; None for all of them.
        seed: of the draw of cases, of the crops and of the networks' start.
        settings: keyword arguments of the method.
        part: of the tables it belongs to: ``methods``, or the method whose ablation it is.
        pretrain: core-minutes that its first network learns from scans alone before (see pretrain.py), on top.
    """

    name: str
    method: str
    labelled: int | None
    seed: int
    settings: dict[str, Any] = field(default_factory=dict, hash=False)
    part: str = "methods"
    pretrain: float = 0.0

    @property
    def key(self) -> str:
        """Name of its files."""
        words = re.sub(r"[^A-Za-z0-9]+", "-", self.name)
        return f"{words}-{'all' if self.labelled is None else self.labelled}-{self.seed}"

    def to_dict(self) -> dict[str, Any]:
        """For JSON; the inverse is ``Row(**values)``."""
        values = asdict(self)
        if not self.pretrain:  # as rows were written before there was any
            values.pop("pretrain")
        return values


def comparison(
    methods: Sequence[str],
    labelled: Sequence[int],
    seeds: Sequence[int],
    ablations: Sequence[str] = (),
    tried: Sequence[tuple[str, str, dict[str, Any]]] = (),
    references: bool = True,
    radiology: bool = True,
    pretrain: float = 0.0,
) -> list[Row]:
    """All rows, seed by seed, so that an interrupted comparison has whole seeds.

    Args:
        methods: names of the table.
        labelled: numbers of labelled cases.
        seeds: of the runs.
        ablations: methods of which each module is switched off in turn, with the smallest number of labelled cases;
            the whole method is run with it too.
        tried: further rows (name, method, settings).
        references: whether to have floor, ceiling and radiology rows as well.
        radiology: False leaves out the last of these, which on a CPU takes longest.
        pretrain: where it is not 0, each row with a number of labels has a second one, see Row.
    """
    named = [FLOOR, *(name for name in methods if name != FLOOR)] if references else list(methods)
    rows: list[Row] = []
    for seed in seeds:
        for count in labelled:
            rows += [Row(name, name, count, seed) for name in named]
            rows += [Row(name, method, count, seed, settings) for name, method, settings in tried]
            if pretrain:
                of_count = [row for row in rows if (row.labelled, row.seed, row.pretrain) == (count, seed, 0.0)]
                rows += [replace(row, name=f"{row.name}, pretrained", pretrain=pretrain) for row in of_count]
        if references:
            rows.append(Row(CEILING, FLOOR, None, seed))
        for method in ablations:
            if method not in named:
                rows.append(Row(method, method, min(labelled), seed))
            rows += _ablations(method, min(labelled), seed)
    if references and radiology:  # last: they take as long as the longest of the others
        rows += [Row(RADIOLOGY, RADIOLOGY, count, seed) for seed in seeds for count in labelled]
    return rows


def _ablations(method: str, labelled: int, seed: int) -> Iterable[Row]:
    for module, settings in METHODS[method].switches.items():
        yield Row(f"{method} without {module}", method, labelled, seed, settings, part=method)
