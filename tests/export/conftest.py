"""A workspace with a published model of random but fixed weights."""

from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from fewlabel.networks import find
from fewlabel.plan import Plan
from fewlabel.published import save_published
from fewlabel.workspace import Workspace

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
