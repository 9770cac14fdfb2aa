"""A generated pool in which choice matters: a tenth of it is of three rare kinds, and so is a third of the test cases.

If a model does worse on a kind of which it has learnt no label, a strategy pays that finds one of each. Ordinary scans
are those of the demo, in coarser voxels, so that a CPU plays many rounds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from experiments.demo.phantom import DEFAULT_CLASSES, MIRRORED, RESECTED, generate
from experiments.harness.errors import ExperimentError
from experiments.rounds.kinds import ORDINARY, write_kinds
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import write_json

RARE: dict[str, dict[str, Any]] = {
    "rare anatomy": {"variant": MIRRORED},
    "resection": {"variant": RESECTED},
    "second scanner": {"modality": "t2"},
}
"""The rare kinds, with what the generator is told."""

COARSER = 1.4
_IN_POOL, _IN_TEST = 10, 3  # one of so many is rare


def write_pool(output: Path, scans: int, test: int, seed: int) -> str:
    """Write ``images/``, ``labels/``, ``dataset.json``, ``splits.json`` and ``kinds.csv``; say what was written.

    Args:
        output: a folder that does not exist yet, or is empty.
        scans: of the pool, which are the development cases of the split; a tenth of them, rounded, is rare.
        test: test cases; a third of them, rounded, is rare. Each rare kind has as many, or one more than another.
        seed: of all scans. The same arguments give the same scans; case names say nothing about kinds.

    Raises:
        ExperimentError: the folder is not empty.
    """
    if output.exists() and any(output.iterdir()):
        raise ExperimentError(f"{output} is not empty; choose another folder with --output.")
    rng = np.random.default_rng([seed, scans, test])
    kinds = [kind for count, share in ((scans, _IN_POOL), (test, _IN_TEST)) for kind in _drawn(count, share, rng)]
    names = [f"case_{number:04d}" for number in rng.permutation(scans + test) + 1]
    for number, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        phantom = generate(seed * 100_000 + number, coarser=COARSER, **RARE.get(kind, {}))
        write_volume(output / "images" / f"{name}.nii.gz", phantom.image.array.astype(np.int16), phantom.image.affine)
        write_volume(output / "labels" / f"{name}.nii.gz", phantom.label.array, phantom.label.affine)
    labels = {str(value): name for value, name in enumerate(("background", *DEFAULT_CLASSES))}
    write_json(output / "dataset.json", {"labels": labels})
    write_kinds(output, dict(zip(names, kinds, strict=True)))
    write_json(output / "splits.json", {"test": sorted(names[scans:]), "development": sorted(names[:scans])})
    return f"{output}: {_said(kinds[:scans])} in the pool; {_said(kinds[scans:])} for the test."


def _drawn(count: int, share: int, rng: np.random.Generator) -> list[str]:
    """Kinds of so many cases in random order."""
    rare = [list(RARE)[number % len(RARE)] for number in range(round(count / share))]
    return [str(kind) for kind in rng.permutation(rare + [ORDINARY] * (count - len(rare)))]


def _said(kinds: list[str]) -> str:
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in (ORDINARY, *RARE))
