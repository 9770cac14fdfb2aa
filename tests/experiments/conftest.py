"""What the tests of the scripts share."""

import json

import numpy as np
import pytest

from experiments.papers import splits
from fewlabel.volumes.reading import write_volume


@pytest.fixture
def files(tmp_path):
    """Two images and their reference labels (values 1 and 3), each in a folder of its own."""
    rng = np.random.default_rng(0)
    affine = np.diag([1.5, 2.0, 3.0, 1.0])
    for name in ("a", "b"):
        label = np.zeros((12, 14, 10), np.uint8)
        label[3:8, 4:9, 2:7] = 1
        label[8:10, 4:9, 2:7] = 3
        for folder, array in (
            ("images", rng.normal(100, 20, label.shape).astype(np.float32)),
            ("truth", label),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_volume(tmp_path / folder / f"{name}.nii.gz", array, affine)
    return tmp_path


@pytest.fixture
def publish(tmp_path, monkeypatch):
    """Put a short list of cases in the place of a published one."""

    def write(name, **lists):
        (tmp_path / "lists").mkdir(exist_ok=True)
        (tmp_path / "lists" / f"{name}.json").write_text(json.dumps({"source": "nowhere", **lists}), encoding="utf-8")
        monkeypatch.setattr(splits, "FOLDER", tmp_path / "lists")

    return write


@pytest.fixture
def untouched():
    """What lies in a folder, to be compared with itself later."""
    return lambda root: {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(root.rglob("*"))}
