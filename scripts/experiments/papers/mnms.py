"""M&Ms: cine volumes of two labelled frames each; vendors and frames are in the data set's csv."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from experiments.comparison.cases import UnusableData
from experiments.papers.grid import clipped, cut, resized
from experiments.papers.layouts import Layout, files_below
from experiments.papers.protocols import PROTOCOLS
from experiments.papers.splits import Split, listed
from fewlabel.volumes.formats import UnreadableVolume
from fewlabel.volumes.nifti import decode_nifti
from fewlabel.volumes.reading import Volume

_COLUMNS = ("External code", "Vendor", "ED", "ES")
_IMAGE, _LABEL = "_sa.nii.gz", "_sa_gt.nii.gz"
_PHASES = ("ED", "ES")  # end of diastole, end of systole


@dataclass(frozen=True)
class Frame:
    """One time point of a cine file."""

    path: Path
    index: int


def read_split(root: Path, target: str) -> Split:
    """The held-out vendor's frames for testing, those of the other three for training, labelled and not.

    Patients without labels in the original release (folder ``Unlabeled``) are left out, as in the field.

    Raises:
        UnusableData: no csv with vendors and frames, or a published labelled patient is not in it.
    """
    lists = listed("mnms")
    bare = {name for name, path in files_below(root, _IMAGE).items() if "Unlabeled" in path.relative_to(root).parts}
    patients = {name: row for name, row in _patients(root).items() if name not in bare}
    if target not in {row["Vendor"] for row in patients.values()}:
        raise UnusableData(f"The csv of M&Ms below {root} names no patient of vendor {target}. Download it again.")
    held_out = [name for name, row in patients.items() if row["Vendor"] == target]
    labelled = {int(count): names for count, names in lists[target]["labelled"].items()}
    for name in (name for names in labelled.values() for name in names):
        if name not in patients or name in held_out:
            raise UnusableData(
                f"The published list for target {target} has the labelled patient {name}, whom the csv of M&Ms below "
                f"{root} does not name among the other vendors. Download the data set again."
            )
    development = _frames(name for name in patients if name not in held_out)
    drawn = {count: _frames(names) for count, names in labelled.items()}
    return Split(lists["source"], development, _frames(held_out), drawn, development)


def _frames(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{name}_{phase}" for name in names for phase in _PHASES)


def _patients(root: Path) -> dict[str, dict[str, str]]:
    for path in sorted(root.rglob("*.csv")):
        with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = csv.DictReader(file)
            if set(_COLUMNS) <= set(rows.fieldnames or ()):
                cleaned = [{key: (row[key] or "").strip() for key in _COLUMNS} for row in rows]
                return {row["External code"]: row for row in cleaned}
    raise UnusableData(
        f"{root} does not look like M&Ms: neither in it nor below it is a csv file with the columns "
        f"{', '.join(_COLUMNS)}. Give with --root the folder OpenDataset that you unpacked."
    )


def _by_frame(root: Path, ending: str) -> dict[str, Frame]:
    files, patients = files_below(root, ending), _patients(root)
    return {
        f"{name}_{phase}": Frame(files[name], int(float(row[phase])))
        for name, row in patients.items()
        for phase in _PHASES
        if name in files and row[phase]
    }


def _read_frame(frame: Frame, dtype: type) -> Volume:
    try:
        array, grid = decode_nifti(frame.path.read_bytes(), True, dtype)
    except UnreadableVolume as error:
        raise UnusableData(f"{frame.path} {error}.") from error
    if array.ndim != 4 or frame.index >= array.shape[3]:
        size = " x ".join(str(side) for side in array.shape)
        raise UnusableData(
            f"{frame.path} has the size {size}, but the csv names its frame {frame.index}. Download both again."
        )
    return Volume(array[..., frame.index], grid.affine)


def read_pair(image: Frame, label: Frame | None) -> tuple[Volume, Volume | None]:
    """The frame's middle two thirds in plane, all its slices, cut off at the 0.5th and 99.5th percentile, resized.

    Raises:
        UnusableData: a file is damaged, or the frame has no label.
    """
    shape = PROTOCOLS["mnms"].grid
    volume = _read_frame(image, np.float32)
    sides = volume.array.shape
    start = tuple(side // 2 - side // 3 for side in sides[:2])
    stop = tuple(side // 2 + side // 3 for side in sides[:2])
    box = (*start, 0), (*stop, sides[2])
    low, high = np.percentile(volume.array, (0.5, 99.5))
    small = resized(clipped(cut(volume, *box), low, high), shape, is_label=False)
    if label is None:
        return small, None
    reference = _read_frame(label, np.float64)
    if reference.array.shape != sides:
        raise UnusableData(f"{label.path} has another size than {image.path}. Download both again.")
    if not reference.array.any():
        raise UnusableData(f"Frame {label.index} of {label.path} has no label. Check its line in the csv.")
    rounded = Volume(np.rint(reference.array).astype(np.uint8), volume.affine)
    return small, resized(cut(rounded, *box), shape, is_label=True)


MNMS = Layout(
    "PATIENT_sa.nii.gz for CASE",
    "PATIENT_sa_gt.nii.gz for CASE",
    lambda root: _by_frame(root, _IMAGE),
    lambda root: _by_frame(root, _LABEL),
    read_pair,
)
