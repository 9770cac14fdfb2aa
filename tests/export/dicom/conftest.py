"""A DICOM series, and the same scan as others keep it: as NIfTI or NRRD, with axes flipped and swapped."""

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from fewlabel.volumes.reading import write_volume

ANGLE = np.radians(20)
OBLIQUE = np.array([[1, 0, 0], [0, np.cos(ANGLE), -np.sin(ANGLE)], [0, np.sin(ANGLE), np.cos(ANGLE)]])


@dataclass
class Written:
    """A series on disk: its folder, its voxels (column, row, slice) and their place in RAS mm."""

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
def write_series(tmp_path):
    """Callable (folder, turn, seed, shape, more header fields): writes a CT series, files in an order of their own."""

    def write(folder="series", turn=OBLIQUE, seed=0, shape=(14, 12, 9), thickness=3.0, **header):
        target = tmp_path / folder
        target.mkdir(parents=True, exist_ok=True)
        array = np.random.default_rng(seed).normal(0, 300, shape).astype(np.int16)
        axes, spacing, origin = turn, np.array([0.8, 1.1, 2.5]), np.array([-31.0, 12.5, 40.0])
        uids = {name: generate_uid() for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")}
        for place in np.random.default_rng(seed).permutation(shape[2]):
            slice_ = _slice(array[:, :, place].T, spacing, thickness)
            slice_.ImageOrientationPatient = [*axes[:, 0], *axes[:, 1]]
            slice_.ImagePositionPatient = list(origin + axes[:, 2] * spacing[2] * place)
            slice_.InstanceNumber = int(place) + 1
            for name, value in {**uids, **header}.items():
                setattr(slice_, name, value)
            slice_.save_as(target / f"{slice_.SOPInstanceUID}.dcm", write_like_original=False)
        affine = np.eye(4)
        affine[:3, :3], affine[:3, 3] = axes * spacing, origin
        return Written(target, array, np.diag([-1.0, -1, 1, 1]) @ affine, uids["SeriesInstanceUID"])

    return write


def _slice(pixels, spacing, thickness):
    """One CT slice, rows by columns."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    slice_ = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    slice_.is_little_endian, slice_.is_implicit_VR = True, False
    slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    slice_.SpecificCharacterSet = "ISO_IR 100"
    slice_.PatientName, slice_.PatientID, slice_.PatientSex = "Müller^Jörg", "12", "M"
    slice_.PatientBirthDate = slice_.StudyDate = slice_.StudyTime = slice_.ReferringPhysicianName = ""
    slice_.StudyID, slice_.AccessionNumber, slice_.Modality, slice_.SeriesNumber = "1", "", "CT", 2
    slice_.Manufacturer, slice_.ImageType = "A scanner", ["ORIGINAL", "PRIMARY", "AXIAL"]
    slice_.Rows, slice_.Columns = pixels.shape
    slice_.PixelSpacing, slice_.SliceThickness = [float(spacing[1]), float(spacing[0])], thickness
    slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
    slice_.BitsAllocated = slice_.BitsStored = 16
    slice_.HighBit, slice_.PixelRepresentation = 15, 1
    slice_.RescaleIntercept, slice_.RescaleSlope = 0, 1
    slice_.PixelData = np.ascontiguousarray(pixels).astype("<i2").tobytes()
    return slice_


@pytest.fixture
def change():
    """Callable (file, header fields): changes them in a DICOM file; None removes one."""

    def apply(path, **fields):
        dataset = pydicom.dcmread(path)
        for name, value in fields.items():
            delattr(dataset, name) if value is None else setattr(dataset, name, value)
        dataset.save_as(path)

    return apply
