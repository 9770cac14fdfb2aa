"""A DICOM series, and the same scan as others keep it: as NIfTI or NRRD, with axes flipped and swapped."""

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from fewlabel.volumes.reading import write_volume

ANGLE = np.radians(20)
OBLIQUE = np.array([[1, 0, 0], [0, np.cos(ANGLE), -np.sin(ANGLE)], [0, np.sin(ANGLE), np.cos(ANGLE)]])


@dataclass
class Written:
    """A series on disk: its folder, its voxels (column, row, slice) and their affine in RAS mm."""

    folder: Path
    array: np.ndarray
    affine: np.ndarray
    uid: str

    def scan(self, path, orientation="RAS"):
        """The same scan in a file whose axes point as these letters say."""
        turn = nibabel.orientations.ornt_transform(
            nibabel.orientations.io_orientation(self.affine), nibabel.orientations.axcodes2ornt(orientation)
        )
        array = nibabel.orientations.apply_orientation(self.array, turn)
        affine = self.affine @ nibabel.orientations.inv_ornt_aff(turn, self.array.shape)
        write_volume(path, np.ascontiguousarray(array).astype(np.int16), affine)
        return path


@pytest.fixture
def write_series(tmp_path, dicom_writer):
    """Callable (folder, turn, seed, shape, more header fields): writes a CT series of noise."""

    def write(folder="series", turn=OBLIQUE, seed=0, shape=(14, 12, 9), **more):
        array = np.random.default_rng(seed).normal(0, 300, shape).astype(np.int16)
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = turn * np.array([0.8, 1.1, 2.5]), [-31.0, 12.5, 40.0]
        affine = np.diag([-1.0, -1, 1, 1]) @ affine
        uid = dicom_writer(tmp_path / folder, array, affine, seed, **more)
        return Written(tmp_path / folder, array, affine, uid)

    return write


@pytest.fixture
def change():
    """Callable (file, header fields): changes them in a DICOM file; None removes one."""

    def apply(path, **fields):
        dataset = pydicom.dcmread(path)
        for name, value in fields.items():
            delattr(dataset, name) if value is None else setattr(dataset, name, value)
        dataset.save_as(path)

    return apply
