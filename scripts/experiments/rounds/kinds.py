"""Which case of a data folder is of which kind: ``kinds.csv`` beside the split."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from fewlabel.workspace import replace_file

FILE = "kinds.csv"
ORDINARY = "ordinary"


def write_kinds(folder: Path, kinds: Mapping[str, str]) -> None:
    """Write the kind of each case: a line for each, ``case,kind``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("case", "kind"), *sorted(kinds.items())])
    replace_file(folder / FILE, lambda path: path.write_text(text.getvalue(), encoding="utf-8"))


def read_kinds(folder: Path) -> dict[str, str]:
    """The kind of each case; {} where the folder has no such table, so that all cases are of one kind."""
    if not (folder / FILE).exists():
        return {}
    with (folder / FILE).open(encoding="utf-8", newline="") as file:
        return {line["case"]: line["kind"] for line in csv.DictReader(file)}


def rare(kinds: Mapping[str, str]) -> frozenset[str]:
    """Cases of any other kind than the ordinary one."""
    return frozenset(case for case, kind in kinds.items() if kind != ORDINARY)
