"""Challenge data as their makers give them away: NIfTI images and labels in folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from experiments.comparison.cases import UnusableData
from experiments.papers.grid import clipped, content_box, cut, resized
from experiments.papers.layouts import Layout, check_grid, files_below
from experiments.papers.protocols import PROTOCOLS
from fewlabel.volumes.reading import Volume, read_label, read_volume

# 421 stands in some files for 420; right atrium, right ventricle and pulmonary artery are background here
_HEART = {0: 0, 205: 1, 420: 2, 421: 2, 500: 3, 820: 4, 550: 0, 600: 0, 850: 0}


def _read_brats(image_path: Path, label_path: Path | None) -> tuple[Volume, Volume | None]:
    """FLAIR and the whole tumour (every value above 0), cut to the brain: where FLAIR is not 0."""
    image = read_volume(image_path)
    box = content_box(image.array)
    if label_path is None:
        return cut(image, *box), None
    label = read_label(label_path)
    check_grid(image_path, image, label)
    whole = Volume((label.array > 0).astype(np.uint8), label.affine, label.notes)
    return cut(image, *box), cut(whole, *box)


def _read_abdomen(name: str, image_path: Path, label_path: Path | None) -> tuple[Volume, Volume | None]:
    """Resized to the protocol's grid; label values are the field's already."""
    shape = PROTOCOLS[name].grid
    image = read_volume(image_path)
    small = resized(image, shape, is_label=False)
    if label_path is None:
        return small, None
    label = read_label(label_path)
    check_grid(image_path, image, label)
    return small, resized(label, shape, is_label=True)


def _read_heart(image_path: Path, label_path: Path | None) -> tuple[Volume, Volume | None]:
    """Cut off at 0 and at the 98th percentile, then resized whole; four of the seven structures are kept."""
    shape = PROTOCOLS["mmwhs"].grid
    image = read_volume(image_path)
    small = resized(clipped(image, 0.0, float(np.percentile(image.array, 98))), shape, is_label=False)
    if label_path is None:
        return small, None
    values = read_volume(label_path)  # up to 850: no label map of ours
    check_grid(image_path, image, values)
    unknown = sorted(set(np.unique(values.array).tolist()) - set(_HEART))
    if unknown:
        known = ", ".join(str(value) for value in _HEART)
        raise UnusableData(f"{label_path} has the value {unknown[0]:g}, but MM-WHS has {known}. Download it again.")
    array = np.zeros(values.array.shape, np.uint8)
    for value, class_ in _HEART.items():
        array[values.array == value] = class_
    return small, resized(Volume(array, values.affine), shape, is_label=True)


BRATS2019 = Layout(
    "CASE_flair.nii.gz (or CASE.h5)",
    "CASE_seg.nii.gz",
    lambda root: {**files_below(root, "_flair.nii"), **files_below(root, "_flair.nii.gz")},
    lambda root: {**files_below(root, "_seg.nii"), **files_below(root, "_seg.nii.gz")},
    _read_brats,
)

SYNAPSE = Layout(
    "imagesTr/CASE.nii.gz",
    "labelsTr/labelNUMBER.nii.gz for CASE",
    lambda root: files_below(root, ".nii.gz", "images"),
    lambda root: {case.replace("label", "img"): path for case, path in files_below(root, ".nii.gz", "labels").items()},
    lambda image, label: _read_abdomen("synapse", image, label),
)

AMOS = Layout(
    "imagesTr/CASE.nii.gz or imagesVa/CASE.nii.gz",
    "labelsTr/CASE.nii.gz or labelsVa/CASE.nii.gz",
    lambda root: files_below(root, ".nii.gz", "images"),
    lambda root: files_below(root, ".nii.gz", "labels"),
    lambda image, label: _read_abdomen("amos", image, label),
)

MMWHS = Layout(
    "CASE_image.nii.gz",
    "CASE_label.nii.gz",
    lambda root: files_below(root, "_image.nii.gz"),
    lambda root: files_below(root, "_label.nii.gz"),
    _read_heart,
)
