"""The published model as TorchScript, with pre- and postprocessing as JSON and scripts that do not need MONAI.

In Python or C++, with torch alone::

    network = torch.jit.load("network.ts").eval()
    logits = network(crops)  # float32 (batch, 1, i, j, k) -> (batch, classes, i, j, k)
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch

from fewlabel.export.base import Export
from fewlabel.export.sidecar import SIDECAR, run_segment, write_alone
from fewlabel.published import Published

_FILE = "network.ts"


def traced(model: Published) -> bytes:
    """The deployed network as TorchScript, for crops of any number and size that the network takes."""
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit announces its successor, tracing that shapes are looked at
        network = torch.jit.trace(model.network, torch.zeros(1, 1, *model.plan.patch), check_trace=False)
        buffer = io.BytesIO()  # on a full disk torch's own writer has no OSError, or ends the process
        torch.jit.save(network, buffer)
    return buffer.getvalue()


def write_torchscript(model: Published, folder: Path) -> None:
    """Network, sidecar, scripts and readme into an empty folder."""
    (folder / _FILE).write_bytes(traced(model))
    write_alone(model, folder, _FILE, "torchscript_network.py", ["torch"])
    (folder / "README.md").write_text(_README, encoding="utf-8")


_README = """# The model as TorchScript

`network.ts` is the network, from a normalised crop to logits; `model.json` describes the other steps: orientation,
voxel size, interpolation, normalisation, windows and their blending, classes with their values. `segment.py` applies
all of them to a folder of scans. It needs Python 3.10 or newer and
neither FewLabel nor MONAI:

```
python -m pip install -r requirements.txt
python segment.py IMAGES LABELS
```

Only the network, in Python or C++, with torch (for a CPU 190 MB to fetch, 750 MB on disk):

```python
network = torch.jit.load("network.ts").eval()
logits = network(crops)  # float32 (batch, 1, i, j, k) -> (batch, classes, i, j, k)
```

Crops may have any size whose sides are multiples of `network.multiple_of` in `model.json`. Not a medical device.
"""


TORCHSCRIPT = Export(
    "TorchScript, with the preprocessing as JSON and a script that needs no MONAI",
    write_torchscript,
    run_segment,
    folder="fewlabel_torchscript",
    card=SIDECAR,
)
