"""Images on disk and in a volume node: reading one, its grid, and a window to show it with. No scene, no widgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Tuple

import numpy as np
import SimpleITK
import slicer

from .errors import Unusable
from .label_file import Geometry


def usual_range(values: np.ndarray) -> Tuple[float, float]:
    """Between which values all but two in a thousand lie, of some 200,000 that are looked at."""
    sample = values[tuple(slice(None, None, -(-side // 60)) for side in values.shape)]
    low, high = np.percentile(sample, (0.1, 99.9))
    return float(low), float(high)


def read_into(node: Any, path: Path) -> Any:
    """Read a file into a volume node; the storage node that did it.

    Raises:
        Unusable: Slicer cannot read it.
    """
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    storage.SetSingleFile(True)
    if not storage.ReadData(node) or node.GetImageData() is None:
        raise Unusable(f"Slicer cannot read the image {path}. Slicer's log says why.")
    return storage


def grid_of_file(path: Path, shown: Geometry) -> Geometry:
    """The grid as it is in the file: Slicer mirrors the slices of left-handed images when it reads them."""
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:  # a kind of file that Slicer reads by other means
        return shown
    if tuple(reader.GetSize()) != tuple(reversed(shown.shape)):  # four dimensions, of which Slicer shows three
        return shown
    lps = np.eye(4)
    lps[:3, :3] = np.array(reader.GetDirection()).reshape(3, 3) @ np.diag(reader.GetSpacing())
    lps[:3, 3] = reader.GetOrigin()
    return Geometry(shown.shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps)
