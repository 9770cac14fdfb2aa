"""The proposals that *Label all* has stored, as a folder of label maps with a table of what is expected of each."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from fewlabel.errors import Refusal
from fewlabel.export.base import Export
from fewlabel.export.escaping import markdown
from fewlabel.export.read_back import with_itk
from fewlabel.export.source import Case, Source
from fewlabel.files import stamp
from fewlabel.labels import values_between
from fewlabel.predictions.entry import Head, Proposal
from fewlabel.predictions.store import PredictionStore
from fewlabel.review.expected import ExpectedDice
from fewlabel.review.history import History
from fewlabel.volumes.reading import Volume, write_volume

_CARD, _TABLE = "fewlabel.json", "predictions.csv"
_COLUMNS = ("case", "file", "model_version", "score", "expected_dice", "low", "high")
_NONE = "There is no stored proposal to export: label all first."


def chosen(source: Source, store: PredictionStore) -> list[Case]:
    """The scans without a submitted label whose proposal is exported: those asked for, else all that have one.

    Raises:
        Refusal: (409) one that was asked for has a label or no proposal; or there is none at all.
    """
    asked, found = source.options.cases, []
    for case in source.cases:
        if asked and case.id not in asked:
            continue
        why = _why_not(case, store.heads.get(case.id), source)
        if why and asked:
            raise Refusal(why, 409)
        if not why:
            found.append(case)
    if not found:
        raise Refusal(_NONE, 409)
    return found


def _why_not(case: Case, head: Head | None, source: Source) -> str:
    """Why a case has no proposal that can be exported, in a sentence; "" if it has."""
    if case.label is not None:
        return f"'{case.id}' has a submitted label, which the other formats export: leave it out."
    if head is None or head.source != stamp(case.image):
        return f"There is no stored proposal for '{case.id}': label all first, or leave it out."
    if not values_between(list(head.classes), list(source.classes))[1:].all():
        return f"The proposal for '{case.id}' has classes that the study does not have: label all again."
    return ""


def refuses(source: Source) -> str:
    """Why the study cannot be exported in this format; "" if it can."""
    try:
        chosen(source, _store(source))
    except Refusal as refusal:
        return str(refusal)
    return ""


def write(source: Source, folder: Path) -> None:
    """One label map after the other, the table of all, and a README."""
    store, rows = _store(source), []
    expected = ExpectedDice(History(source.workspace.history).entries())
    cases = chosen(source, store)
    for number, case in enumerate(cases):
        source.tell(0.5 * number / len(cases), f"{case.id} is written")
        found = _proposal(source, store, case)
        array, affine = _as_the_study(source, found), np.array(found.head.affine)
        write_volume(folder / _file(case), array, affine, source.classes)
        rows.append(_row(case, found.head, expected))
    classes = [{"name": name, "value": value} for value, name in enumerate(source.classes, 1)]
    said = {"classes": classes, "cases": rows, "calibration": expected.sentence()}
    (folder / _CARD).write_text(json.dumps({"fewlabel": said}, indent=1) + "\n", encoding="utf-8")
    with (folder / _TABLE).open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, _COLUMNS)
        table.writeheader()
        table.writerows(rows)
    (folder / "README.md").write_text(_readme(source, expected), encoding="utf-8")


def read(source: Source, folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each proposal as it is stored, and as SimpleITK reads it from the folder.

    Raises:
        Refusal: (500) a file has another affine, or cannot be read.
    """
    store = _store(source)
    cases = chosen(source, store)
    for number, case in enumerate(cases):
        source.tell(0.5 + 0.5 * number / len(cases), f"{case.id} is read back")
        found = _proposal(source, store, case)
        label = Volume(_as_the_study(source, found), np.array(found.head.affine))
        yield case.id, label.array, with_itk(folder / _file(case), label)


def _store(source: Source) -> PredictionStore:
    return PredictionStore(source.workspace.proposed, None)


def _proposal(source: Source, store: PredictionStore, case: Case) -> Proposal:
    found = store.proposal(case.id, stamp(case.image))
    if found is None:
        raise Refusal(f"The stored proposal for '{case.id}' is gone or damaged: label all again.", 409)
    return found


def _as_the_study(source: Source, found: Proposal) -> np.ndarray:
    """The label map in the study's values."""
    return values_between(list(found.head.classes), list(source.classes))[found.labels]


def _row(case: Case, head: Head, expected: ExpectedDice) -> dict[str, Any]:
    found = expected(head.probability)
    dice, low, high = (found.dice, found.low, found.high) if found else (None, None, None)
    values = case.id, _file(case), int(head.version), head.score, dice, low, high
    return dict(zip(_COLUMNS, values, strict=True))


def _file(case: Case) -> str:
    return f"{quote(case.id, safe=' ')}.nii.gz"


def _readme(source: Source, expected: ExpectedDice) -> str:
    rows = "\n".join(f"- {number}: {markdown(name)}" for number, name in enumerate(source.classes, 1))
    return f"""# Predictions of FewLabel

Label maps that nobody has looked at, one NIfTI file for each scan, on the scan's grid. Values:
{rows}

`{_TABLE}` and `{_CARD}` say of each: the version of the model, its uncertainty (`score`, 0 to 1), and the expected mean
Dice; 8 of 10 such cases lie between `low` and `high`. {expected.sentence()}
"""


PREDICTIONS = Export(
    "The proposals of Label all for scans without a label, with the Dice expected of each",
    write,
    folder="fewlabel_predictions",
    card=_CARD,
    kind="cases",
    read=read,
    refuses=refuses,
)
