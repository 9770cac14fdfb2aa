"""Common parts of the data set formats: scans, exported labels, checksums and a table of them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fewlabel.errors import Refusal
from fewlabel.export.source import Case, Source
from fewlabel.hounsfield import in_hounsfield_units
from fewlabel.volumes.reading import (
    UnreadableVolume,
    Volume,
    read_label,
    read_volume,
    write_volume,
)

ENDING = ".nii.gz"
CARD, SUMS = "fewlabel.json", "SHA256SUMS"
_ACCEPTED = "It was accepted as the model proposed it, and such labels were not asked for."
_WHOLE = (np.uint8, np.int16, np.uint16)


@dataclass(frozen=True)
class Row:
    """One scan of a data set.

    Attributes:
        case: id in the study.
        image, label: files, relative to the export's folder, parts separated by "/"; label None: no label is exported.
        source: name of the scan's file in the study.
        rewritten: the scan was rewritten as ``.nii.gz``; else the file is that of the study.
        kind, kind_unknown, submitted_by, submitted_at, validates: as ``Case``.
        left_out: why a submitted label was not exported, in a sentence; "" if it was, or there is none.
        image_sha256, label_sha256: checksums of the files.

    Examples:
        >>> who = {"kind": "drawn", "kind_unknown": False, "submitted_by": "anna", "submitted_at": None}
        >>> sums = {"image_sha256": "0", "label_sha256": "1"}
        >>> more = {"source": "a.nrrd", "rewritten": True, "validates": False, "left_out": "", **who, **sums}
        >>> Row("a", "images/a.nii.gz", "labels/a.nii.gz", **more).kind
        'drawn'
    """

    case: str
    image: str
    label: str | None
    source: str
    rewritten: bool
    kind: str | None
    kind_unknown: bool
    submitted_by: str | None
    submitted_at: str | None
    validates: bool
    left_out: str
    image_sha256: str
    label_sha256: str | None


@dataclass
class Laid:
    """A data set whose scans and labels are written.

    Attributes:
        rows: all scans by id, those with a label first.
        ct: nearly all scans are in Hounsfield units, by the rule of the plan.

    Examples:
        >>> Laid().labelled, Laid().others
        ([], [])
    """

    rows: list[Row] = field(default_factory=list)
    ct: bool = False

    @property
    def labelled(self) -> list[Row]:
        return [row for row in self.rows if row.label]

    @property
    def others(self) -> list[Row]:
        return [row for row in self.rows if not row.label]


def why_not(source: Source) -> str:
    """Why a study cannot be exported as a data set yet, in a sentence; "" if it can."""
    if not source.classes:
        return "The study has no classes yet: submit a label first."
    reasons = [_left_out(case, source) for case in source.cases if case.label]
    if not reasons:
        return "No label is submitted yet: submit a label first."
    if not all(reasons):
        return ""
    accepted = " Accepted labels are exported with --accepted." if _ACCEPTED in reasons else ""
    others = [reason for reason in reasons if reason != _ACCEPTED]
    return f"None of the {len(reasons)} submitted labels can be exported. {' '.join(others[:3])}{accepted}".replace(
        "  ", " "
    )


def lay_out(source: Source, folder: Path, root: str, image_name: Callable[[str], str]) -> Laid:
    """Write scans into imagesTr and imagesTs of ``folder/root``, labels into labelsTr, and a table of them.

    Labels that a person left as the model proposed them are exported only with ``source.options.accepted``; otherwise
    their scans are in imagesTs, as all scans without a label.

    Args:
        source: the study.
        folder: of the export.
        root: folder of the data set in it, relative; "." for the same.
        image_name: file name of an id, without extension.

    Raises:
        Refusal: (422) a scan cannot be used; (507) not writable.
    """
    for name in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / root / name).mkdir(parents=True, exist_ok=True)
    laid, hounsfield = Laid(), 0
    for number, case in enumerate(source.cases):
        source.tell(0.5 * number / len(source.cases), f"{case.id} is written")
        row, in_units = _lay_case(source, case, folder, root, image_name(case.id))
        laid.rows.append(row)
        hounsfield += in_units
    laid.ct = hounsfield >= 0.9 * len(laid.rows)
    laid.rows.sort(key=lambda row: (row.label is None, row.case))
    _write_table(source, folder, laid)
    return laid


def _lay_case(source: Source, case: Case, folder: Path, root: str, name: str) -> tuple[Row, bool]:
    left_out = _left_out(case, source)
    labelled = case.label is not None and not left_out
    image = Path(root, "imagesTr" if labelled else "imagesTs", name + ENDING)
    try:
        volume = read_volume(case.image)
        kept = _keeps_its_file(case.image, volume)
        if kept:
            _bring(case.image, folder / image, source.options.link)
        else:
            write_volume(folder / image, _in_least_room(volume.array), volume.affine)
        label = Path(root, "labelsTr", case.id + ENDING) if labelled and case.label else None
        if (
            label and case.label
        ):  # rewritten, never linked: a later submission must not change it; and on the scan's grid
            write_volume(folder / label, read_label(case.label()).array, volume.affine)
    except UnreadableVolume as error:
        raise Refusal(f"The data set cannot be written: {error}", 422) from error
    row = Row(
        case.id,
        image.as_posix(),
        label.as_posix() if label else None,
        case.image.name,
        not kept,
        case.kind,
        case.kind_unknown,
        case.submitted_by,
        case.submitted_at,
        case.validates,
        left_out,
        _sha256(folder / image),
        _sha256(folder / label) if label else None,
    )
    return row, in_hounsfield_units(volume.array)


def _left_out(case: Case, source: Source) -> str:
    """Why the submitted label of a case is not exported; "" if it is, or there is none."""
    if case.label is None:
        return ""
    if case.kind == "accepted" and not source.options.accepted:
        return _ACCEPTED
    try:
        case.label()
    except Refusal as refusal:
        return str(refusal)
    return ""


def _keeps_its_file(image: Path, volume: Volume) -> bool:
    """Whether other programs read the same from a scan's file: nothing in it was corrected, and it is a ``.nii.gz``."""
    return image.name.endswith(ENDING) and not volume.notes


def _in_least_room(array: np.ndarray) -> np.ndarray:
    """The same numbers in the smallest data type that holds them all."""
    for kind in _WHOLE:
        limits = np.iinfo(kind)
        if array.min() >= limits.min and array.max() <= limits.max and np.array_equal(array, np.rint(array)):
            return array.astype(kind)
    return array


def _bring(file: Path, target: Path, link: bool) -> None:
    """A hard link to a file if asked for and the disk allows it, else a copy."""
    if link:
        try:
            os.link(file, target)
            return
        except OSError:  # another disk, or one without links
            pass
    shutil.copyfile(file, target)


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with open(file, "rb") as opened:
        while part := opened.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def _write_table(source: Source, folder: Path, laid: Laid) -> None:
    classes = [{"name": name, "value": value} for value, name in enumerate(source.classes, 1)]
    write_json(folder / CARD, {"fewlabel": {"classes": classes, "cases": [asdict(row) for row in laid.rows]}})
    lines = [f"{row.image_sha256}  {row.image}\n" for row in laid.rows]
    lines += [f"{row.label_sha256}  {row.label}\n" for row in laid.labelled]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """For people to read."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
