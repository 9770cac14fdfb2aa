"""The study as a raw data set of nnU-Net v2.

Source: the data set format that nnU-Net's documentation describes (``dataset_format.md``, version 2).
"""

from __future__ import annotations

from pathlib import Path

from fewlabel import __version__
from fewlabel.export.base import Export
from fewlabel.export.layout import CARD, ENDING, SUMS, Laid, lay_out, why_not, write_json
from fewlabel.export.read_back import read_with_itk
from fewlabel.export.source import Source

DATASET = "Dataset001_FewLabel"
_CHANNEL = "_0000"
_SPLITS = "splits_final.json"


def refuses(source: Source) -> str:
    """Why nnU-Net cannot use the study; "" if it can."""
    ignored = next((name for name in source.classes if name.strip().casefold() == "ignore"), None)
    if ignored is not None:
        return (
            f"nnU-Net ignores the voxels of a class named '{ignored}'. Rename the class: "
            f"scripts/serve.py --rename-class {ignored} NEW."
        )
    return why_not(source)


def write(source: Source, folder: Path) -> None:
    """The data set, a split with the study's validation cases, and a README."""
    laid = lay_out(source, folder, DATASET, lambda case: case + _CHANNEL)
    labels = {"background": 0, **{name: value for value, name in enumerate(source.classes, 1)}}
    dataset = {
        "channel_names": {"0": "CT" if laid.ct else "MRI"},  # nnU-Net normalises CT differently
        "labels": labels,
        "numTraining": len(laid.labelled),
        "file_ending": ENDING,
        "description": f"Exported by FewLabel {__version__}",
    }
    write_json(folder / DATASET / "dataset.json", dataset)
    splits = own_split(laid)
    if splits:
        write_json(folder / DATASET / _SPLITS, splits)
    (folder / "README.md").write_text(_readme(source, laid, bool(splits)), encoding="utf-8")


def own_split(laid: Laid) -> list[dict[str, list[str]]]:
    """nnU-Net's list of splits: one, with the study's validation cases; [] without cases for validation or training."""
    kept = [row.case for row in laid.labelled if row.validates]
    others = [row.case for row in laid.labelled if not row.validates]
    return [{"train": others, "val": kept}] if kept and others else []


def _readme(source: Source, laid: Laid, split: bool) -> str:
    about_split = (
        f"`{DATASET}/{_SPLITS}` has one split, with the study's own validation cases: copy it into the data set's "
        "folder in nnUNet_preprocessed, and train fold 0.\n"
        if split
        else "The study has no validation cases: nnU-Net makes its own five folds.\n"
    )
    return f"""# nnU-Net data set

{len(laid.labelled)} scans with a label (`imagesTr`, `labelsTr`) and {len(laid.others)} without (`imagesTs`).
`{CARD}` lists them, with who submitted each label, when, and its kind. `sha256sum -c {SUMS}` checks the files.

In an environment with nnunetv2:

```
export nnUNet_raw=THIS_FOLDER nnUNet_preprocessed=ANOTHER nnUNet_results=ANOTHER
nnUNetv2_plan_and_preprocess -d 1 --verify_dataset_integrity
nnUNetv2_train 1 3d_fullres 0
```

{about_split}"""


NNUNET = Export(
    "The scans and submitted labels as an nnU-Net v2 data set",
    write=write,
    folder="fewlabel_nnunet",
    card=CARD,
    kind="dataset",
    read=read_with_itk,
    refuses=refuses,
)
