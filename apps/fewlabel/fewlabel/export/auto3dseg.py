"""The published model for 3D Slicer's extension MONAIAuto3DSeg, which runs it in a stock Slicer with no server.

A zip with ``model.pt`` and ``labels.csv``, as the extension publishes its own models. In Python, with torch and MONAI::

    checkpoint = torch.load("model.pt", weights_only=True)
    network = ConfigParser(checkpoint["config"]["network"]).get_parsed_content()
    network.load_state_dict(checkpoint["state_dict"], strict=True)

The extension segments differently from the server, and has no options for that: its windows overlap by 0.625; it does
not resample an axis whose voxel size is within 25 % of the model's; it normalises before it resamples, and takes the
argmax before it resamples to the scan's grid, by nearest neighbours. ``/infer`` does not imitate it: each export
measures the difference.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch

from fewlabel.errors import Refusal
from fewlabel.export.as_slicer import labels_as_slicer
from fewlabel.export.base import Export, run_alone
from fewlabel.export.comparing import Comparison
from fewlabel.export.single import members
from fewlabel.export.source import Source
from fewlabel.networks import NETWORKS, find
from fewlabel.plan import Plan
from fewlabel.published import Published
from fewlabel.quality import quality

LEAST_DICE = 0.98
"""Least Dice of each class against ``/infer``, for a scan with the voxel size of the plan."""

_ALONE = Path(__file__).with_name("alone")
_CODED = ("SegmentedPropertyCategory", "SegmentedPropertyType", "SegmentedPropertyTypeModifier")
_CODED_BY = ("CodingSchemeDesignator", "CodeValue", "CodeMeaning")
_SEQUENCES = (*(f"{each}CodeSequence" for each in _CODED), "AnatomicRegionSequence", "AnatomicRegionModifierSequence")


def buildable(network: str) -> bool:
    """Whether the extension can build it: one network, of stock MONAI."""
    return not find(network).sources


def config(plan: Plan) -> dict[str, Any]:
    """The plan in the extension's keys. Plain types only: it loads the file with ``weights_only=True``."""
    return {
        "bundle_root": "fewlabel",  # the extension looks for the names of two challenges in it
        "network": find(plan.network).config(len(plan.classes) + 1),
        "roi_size": list(plan.patch),
        "resample_resolution": list(plan.spacing),
        "normalize_mode": plan.normalisation,
        "intensity_bounds": list(plan.bounds or (0.0, 1.0)),
        "crop_foreground": False,
        "orientation_ras": True,
        "sigmoid": False,
    }


def labels_csv(classes: tuple[str, ...]) -> str:
    """Value and name of each class; without codes of a terminology, which would rename the segments in Slicer."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    columns = [f"{sequence}.{field}" for sequence in _SEQUENCES for field in _CODED_BY]
    rows.writerow(["LabelValue", "Name", *columns])
    rows.writerows([value, name, *[""] * len(columns)] for value, name in enumerate(classes, 1))
    return text.getvalue()


def name_of(model: Published) -> str:
    """Of the zip, and what the extension calls the model: it wants three numbers."""
    return f"fewlabel-v0.{model.card['version']}.0"


def entry(model: Published) -> dict[str, Any]:
    """What the extension's list of models has to hold of this one."""
    names = list(model.plan.classes)
    return {
        "title": f"FewLabel: {', '.join(names)}",
        "description": f"{quality(model.card).sentence} Not a medical device.",
        "subject": "human",
        "imagingModality": "CT" if model.plan.normalisation == "ct" else "MR",
        "model_type": "SegResNet",  # so it calls all models that it builds by MONAI's names
        "segmentNames": names,
        "versions": [{"url": f"file:///{name_of(model)}.zip"}],  # never fetched: the model is there already
    }


def write_auto3dseg(model: Published, folder: Path) -> None:
    """The zip, what puts it into Slicer, readme and card, into an empty folder.

    Raises:
        Refusal: (422) the extension cannot build the network.
    """
    if not buildable(model.plan.network):
        raise Refusal(_not_buildable(model), 422)
    checkpoint, packed = io.BytesIO(), io.BytesIO()
    weights = {key: value.detach().cpu() for key, value in model.network.state_dict().items()}
    dice = quality(model.card).dice or 0.0
    torch.save({"config": config(model.plan), "state_dict": weights, "epoch": 0, "best_metric": dice}, checkpoint)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.pt", checkpoint.getvalue())
        archive.writestr("labels.csv", labels_csv(model.plan.classes))
    name = name_of(model)
    (folder / f"{name}.zip").write_bytes(packed.getvalue())
    _write_json(folder / "model_entry.json", entry(model))
    shutil.copyfile(_ALONE / "install_in_slicer.py", folder / "install_in_slicer.py")
    _write_json(folder / "fewlabel.json", {"fewlabel": {**model.card, "classes": list(model.plan.classes)}})
    (folder / "README.md").write_text(_README.format(name=name), encoding="utf-8")


