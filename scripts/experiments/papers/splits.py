"""Which cases are for training, for testing, and labelled: the lists that the field has published.

The lists are facts taken over from public repositories; ``source`` in each file of ``splits/`` names repository and
path. None of the splits is drawn here; labelled cases of other numbers than the listed ones are, by
``comparison.cases.Cases.draw``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "splits"


@dataclass(frozen=True)
class Split:
    """Cases by their use.

    Attributes:
        source: repository and path of the lists.
        development: ids that labelled cases are taken from.
        test: ids of held-out cases.
        labelled: published labelled cases, by their number.
        unlabelled: ids of the unlabelled pool; None: the development cases that are not labelled.
    """

    source: str
    development: tuple[str, ...]
    test: tuple[str, ...]
    labelled: dict[int, tuple[str, ...]] = field(default_factory=dict)
    unlabelled: tuple[str, ...] | None = None

    @property
    def cases(self) -> tuple[str, ...]:
        """Every id once."""
        return tuple(dict.fromkeys((*self.development, *self.test, *(self.unlabelled or ()))))

    @property
    def with_label(self) -> frozenset[str]:
        """Ids whose reference label is needed."""
        return frozenset((*self.development, *self.test))

    def to_dict(self) -> dict[str, Any]:
        """What ``splits.json`` holds."""
        values: dict[str, Any] = {"source": self.source, "test": self.test, "development": self.development}
        values["labelled"] = {str(count): ids for count, ids in self.labelled.items()}
        if self.unlabelled is not None:
            values["unlabelled"] = self.unlabelled
        return values


def listed(name: str) -> dict[str, Any]:
    """The lists of one data set as they are stored."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def read_split(name: str, target: str = "") -> Split:
    """The published split of a data set whose cases are all listed (all but ``mnms``).

    ``first: [4, 8]`` in a file means that the first 4 and the first 8 development cases are the labelled ones.
    """
    values = listed(name)
    of_target = values[target] if target else values
    development = tuple(of_target["development"])
    first = {count: development[:count] for count in of_target.get("first", ())}
    named = {int(count): tuple(ids) for count, ids in of_target.get("labelled", {}).items()}
    unlabelled = of_target.get("unlabelled")
    return Split(
        values["source"],
        development,
        tuple(of_target["test"]),
        {**first, **named},
        None if unlabelled is None else tuple(unlabelled),
    )
