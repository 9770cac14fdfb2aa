"""The DICOM series of a folder, and which of them a scan was converted from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from fewlabel.errors import Refusal
from fewlabel.volumes.geometry import agree
from fewlabel.volumes.reading import Volume

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From DICOM's patient axes (LPS) to those of NIfTI and Slicer (RAS), and back."""

_UNEVEN = 0.01  # of the distance of two slices: a series that varies by more is not used
_ALIKE = 0.9  # least correlation of a slice of the scan with the same slice of its series


@dataclass(frozen=True)
class Series:
    """One DICOM series whose slices form a volume.

    Attributes:
        uid: of the series.
        description: of the series, for people; may be empty.
        slices: headers, in the order of the slices, first to last along their normal; without pixels.
        files: of the slices, in the same order.
        affine: (4, 4), voxel (column, row, slice) -> RAS mm.

    Examples:
        >>> header = Dataset()
        >>> header.Rows, header.Columns = 20, 30
        >>> Series("1.2.3", "CT", (header, header), (), np.eye(4)).shape
        (30, 20, 2)
    """

    uid: str
    description: str
    slices: tuple[Dataset, ...]
    files: tuple[Path, ...]
    affine: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, rows, slices."""
        return int(self.slices[0].Columns), int(self.slices[0].Rows), len(self.slices)

    def turn(self, affine: np.ndarray, shape: Sequence[int]) -> np.ndarray | None:
        """How to swap and flip the axes of a volume so that it has the grid of the series; None if it has another grid.

        Args:
            affine: (4, 4) of the volume, voxel -> RAS mm.
            shape: of the volume, three sides.

        Returns:
            an orientation transform of ``nibabel.orientations``.
        """
        orientations = nibabel.orientations
        turn = orientations.ornt_transform(
            orientations.io_orientation(affine), orientations.io_orientation(self.affine)
        )
        turned = affine @ orientations.inv_ornt_aff(turn, shape)
        sides = tuple(shape[int(axis)] for axis in np.argsort(turn[:, 0]))
        return turn if sides == self.shape and agree(self.shape, turned, self.affine) else None

    def shows(self, scan: Volume) -> bool:
        """Whether its middle slice correlates with that of the scan; True if its pixels cannot be read."""
        turn, middle = self.turn(scan.affine, scan.array.shape), len(self.slices) // 2
        if turn is None:
            return False
        try:
            pixels = pydicom.dcmread(self.files[middle]).pixel_array.T
        except Exception:  # compressed, and no decoder is installed: only the grid is compared
            return True
        ours = nibabel.orientations.apply_orientation(scan.array, turn)[:, :, middle]
        if np.ptp(pixels) == 0 or np.ptp(ours) == 0:
            return bool(np.ptp(pixels) == np.ptp(ours))
        return float(np.corrcoef(pixels.ravel(), ours.ravel())[0, 1]) >= _ALIKE


def find_series(folder: Path) -> list[Series]:
    """All series in a folder and its subfolders that form a volume, by UID.

    Raises:
        Refusal: (422) not a folder, or without a DICOM series of slices that form a volume; the message says why.
    """
    if not folder.is_dir():
        raise Refusal(f"{folder} is not a folder: name the one that holds the DICOM series of the scans.", 422)
    found: dict[str, list[tuple[Path, Dataset]]] = {}
    for path in sorted(folder.rglob("*")):
        header = _header(path)
        if header is not None:
            found.setdefault(str(header.SeriesInstanceUID), []).append((path, header))
    if not found:
        raise Refusal(f"{folder} holds no DICOM images: name the folder of the series that the scans came from.", 422)
    faults, series = [], []
    for uid, slices in sorted(found.items()):
        fault = _fault([header for _, header in slices])
        if fault:
            faults.append(f"Series {uid} {fault}.")
        else:
            series.append(_ordered(uid, slices))
    if not series:
        raise Refusal(f"No series in {folder} can be used. {' '.join(faults)}", 422)
    return series


def _header(path: Path) -> Dataset | None:
    """Header of a DICOM image; None for any other file."""
    if not path.is_file() or path.name == "DICOMDIR":
        return None
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError):
        return None
    except Exception:  # a damaged header makes the parser fail in any way
        return None
    return header if "SeriesInstanceUID" in header and "Rows" in header else None


def _fault(slices: list[Dataset]) -> str:
    """Why the slices do not form a volume, "" if they do."""
    if any(int(each.get("NumberOfFrames") or 1) > 1 for each in slices):
        return "has several frames in one file: convert it to single slices (for example by dcm4che's emf2sf)"
    needed = ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    if any(not each.get(name) for each in slices for name in needed):
        return "does not say where its slices are"
    first = slices[0]
    for name in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient"):
        if any(not np.allclose(first[name].value, each[name].value, atol=1e-4) for each in slices):
            return "has slices of several sizes or directions"
    steps = np.diff(np.sort(_along(slices)))
    if steps.size and steps.min() <= 0:
        return "has several slices at one position"
    if steps.size and np.ptp(steps) > _UNEVEN * steps.mean():
        return "lacks slices, or the distances of its slices are uneven"
    return ""


def _axes(header: Dataset) -> np.ndarray:
    """Directions of columns, rows and slices, one a row, in DICOM's LPS."""
    along_row, along_column = np.reshape(np.asarray(header.ImageOrientationPatient, float), (2, 3))
    return np.stack([along_row, along_column, np.cross(along_row, along_column)])