def run_auto3dseg(folder: Path, images: Path, output: Path) -> None:
    """What the extension does, without Slicer (see ``alone/like_slicer.py``), in a process without FewLabel.

    Raises:
        Refusal: (500) it failed; its last words are in the message.
    """
    archive = next(iter(sorted(folder.glob("*.zip"))), folder / "fewlabel.zip")
    run_alone([sys.executable, str(_ALONE / "like_slicer.py"), str(archive), str(images), str(output)], folder)


def refuses(source: Source) -> str:
    """Why the extension cannot run the published model, and what can be done; "" if it can."""
    return "" if buildable(source.model.plan.network) else _not_buildable(source.model)


def _not_buildable(model: Published) -> str:
    usable = [member for member in members(model) if buildable(member.network)]
    if not usable:
        own = ", ".join(sorted({name for name in model.plan.network.split("+") if not buildable(name)}))
        those = ", ".join(name for name in NETWORKS if buildable(name))
        return (
            f"Slicer's MONAIAuto3DSeg builds networks of MONAI alone, which has no {own}: train with another network "
            f"(--conf network {those.split(', ')[0]}; it can build {those}), or export another format."
        )
    best, mean = usable[0], quality(model.card)
    known = "its own Dice was not measured" if best.mean is None else f"its own Dice is {best.mean:.2f}"
    if best.mean is not None and mean.dice is not None:
        known += f", that of the mean {mean.dice:.2f}"
    return (
        f"Slicer's MONAIAuto3DSeg runs one network, and published is the mean of {len(members(model))} "
        f"({model.plan.network}). The better one alone can be exported: {known}. Ask for it with --single."
    )


def agrees(comparison: Comparison) -> str:
    """The rule: every voxel is that of our own network run as the extension runs it (see ``as_slicer``), and where the
    scan has the plan's voxel size, Dice of each class against ``/infer`` is at least ``LEAST_DICE``.
    """
    if comparison.unlike:
        return f"{comparison.unlike} of {comparison.voxels} voxels differ from our network run as the extension runs it"
    low = {name: dice for name, dice in comparison.dice.items() if dice is not None and dice < LEAST_DICE}
    if not (comparison.at_plan_spacing and low):
        return ""
    listed = ", ".join(f"{name} {dice:.3f}" for name, dice in low.items())
    return f"against the server the Dice of {listed} is below {LEAST_DICE}"


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")


_README = """# A model for 3D Slicer's extension MONAIAuto3DSeg

`{name}.zip` holds the model as the extension publishes its own. To run it in Slicer, with no server:

1. Install the extensions MONAIAuto3DSeg and PyTorch in Slicer's Extensions Manager. When it first runs a model, the
   extension installs torch and MONAI (1.4 or newer) into Slicer: 735 MB for CPUs, more with CUDA.
2. In Slicer's Python console, with the folder of this file for FOLDER:
   `import runpy; runpy.run_path(r"FOLDER/install_in_slicer.py", run_name="__main__")`
   It unpacks the zip into `.MONAIAuto3DSeg/models/{name}` in your home folder and adds `model_entry.json` to the
   extension's own `Resources/Models.json`, which an update of the extension overwrites: run it again then.
3. Restart Slicer, choose the model in *MONAI Auto3DSeg*.

The extension's windows overlap by 0.625 (the server's by 0.5). It does not resample an axis whose voxel size is within
25 % of the model's. It normalises the intensities before it resamples, and takes the argmax before it resamples to
the scan's grid, by nearest neighbours; on a GPU it computes in half precision. Its label maps therefore differ a little
from the server's at the surfaces: the model card says how much.

In Python, with torch and MONAI:

```python
checkpoint = torch.load("model.pt", weights_only=True)
network = ConfigParser(checkpoint["config"]["network"]).get_parsed_content()  # from monai.bundle
network.load_state_dict(checkpoint["state_dict"], strict=True)
```
"""


AUTO3DSEG = Export(
    "A zip for 3D Slicer's extension MONAIAuto3DSeg: runs in Slicer with no server",
    write_auto3dseg,
    run_auto3dseg,
    folder="fewlabel_auto3dseg",
    refuses=refuses,
    agrees=agrees,
    like=labels_as_slicer,
)
