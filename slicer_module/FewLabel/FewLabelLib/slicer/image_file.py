"""Reads images from disk into a volume node, with their grid and a display window. No scene, no widgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional, Tuple

import numpy as np
import SimpleITK
import slicer
import vtk

from ..errors import Unusable
from ..label.label_file import Geometry


def usual_range(values: np.ndarray) -> Tuple[float, float]:
    """Range of all but two in a thousand values, from a sample of about 200,000."""
    sample = values[tuple(slice(None, None, -(-side // 60)) for side in values.shape)].ravel()
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 0.0
    ends = [round(part * (sample.size - 1)) for part in (0.001, 0.999)]
    low, high = np.partition(sample, ends)[ends]  # np.percentile would import more of numpy first
    return float(low), float(high)


def read_into(node: Any, path: Path) -> None:
    """Read a file into a volume node.

    Raises:
        Unusable: Slicer cannot read it.
    """
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    storage.SetSingleFile(True)
    if not _read_plainly(node, path) and (not storage.ReadData(node) or node.GetImageData() is None):
        raise Unusable(f"Slicer cannot read the image {path}. Slicer's log says why.")


def _read_plainly(node: Any, path: Path) -> bool:
    """Read an uncompressed NIfTI file with VTK's reader, which takes half the time of Slicer's.

    False: nothing was read, since the file has another format, more than three dimensions or scaled values, or is
    left-handed (Slicer's reader mirrors the slices then).
    """
    reader = vtk.vtkNIFTIImageReader()
    if path.suffix.lower() != ".nii" or not reader.CanReadFile(str(path)):
        return False
    reader.SetFileName(str(path))
    reader.UpdateInformation()
    extent = reader.GetDataExtent()
    shape = extent[5] + 1, extent[3] + 1, extent[1] + 1
    grid = grid_of_file(path, None)
    plain = reader.GetRescaleSlope() == 1 and reader.GetRescaleIntercept() == 0 and reader.GetTimeDimension() <= 1
    components = reader.GetNumberOfScalarComponents()
    if grid is None or grid.shape != shape or not plain or components != 1 or np.linalg.det(grid.ijk_to_ras) < 0:
        return False
    reader.Update()
    image, matrix = vtk.vtkImageData(), vtk.vtkMatrix4x4()
    image.ShallowCopy(reader.GetOutput())
    image.SetOrigin(0, 0, 0)  # a volume node has origin and spacing itself
    image.SetSpacing(1, 1, 1)
    matrix.DeepCopy(grid.ijk_to_ras.ravel())
    node.SetIJKToRASMatrix(matrix)
    node.SetAndObserveImageData(image)
    return True


def grid_of_file(path: Path, shown: Optional[Geometry]) -> Optional[Geometry]:
    """The grid as in the file: Slicer mirrors the slices of left-handed images when it reads them.

    Args:
        path: of the image.
        shown: the grid in Slicer, if known: used where only Slicer can read the format.
    """
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:  # a format that only Slicer can read
        return shown
    shape = tuple(reversed(reader.GetSize()))
    if len(shape) != 3 or (
        shown is not None and shape != tuple(shown.shape)
    ):  # four dimensions, of which Slicer shows three
        return shown
    lps = np.eye(4)
    lps[:3, :3] = np.array(reader.GetDirection()).reshape(3, 3) @ np.diag(reader.GetSpacing())
    lps[:3, 3] = reader.GetOrigin()
    return Geometry(shape, np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps)
