"""Generated scans of four invented vendors: the same anatomy, other scanners. So the shift between them is known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.demo.phantom import DEFAULT_CLASSES, Scanner, generate
from fewlabel.datastore.domains import FILE
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import write_json

VENDORS: dict[str, dict[str, Any]] = {
    "A": {"coarser": 1.4},
    "B": {"coarser": 1.25, "modality": "t2", "scanner": Scanner(noise=0.7)},
    "C": {"coarser": 1.6, "scanner": Scanner(field=3.0, noise=1.5)},
    "D": {"coarser": 1.6, "scanner": Scanner(inverted=True, field=2.0, noise=1.3, blur=1.5)},
}
"""What the generator is told for each. A: the demo's T1-weighted scanner in coarser voxels, so that a CPU learns
quickly. B: T2-weighted, finer, less noise. C: as A, with three times the receive field, more noise, coarser. D: the
contrast of A inverted, with twice its receive field, more noise, blurred, coarser."""

SEED = 7_000_000  # scans of other generated studies have smaller ones


def write_vendors(folder: Path, counts: Mapping[str, int], seed: int = 0) -> dict[str, str]:
    """Write ``images/``, ``labels/``, ``dataset.json`` and ``domains.csv``; what is there already is not made again.

    Args:
        folder: of the scans.
        counts: scans of each vendor; no two vendors share a patient.
        seed: of all scans. The first scans of a vendor are the same for any count.

    Returns:
        The vendor of each case; ids begin with its letter: ``a_01``.
    """
    vendor_of = {}
    for vendor, count in counts.items():
        for number in range(count):
            case = f"{vendor.lower()}_{number + 1:02d}"
            vendor_of[case] = vendor
            image, label = (folder / kind / f"{case}.nii.gz" for kind in ("images", "labels"))
            if label.exists():
                continue
            patient = SEED + seed * 10_000 + list(VENDORS).index(vendor) * 1000 + number
            phantom = generate(patient, **VENDORS[vendor])
            write_volume(image, phantom.image.array.astype(np.int16), phantom.image.affine)
            write_volume(label, phantom.label.array, phantom.label.affine)
    named = enumerate(("background", *DEFAULT_CLASSES))
    write_json(folder / "dataset.json", {"labels": {str(value): name for value, name in named}})
    lines = ["id,domain", *(f"{case},vendor {vendor}" for case, vendor in vendor_of.items())]
    (folder / FILE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return vendor_of
