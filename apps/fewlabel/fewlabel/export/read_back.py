"""Reads a data set with SimpleITK, for the comparison with the study."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK

from fewlabel.errors import Refusal
from fewlabel.export.layout import CARD
from fewlabel.export.source import Source
from fewlabel.volumes.geometry import LPS_RAS
from fewlabel.volumes.reading import Volume, read_label, read_volume, same_grid


def read_with_itk(source: Source, folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Every scan and label as the study has it and as SimpleITK reads it from the data set.

    Raises:
        Refusal: (500) a file has another affine than the scan or another checksum, or cannot be read.
    """
    rows = json.loads((folder / CARD).read_text(encoding="utf-8"))["fewlabel"]["cases"]
    cases = {case.id: case for case in source.cases}
    for number, row in enumerate(rows):
        source.tell(0.5 + 0.5 * number / len(rows), f"{row['case']} is read back")
        case = cases[row["case"]]
        image = read_volume(case.image)
        found = with_itk(folder / row["image"], image)
        if found.shape == image.array.shape:  # NIfTI's scaling is computed in another precision
            found = np.where(np.isclose(found, image.array, rtol=1e-6, atol=0), image.array, found)
        yield f"{row['case']} (scan)", image.array, found
        if row["label"] and case.label:
            yield f"{row['case']} (label)", read_label(case.label()).array, with_itk(folder / row["label"], image)


def with_itk(file: Path, image: Volume) -> np.ndarray:
    """Voxels (i, j, k) of a file, which must have the scan's affine."""
    try:
        read = SimpleITK.ReadImage(str(file))
    except RuntimeError as error:
        raise Refusal(f"ITK cannot read {file.name} of the data set: {str(error).splitlines()[-1]}", 500) from error
    axes = np.array(read.GetDirection()).reshape(3, 3) * np.array(read.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes, read.GetOrigin()
    array = SimpleITK.GetArrayFromImage(read).transpose()
    if array.shape == image.array.shape and not same_grid(Volume(array, LPS_RAS @ affine), image):
        raise Refusal(f"{file.name} of the data set has another affine than the scan.", 500)
    return array
