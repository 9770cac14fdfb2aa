"""A workspace with a published model of random but fixed weights."""

import dataclasses
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from fewlabel.datastore.store import StudyDatastore
from fewlabel.export.dataset import list_cases
from fewlabel.export.source import Options, Source
from fewlabel.export.table import EXPORTS
from fewlabel.networks import find
from fewlabel.plan import Plan
from fewlabel.predictions.propose import Proposer
from fewlabel.predictions.store import PredictionStore
from fewlabel.published import save_published
from fewlabel.volumes.reading import read_volume, write_volume
from fewlabel.workspace import Workspace, write_json

ANGLE = np.radians(25)
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])
CARD = {
    "version": 3,
    "method": "mean_teacher",
    "validation": {"organ": 0.8, "tumour": None},
    "validated": True,
    "labelled": 4,
    "unlabelled": 9,
}


@pytest.fixture
def publish(tmp_path: Path):
    """Callable (network, normalisation, bounds, classes, seed of the weights, patch, more of the card): workspace."""

    return partial(published_study, tmp_path / "study")


def published_study(
    folder,
    network="unet_small",
    normalisation="meanstd",
    bounds=None,
    classes=("organ", "tumour"),
    seed=0,
    patch=(16, 24, 16),
    **card,
):
    workspace = Workspace(folder / ".fewlabel")
    plan = Plan((1.1, 0.9, 1.7), patch, normalisation, bounds, network, 1, tuple(classes))
    torch.manual_seed(seed)
    save_published(workspace.model, find(network)(len(classes) + 1), plan, {**CARD, **card})
    return workspace


@pytest.fixture
def volume():
    """Callable (path, lowest and highest intensity): the path of a scan on an oblique, anisotropic grid."""
    return oblique_volume


def oblique_volume(path, low=0.0, high=300.0):
    """Noise with blobs on an anisotropic grid, turned, with flipped and swapped axes."""
    affine = np.eye(4)
    affine[:3, :3] = (TURN @ np.diag([-0.8, 1.3, 2.6]))[:, [2, 0, 1]]
    affine[:3, 3] = [12, -30, 55]
    noise = np.random.default_rng(0).normal(size=(14, 40, 33))
    blobs = np.add.outer(np.sin(np.arange(14) / 2), np.add.outer(np.sin(np.arange(40) / 5), np.cos(np.arange(33) / 4)))
    array = np.clip(low + (high - low) * (blobs + 3 + 0.2 * noise) / 6, low, high)
    nibabel.save(nibabel.Nifti1Image(array.astype(np.int16), affine), path)
    return path


def write_dicom(folder, array, affine, seed=0, thickness=None, **header):
    """A CT series with these voxels (i, j, k) and affine (RAS mm), files in an order of their own; gives its UID."""
    folder.mkdir(parents=True, exist_ok=True)
    lps = np.diag([-1.0, -1, 1, 1]) @ affine
    spacing = np.linalg.norm(lps[:3, :3], axis=0)
    axes = lps[:3, :3] / spacing
    uids = {name: generate_uid() for name in ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")}
    for number in np.random.default_rng(seed).permutation(array.shape[2]):
        slice_ = _slice(array[:, :, number].T, spacing, float(f"{thickness or spacing[2]:.8g}"))
        slice_.ImageOrientationPatient = [float(f"{value:.10g}") for value in (*axes[:, 0], *axes[:, 1])]
        position = lps[:3, 3] + lps[:3, 2] * number
        slice_.ImagePositionPatient = [float(f"{value:.10g}") for value in position]
        slice_.InstanceNumber = int(number) + 1
        for name, value in {**uids, **header}.items():
            setattr(slice_, name, value)
        slice_.save_as(folder / f"{slice_.SOPInstanceUID}.dcm", write_like_original=False)
    return uids["SeriesInstanceUID"]


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
    slice_.PixelSpacing, slice_.SliceThickness = [float(f"{spacing[1]:.10g}"), float(f"{spacing[0]:.10g}")], thickness
    slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
    slice_.BitsAllocated = slice_.BitsStored = 16
    slice_.HighBit, slice_.PixelRepresentation = 15, 1
    slice_.RescaleIntercept, slice_.RescaleSlope = 0, 1
    slice_.PixelData = np.ascontiguousarray(pixels).astype("<i2").tobytes()
    return slice_


@pytest.fixture(scope="session")
def dicom_writer():
    """Callable (folder, array, affine, ...): see write_dicom."""
    return write_dicom


SHAPE = (12, 10, 8)
AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.5, 5], [0, 0, 0, 1]])


