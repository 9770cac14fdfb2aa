"""The study in the layout of the Medical Segmentation Decathlon, which MONAI's ``load_decathlon_datalist`` reads.

Source: the ``dataset.json`` of the Decathlon's own data sets.
"""

from __future__ import annotations

from pathlib import Path

from fewlabel import __version__
from fewlabel.export.base import Export
from fewlabel.export.layout import CARD, SUMS, Laid, Row, lay_out, why_not, write_json
from fewlabel.export.read_back import read_with_itk
from fewlabel.export.source import Source


def write(source: Source, folder: Path) -> None:
    """The data set and a README."""
    laid = lay_out(source, folder, ".", str)
    write_json(folder / "dataset.json", _dataset(source, laid))
    (folder / "README.md").write_text(_readme(laid), encoding="utf-8")


def _dataset(source: Source, laid: Laid) -> dict[str, object]:
    return {
        "name": "FewLabel",
        "description": f"Exported by FewLabel {__version__}",
        "reference": "",
        "licence": "decided by those who own the scans",
        "release": "",
        "tensorImageSize": "3D",
        "modality": {"0": "CT" if laid.ct else "MRI"},
        "labels": {"0": "background", **{str(value): name for value, name in enumerate(source.classes, 1)}},
        "numTraining": len(laid.labelled),
        "numTest": len(laid.others),
        "training": [_pair(row) for row in laid.labelled],
        "test": [f"./{row.image}" for row in laid.others],
    }


def _pair(row: Row) -> dict[str, str]:
    return {"image": f"./{row.image}", "label": f"./{row.label}"}


def _readme(laid: Laid) -> str:
    return f"""# Decathlon data set

{len(laid.labelled)} scans with a label (`imagesTr`, `labelsTr`) and {len(laid.others)} without (`imagesTs`).
`{CARD}` lists them, with who submitted each label, when, and its kind. `sha256sum -c {SUMS}` checks the files.

`dataset.json` lists every labelled scan under `training`. `validates` in `{CARD}` marks
those that the study keeps for validation. With MONAI:

```
from monai.data import load_decathlon_datalist

training = load_decathlon_datalist("dataset.json", data_list_key="training")
```
"""


MSD = Export(
    "The scans and submitted labels in the layout of the Medical Segmentation Decathlon",
    write=write,
    folder="fewlabel_msd",
    card=CARD,
    kind="dataset",
    read=read_with_itk,
    refuses=why_not,
)
