"""Label maps of single cases as DICOM SEG, on the grid of the DICOM series that their scans were converted from."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import numpy as np

from fewlabel.errors import Refusal
from fewlabel.export.base import Export
from fewlabel.export.dicom_series import find_series, series_of
from fewlabel.export.escaping import markdown
from fewlabel.export.source import Case, Source
from fewlabel.labels import values_between
from fewlabel.volumes.reading import UnreadableVolume, Volume, read_label, read_volume


def chosen(source: Source) -> list[Case]:
    """The cases that are exported.

    Raises:
        Refusal: (422) a requested case does not exist or has no label; or there is no case to export.
    """
    asked = source.options.cases
    known = {case.id: case for case in source.cases}
    missing = [id for id in asked if id not in known]
    if missing:
        raise Refusal(f"The study has no case '{missing[0]}'.", 422)
    cases = [known[id] for id in asked] if asked else list(source.cases)
    if source.options.predictions:
        found = cases
    else:
        found = [case for case in cases if case.label is not None]
        unlabelled = [case.id for case in cases if case.label is None]
        if asked and unlabelled:
            raise Refusal(f"'{unlabelled[0]}' has no submitted label: submit one, or export predictions.", 422)
    if not found:
        raise Refusal("There is no submitted label to export as DICOM SEG: submit one, or export predictions.", 422)
    return found


def refuses(source: Source) -> str:
    """Why the study cannot be exported in this format; "" if it can."""
    if source.options.series is None:
        return (
            "A DICOM SEG refers to the DICOM series that the scan was converted from: name its folder (--series "
            "FOLDER; on the server --conf dicom FOLDER)."
        )
    try:
        found = find_series(source.options.series)
        for case in chosen(source):
            series_of(case.id, read_volume(case.image), found)
    except (Refusal, UnreadableVolume) as error:
        return str(error)
    return ""


def write(source: Source, folder: Path) -> None:
    """One file for each case, a list of them, and a README."""
    from fewlabel.export.dicom_file import segmentation  # here: DICOM's lists of codes load for half a second

    found, written = find_series(source.options.series or folder), []
    for case in chosen(source):
        label, kind = label_of(source, case)
        series = series_of(case.id, read_volume(case.image), found)
        segmentation(series, label, source.classes, kind).save_as(folder / _file(case), write_like_original=False)
        written.append({"case": case.id, "file": _file(case), "kind": kind, "series": series.uid})
    classes = [{"name": name, "code": _code(name)} for name in source.classes]
    card = {"fewlabel": {"classes": classes, "cases": written}}
    (folder / "fewlabel.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_readme(source), encoding="utf-8")


def label_of(source: Source, case: Case) -> tuple[Volume, str]:
    """The label map of a case in the study's values, with its affine, and who made it.

    Raises:
        Refusal: (409) it has no label that can be used; (422), (500) as ``Source.segment``.
    """
    if source.options.predictions:
        found = source.segment(case.image)
        values = values_between(source.model.plan.classes, source.classes)
        return Volume(values[np.asarray(found.labels)], found.affine), "predicted"
    if case.label is None:
        raise Refusal(f"'{case.id}' has no submitted label: submit one, or export predictions.", 409)
    return read_label(case.label()), case.kind or "drawn"


def read(source: Source, folder: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Each case's label map, and the same as pydicom-seg reads it from the file, on the scan's grid.

    Raises:
        Refusal: (500) a file has another affine than the scan.
    """
    from fewlabel.export.dicom_file import read_file

    cases = []
    for case in chosen(source):
        label, _ = label_of(source, case)
        cases.append((case.id, label.array, read_file(folder / _file(case), label)))
    return cases


def _file(case: Case) -> str:
    return f"{quote(case.id, safe=' ')}.dcm"


def _code(name: str) -> dict[str, str]:
    """The code of a class; its meaning where that is another text than its name."""
    from fewlabel.export.terms import SCHEME, term

    coded = term(name)
    said = {"scheme": coded.type.scheme_designator, "value": coded.type.value}
    if said["scheme"] != SCHEME:
        said["meaning"] = coded.type.meaning
    return said if coded.side is None else {**said, "side": coded.side.meaning}


def _readme(source: Source) -> str:
    rows = "\n".join(f"- {number}: {markdown(name)}" for number, name in enumerate(source.classes, 1))
    return f"""# DICOM SEG of FewLabel

One file for each case; `fewlabel.json` names them and the series of each. Segments:
{rows}

Slicer opens them beside their series (extension QuantitativeReporting). In Python, with `pip install highdicom`:

```python
import highdicom
segmentation = highdicom.seg.segread("CASE.dcm")
print(segmentation.number_of_segments, segmentation.get_segment_description(1).segment_label)
```
"""


DICOMSEG = Export(
    "DICOM SEG of single cases, on the DICOM series that their scans were converted from",
    write,
    folder="fewlabel_dicomseg",
    kind="cases",
    read=read,
    needs=("highdicom",),
    refuses=refuses,
)