class LabelledStudy:
    """A study of scans of several kinds, some with a submitted label, and a published model.

    Cases: ``oblique`` (drawn), ``plain`` (NRRD; corrected by anna, validates), ``holes`` (with NaN; drawn), ``left``
    (accepted), ``pool`` and ``deep`` (in four dimensions) without a label.
    """

    def __init__(self, folder, classes=("organ", "tumour")):
        self.folder, self.classes = folder, classes
        folder.mkdir(parents=True, exist_ok=True)
        oblique_volume(folder / "oblique.nii.gz")
        rng = np.random.default_rng(0)
        for name in ("plain.nrrd", "left.nii.gz", "pool.nii.gz"):
            write_volume(folder / name, rng.integers(0, 300, SHAPE).astype(np.int16), AFFINE)
        holes = rng.normal(size=SHAPE).astype(np.float32)
        holes[0, 0, 0] = np.nan
        nibabel.save(nibabel.Nifti1Image(holes, AFFINE), folder / "holes.nii.gz")
        deep = rng.integers(0, 300, (*SHAPE, 1)).astype(np.int16)
        nibabel.save(nibabel.Nifti1Image(deep, AFFINE), folder / "deep.nii.gz")
        self.workspace = published_study(folder, classes=classes)
        self.workspace.set_classes(list(classes))
        self.store = StudyDatastore(str(folder), self.workspace, auto_reload=False, read_only=False)
        for case, kind in (("oblique", "drawn"), ("plain", "corrected"), ("holes", "drawn"), ("left", "accepted")):
            self.submit(case, kind)
        write_json(self.workspace.pools, {"validation": ["plain"], "trained": []})

    def submit(self, case, kind, value=1, last=True):
        """A block of one class and, if asked, a smaller one of the last, off the middle of every axis."""
        image = read_volume(self.store.get_image_uri(case))
        array = np.zeros(image.array.shape, np.uint8)
        array[1:7, 2:5, 1:4] = value
        if last:
            array[2:4, 3:4, 2:3] = len(self.classes)
        file = self.folder.parent / "submitted.nii.gz"
        write_volume(file, array, image.affine)
        info = [{"name": name, "idx": number} for number, name in enumerate(self.classes, 1)]
        params = {"label_info": info, "kind": kind, **({"client_id": "anna"} if case == "plain" else {})}
        self.store.save_label(case, str(file), "final", params)

    def dicom(self):
        """Folder of the DICOM series of its scans."""
        folder = self.folder.parent / "dicom"
        if not folder.exists():
            for case in self.store.list_images():
                scan = read_volume(self.store.get_image_uri(case))
                array = np.rint(scan.array * 1000 / np.abs(scan.array).max()).astype(np.int16)
                write_dicom(folder / case, array, scan.affine)
        return folder

    def propose(self):
        """Store proposals for the scans without a label, as Label all does; of ``wide``, a new one, the largest."""
        rng = np.random.default_rng(0)
        write_volume(self.folder / "wide.nii.gz", rng.integers(0, 300, (30, 30, 30)).astype(np.int16), AFFINE)
        self.store.refresh()
        proposer, store = Proposer(self.workspace.model, "cpu"), PredictionStore(self.workspace.proposed, None)
        for case in self.store.get_unlabeled_images():
            made = proposer(case, self.store.get_image_uri(case))
            noise = rng.integers(0, 3, made.labels.shape).astype(np.uint8)
            store.put(dataclasses.replace(made, labels=noise) if case == "wide" else made)

    def source_for(self, name):
        """The same with what an export of this name cannot do without."""
        if name == "predictions" and not self.workspace.proposed.exists():
            self.propose()
        return self.source(**({"series": self.dicom()} if name == "dicomseg" else {}))

    def source(self, **options):
        """What exports of it are made of."""
        return Source(self.workspace, lambda: list_cases(self.store, self.workspace), Options(**options))


@pytest.fixture
def labelled_study(tmp_path):
    """Callable (more of LabelledStudy): a study with labels, in ``tmp_path / "study"``."""
    return partial(LabelledStudy, tmp_path / "study")


class Exporting:
    """Callable (name, target, images, overwrite): export a study, unchecked, replacing an earlier export."""

    def __init__(self, study):
        self.study = study

    def __call__(self, name, target, images=None, overwrite=True):
        with self.study.source_for(name) as source:
            return EXPORTS[name].export(source, target, images, overwrite)


@pytest.fixture
def export(labelled_study, request):
    """Exporting of a study with labels and a model."""
    study = labelled_study()
    if "predictions" in request.node.name:
        study.propose()
    if "dicomseg" in request.node.name:
        study.dicom()  # now: a test may let the disk be full later
    return Exporting(study)
