"""The h5 files that the field passes around: one file a case with the arrays ``image`` and ``label``, no spacing."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from experiments.comparison.cases import UnusableData
from experiments.papers.layouts import Layout, files_below
from fewlabel.volumes.reading import Volume


def _atria(root: Path) -> dict[str, Path]:
    """The folder's name is the case."""
    return {path.parent.name: path for path in sorted(root.rglob("mri_norm2.h5"))}


def read_pair(image: Path, label: Path | None) -> tuple[Volume, Volume | None]:
    """Image, and everything that is not background as class 1, on voxels of 1 mm.

    Raises:
        UnusableData: the file cannot be read or lacks an array.
    """
    try:
        with h5py.File(image, "r") as file:
            arrays = [np.asarray(file[key]) for key in ("image", "label")]
    except (KeyError, OSError) as error:
        raise UnusableData(
            f"{image} cannot be read as an h5 file with the arrays image and label ({error}). Download it again."
        ) from error
    if arrays[0].ndim != 3 or arrays[0].shape != arrays[1].shape:
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise UnusableData(f"Image and label of {image} have the shapes {shapes}: not one volume. Download it again.")
    volume = Volume(arrays[0].astype(np.float32), np.eye(4))
    return volume, None if label is None else Volume((arrays[1] > 0).astype(np.uint8), np.eye(4))


LA = Layout("CASE/mri_norm2.h5", "CASE/mri_norm2.h5", _atria, _atria, read_pair)

PANCREAS = Layout(
    "CASE_norm.h5",
    "CASE_norm.h5",
    lambda root: files_below(root, "_norm.h5"),
    lambda root: files_below(root, "_norm.h5"),
    read_pair,
)

BRATS2019 = Layout(
    "CASE.h5", "CASE.h5", lambda root: files_below(root, ".h5"), lambda root: files_below(root, ".h5"), read_pair
)