def _along(slices: list[Dataset]) -> np.ndarray:
    """Position of each slice along the normal, mm."""
    normal = _axes(slices[0])[2]
    return np.array([np.asarray(each.ImagePositionPatient, float) @ normal for each in slices])


def _ordered(uid: str, slices: list[tuple[Path, Dataset]]) -> Series:
    order = np.argsort(_along([header for _, header in slices]))
    headers = [slices[index][1] for index in order]
    first, last = (np.asarray(each.ImagePositionPatient, float) for each in (headers[0], headers[-1]))
    axes, (row_distance, column_distance) = _axes(headers[0]), (float(each) for each in headers[0].PixelSpacing)
    if len(headers) > 1:
        step = (last - first) / (len(headers) - 1)
    else:
        step = axes[2] * float(headers[0].get("SliceThickness") or 1.0)
    affine = np.eye(4)
    affine[:3] = np.column_stack([axes[0] * column_distance, axes[1] * row_distance, step, first])
    return Series(
        uid,
        str(headers[0].get("SeriesDescription") or ""),
        tuple(headers),
        tuple(slices[index][0] for index in order),
        LPS_TO_RAS @ affine,
    )


def series_of(case: str, scan: Volume, found: Sequence[Series]) -> Series:
    """The series that a scan was converted from: the one of the same grid and the same intensities.

    Args:
        case: id, for messages.
        scan: as read from the study.
        found: the series to choose from.

    Raises:
        Refusal: (422) there is none, or there are several.
    """
    there = [each for each in found if each.turn(scan.affine, scan.array.shape) is not None]
    if not there:
        sides = " x ".join(str(side) for side in scan.array.shape)
        raise Refusal(
            f"No DICOM series has the grid of '{case}' ({sides} voxels): its scan was resampled or cropped, or comes "
            "from another series. A DICOM SEG is exported only on the grid of its series.",
            422,
        )
    alike = [each for each in there if each.shows(scan)]
    if not alike:
        raise Refusal(f"The DICOM series with the grid of '{case}' shows something else than its scan.", 422)
    if len(alike) > 1:
        uids = ", ".join(each.uid for each in alike)
        raise Refusal(f"Several DICOM series show the scan of '{case}' ({uids}): name a folder with one of them.", 422)
    return alike[0]
