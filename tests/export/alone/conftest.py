"""Scans on many grids, and the scripts of an export."""

import sys
from functools import partial
from types import ModuleType

import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

SPACING = (1.1, 0.9, 1.7)
"""Of ``published_study``'s plan, mm."""


@pytest.fixture
def scans(tmp_path, volume):
    """Pairs (name, file) of scans on grids that differ in all that matters; the last three have the plan's spacing."""
    folder = tmp_path / "scans"
    folder.mkdir()
    oblique = ("oblique", volume(folder / "oblique.nii.gz"))
    return [oblique, *((name, make(folder / f"{name}.nii.gz")) for name, make in SCANS.items())]


def placed_volume(path, spacing, order=(0, 1, 2), signs=(1, 1, 1), tilt=(0.0, 0.0, 0.0), shape=(26, 30, 20)):
    """Smooth blobs on a grid whose axis ``a`` runs along RAS axis ``order[a]``, turned by angles; shape in RAS."""
    a, b, c = (np.linspace(0, each, side) for each, side in zip((5, 7, 4), shape, strict=True))
    blobs = np.add.outer(np.add.outer(np.sin(a), np.cos(b)), np.sin(c + 1))
    array = 100 * (blobs + 3) + np.random.default_rng(0).normal(size=shape)
    axes = Rotation.from_euler("xyz", tilt, degrees=True).as_matrix() @ np.diag(np.multiply(spacing, signs))
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes[:, list(order)], (12, -30, 55)
    array = np.flip(array, [axis for axis in range(3) if signs[axis] < 0]).transpose(order)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(array, np.float32), affine), path)
    return path


@pytest.fixture
def scripts(monkeypatch):
    """Callable (folder of an export): its ``segment.py`` as a module of this process."""

    def load(folder):
        monkeypatch.syspath_prepend(folder)
        for name in ("network", "steps"):
            monkeypatch.delitem(sys.modules, name, raising=False)
        module = ModuleType("segment")
        module.__file__ = str(folder / "segment.py")
        exec(compile((folder / "segment.py").read_text(encoding="utf-8"), module.__file__, "exec"), module.__dict__)
        for name in ("network", "steps"):
            monkeypatch.delitem(sys.modules, name)
        return module

    return load


SCANS = {
    "anisotropic": partial(placed_volume, spacing=(0.7, 0.7, 3.4), shape=(30, 36, 9)),
    "tilted": partial(placed_volume, spacing=(1.3, 0.8, 2.2), order=(2, 0, 1), signs=(-1, 1, -1), tilt=(9, -14, 5)),
    "small": partial(placed_volume, spacing=(1.1, 1.8, 3.3), shape=(9, 7, 5)),
    "near": partial(placed_volume, spacing=(1.3, 0.8, 2.0), order=(0, 2, 1), signs=(-1, 1, 1), tilt=(0, 12, 4)),
    "as planned": partial(placed_volume, spacing=SPACING),
    "flipped": partial(placed_volume, spacing=SPACING, order=(1, 0, 2), signs=(-1, -1, 1)),
    "swapped": partial(placed_volume, spacing=SPACING, order=(2, 0, 1), signs=(1, -1, -1)),
}
