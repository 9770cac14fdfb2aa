"""A workspace with a published model of random but fixed weights."""

from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from fewlabel.datastore.store import StudyDatastore
from fewlabel.export.dataset import list_cases
from fewlabel.export.source import Options, Source
from fewlabel.export.table import EXPORTS
from fewlabel.networks import find
from fewlabel.plan import Plan
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
    """Callable (network, normalisation, bounds, classes, seed of the weights, more of the card): the workspace."""

    return partial(published_study, tmp_path / "study")


def published_study(
    folder,
    network="unet_small",
    normalisation="meanstd",
    bounds=None,
    classes=("organ", "tumour"),
    seed=0,
    **card,
):
    workspace = Workspace(folder / ".fewlabel")
    plan = Plan((1.1, 0.9, 1.7), (16, 24, 16), normalisation, bounds, network, 1, tuple(classes))
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

    def source(self, **options):
        """What exports of it are made of."""
        return Source(self.workspace, lambda: list_cases(self.store, self.workspace), Options(**options))


@pytest.fixture
def labelled_study(tmp_path):
    """Callable (more of LabelledStudy): a study with labels, in ``tmp_path / "study"``."""
    return partial(LabelledStudy, tmp_path / "study")


class Exporting:
    """Callable (name, target, images, overwrite): export a study, unchecked, in place of an earlier export."""

    def __init__(self, study):
        self.study = study

    def __call__(self, name, target, images=None, overwrite=True):
        with self.study.source() as source:
            return EXPORTS[name].export(source, target, images, overwrite)


@pytest.fixture
def export(labelled_study):
    """Exporting of a study with labels and a model."""
    return Exporting(labelled_study())
