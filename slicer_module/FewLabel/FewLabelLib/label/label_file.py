"""Writes a label map as an NRRD file, in a background thread and without libraries that Slicer may lack."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Tuple

import numpy as np


@dataclass(frozen=True)
class Geometry:
    """The image's grid.

    Attributes:
        shape: (k, j, i), as ``slicer.util`` gives arrays.
        ijk_to_ras: (4, 4), voxel (i, j, k) to RAS mm.
    """

    shape: Tuple[int, int, int]
    ijk_to_ras: np.ndarray


def write_label(path: Path, array: np.ndarray, geometry: Geometry) -> Path:
    """Write uint8 (k, j, i) as gzipped NRRD in LPS mm, with full precision of the geometry; atomic.

    Returns:
        The path.

    Raises:
        ValueError: not uint8, or not on this grid.
        OSError: it cannot be written.
    """
    if array.dtype != np.uint8 or array.shape != tuple(geometry.shape):
        raise ValueError(f"{array.dtype} {array.shape} is not a uint8 label map of {geometry.shape} voxels")
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(geometry.ijk_to_ras, float)
    header = [
        "NRRD0004",
        "type: uchar",
        "dimension: 3",
        "space: left-posterior-superior",
        "sizes: " + " ".join(str(length) for length in reversed(geometry.shape)),
        "space directions: " + " ".join(_vector(lps[:3, axis]) for axis in range(3)),
        "kinds: domain domain domain",
        "encoding: gzip",
        "space origin: " + _vector(lps[:3, 3]),
    ]
    temporary = path.with_name(f".part-{os.getpid()}-{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(("\n".join(header) + "\n\n").encode("ascii"))
            with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) as packed:
                packed.write(np.ascontiguousarray(array).tobytes())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _vector(numbers: np.ndarray) -> str:
    return "(" + ",".join(repr(float(number)) for number in numbers) + ")"
