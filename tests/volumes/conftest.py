"""Files that tests of reading make, and how a refusal must read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from fewlabel.volumes.reading import UnreadableVolume, read_volume

OBLIQUE = np.array([[0.8, -0.36, 0.0, -12.0], [0.6, 0.48, 0.0, 7.5], [0.0, 0.0, 3.0, 40.0], [0.0, 0.0, 0.0, 1.0]])


@pytest.fixture(scope="session")
def oblique() -> np.ndarray:
    """An affine of an oblique grid whose voxels are 1 x 0.6 x 3 mm."""
    return OBLIQUE


@pytest.fixture(scope="session")
def save() -> Callable[..., Path]:
    """Callable (path, array, affine): write NIfTI without any code of the product, on an oblique grid by default."""

    def write(path: Path, array: np.ndarray, affine: np.ndarray = OBLIQUE) -> Path:
        nibabel.save(nibabel.Nifti1Image(array, affine), path)
        return path

    return write


@pytest.fixture(scope="session")
def refusal_of() -> Callable[..., str]:
    """Callable (path, function that reads): the sentences of the refusal, which name the file and say what to do."""

    def refuse(path: Path, read: Callable[[Path], object] = read_volume) -> str:
        with pytest.raises(UnreadableVolume) as caught:
            read(path)
        message = str(caught.value)
        assert path.name in message
        assert message.count(".") >= 2, "says what to do as well"
        return message

    return refuse
