"""Pre- and postprocessing of an exported network as JSON: from a scan to its input, and from its output to a label map.

Three short scripts are exported with it, which segment a folder without FewLabel and MONAI: ``segment.py``, the
example; ``steps.py``, pre- and postprocessing; ``network.py``, which loads and runs the network of each format.
"""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fewlabel import __version__
from fewlabel.export.base import run_alone
from fewlabel.inference.predict import sliding_window
from fewlabel.networks import divisor
from fewlabel.plan import Plan
from fewlabel.published import Published
from fewlabel.volumes.reading import EXTENSIONS

SIDECAR = "model.json"
_SPACING_TOLERANCE = 0.001
_LEAST_WEIGHT = 0.001
"""MONAI's own: mm by which an axis may be off and is not resampled, and what no window's weight is less than."""
_ALONE = Path(__file__).with_name("alone")
_EVERYWHERE = ("numpy", "nibabel", "SimpleITK")


def sidecar(model: Published, file: str) -> dict[str, Any]:
    """All parameters from a scan to its label map; the scripts in ``alone/`` read them from here.

    Args:
        model: that is exported.
        file: of its network.
    """
    plan = model.plan
    names = ["background", *plan.classes]
    return {
        "made_by": f"FewLabel {__version__}",
        "network": {
            "file": file,
            "input": {"name": "image", "shape": ["batch", 1, "i", "j", "k"], "type": "float32"},
            "output": {"name": "logits", "shape": ["batch", len(names), "i", "j", "k"], "type": "float32"},
            "multiple_of": divisor(plan.network),
        },
        "axes": "RAS",
        "spacing": list(plan.spacing),
        "spacing_tolerance": _SPACING_TOLERANCE,
        "interpolation": {"image": "linear", "probabilities": "linear", "outside": "nearest"},
        "intensity": _intensity(plan),
        "windows": _windows(plan),
        "classes": [{"name": name, "value": value} for value, name in enumerate(names)],
        "rule": "softmax of the blended logits, resampled to the grid of the scan, then the likeliest class, the first "
        "of equals",
        "endings": list(EXTENSIONS),
        "fewlabel": {**model.card, "classes": list(plan.classes)},
    }


def _intensity(plan: Plan) -> dict[str, Any]:
    if plan.normalisation == "ct":
        return {"normalisation": "ct", "window": list(plan.window), "scaled_to": [-1, 1], "then": "sigmoid"}
    return {"normalisation": "meanstd", "mean": 0, "deviation": 1, "over": "the voxels of the scan that are not 0"}


def _windows(plan: Plan) -> dict[str, Any]:
    """The server's sliding window; sigma is a fraction of the side, and no weight is below the least."""
    used = sliding_window(plan)
    return {
        "patch": list(plan.patch),
        "overlap": used.overlap,
        "blending": str(used.mode.value),
        "sigma": used.sigma_scale,
        "least_weight": _LEAST_WEIGHT,
        "padding": used.cval,
        "batch": used.sw_batch_size,
    }


def write_alone(model: Published, folder: Path, file: str, network: str, needs: Sequence[str]) -> None:
    """The sidecar, the scripts and the list of packages.

    Args:
        model: that is exported.
        folder: of the export.
        file: of its network in the folder.
        network: the script of ``alone/`` that runs this file.
        needs: packages of which it needs the versions of today, beside those that all need.
    """
    text = json.dumps(sidecar(model, file), indent=4)
    (folder / SIDECAR).write_text(text + "\n", encoding="utf-8")
    for source, name in (("segment.py", "segment.py"), ("steps.py", "steps.py"), (network, "network.py")):
        shutil.copyfile(_ALONE / source, folder / name)
    (folder / "requirements.txt").write_text(requirements(needs), encoding="utf-8")


def requirements(needs: Sequence[str]) -> str:
    """The packages that the scripts need, in the versions with which the export was made, one a line."""
    versions = {name: importlib.metadata.version(name).partition("+")[0] for name in (*needs, *_EVERYWHERE)}
    return "".join(f"{name}=={version}\n" for name, version in versions.items())


def run_segment(folder: Path, images: Path, output: Path) -> None:
    """``segment.py`` on a folder of images, in a process without FewLabel.

    Raises:
        Refusal: (500) it failed; its last words are in the message.
    """
    script = folder / "segment.py"
    run_alone([sys.executable, str(script), str(images), str(output), "--probabilities"], folder)
