"""The published model as ONNX, with pre- and postprocessing as JSON and scripts that need neither torch nor MONAI.

In any language that has ONNX Runtime::

    network = onnxruntime.InferenceSession("network.onnx")
    (logits,) = network.run(None, {"image": crops})  # float32 (batch, 1, i, j, k) -> (batch, classes, i, j, k)
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch

from fewlabel.export.base import Export
from fewlabel.export.comparing import Comparison
from fewlabel.export.sidecar import SIDECAR, run_segment, write_alone
from fewlabel.published import Published

LARGEST_SHARE = 1e-4
"""Largest fraction of voxels that may differ from ``/infer``: another library sums in another order."""

_FILE = "network.onnx"
_OPERATORS = 17  # operator set of ONNX 1.12, of 2022: old runtimes have it
_AXES = {0: "batch", 2: "i", 3: "j", 4: "k"}


def as_onnx(model: Published) -> bytes:
    """The deployed network as ONNX, for crops of any number and size that the network takes.

    By torch's exporter from a trace: it needs the package ``onnx`` alone, where the newer one needs two more.
    """
    buffer = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it announces its successor, and that it looks at shapes
        torch.onnx.export(
            model.network,
            (torch.zeros(1, 1, *model.plan.patch),),
            buffer,  # type: ignore[arg-type]  # this exporter writes to any open file
            dynamo=False,
            opset_version=_OPERATORS,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": _AXES, "logits": _AXES},
        )
    return buffer.getvalue()


def write_onnx(model: Published, folder: Path) -> None:
    """Network, sidecar, scripts and readme into an empty folder."""
    (folder / _FILE).write_bytes(as_onnx(model))
    write_alone(model, folder, _FILE, "onnx_network.py", ["onnxruntime", "scipy"])
    (folder / "README.md").write_text(_README, encoding="utf-8")


def agrees(comparison: Comparison) -> str:
    """The rule: at most ``LARGEST_SHARE`` of the voxels differ; of a small scan, one voxel."""
    if comparison.differing <= max(1, LARGEST_SHARE * comparison.voxels):
        return ""
    return f"{comparison.differing} of {comparison.voxels} voxels differ, more than {LARGEST_SHARE:.2%}"


_README = """# The model as ONNX

`network.onnx` is the network, from a normalised crop to logits; `model.json` describes the other steps: orientation,
voxel size, interpolation, normalisation, windows and their blending, classes with their values. `segment.py` applies
all of them to a folder of scans. It needs Python 3.10 or newer and
neither FewLabel, MONAI nor torch:

```
python -m pip install -r requirements.txt
python segment.py IMAGES LABELS
```

Only the network, in any language that has ONNX Runtime (18 MB to fetch for Python, 53 MB on disk):

```python
network = onnxruntime.InferenceSession("network.onnx")
(logits,) = network.run(None, {"image": crops})  # float32 (batch, 1, i, j, k) -> (batch, classes, i, j, k)
```

Crops may have any size whose sides are multiples of `network.multiple_of` in `model.json`. Not a medical device.
"""


ONNX = Export(
    "ONNX, with the preprocessing as JSON and a script that needs neither torch nor MONAI",
    write_onnx,
    run_segment,
    folder="fewlabel_onnx",
    card=SIDECAR,
    needs=("onnx", "onnxruntime"),
    agrees=agrees,
)
