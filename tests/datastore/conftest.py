from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fewlabel.datastore.store import SafeDatastore
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import Workspace

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """A folder of two images, a.nii.gz and b.nrrd."""
    folder = tmp_path / "studies"
    folder.mkdir()
    for number, name in enumerate(("a.nii.gz", "b.nrrd")):
        image = np.random.default_rng(number).normal(size=(8, 9, 10)).astype(np.float32)
        write_volume(folder / name, image, AFFINE)
    return folder


@pytest.fixture
def workspace(studies: Path) -> Workspace:
    return Workspace(studies / ".fewlabel")


@pytest.fixture
def open_store(studies: Path, workspace: Workspace) -> Callable[..., SafeDatastore]:
    """Opens the study anew, as a restarted server or a child process does."""

    def open_it(workspace: Workspace = workspace, read_only: bool = False, reload: bool = False) -> SafeDatastore:
        return SafeDatastore(str(studies), workspace, auto_reload=reload, read_only=read_only)

    return open_it


@pytest.fixture
def store(open_store: Callable[..., SafeDatastore]) -> SafeDatastore:
    return open_store()


@pytest.fixture
def label_map() -> np.ndarray:
    """Two classes, one within the other, on the grid of the images."""
    array = np.zeros((8, 9, 10), dtype=np.uint8)
    array[2:6, 2:6, 2:6] = 1
    array[3:5, 3:5, 3:5] = 2
    return array


@pytest.fixture
def send(tmp_path: Path) -> Callable[..., str]:
    """Writes a label map as a client would send it."""

    def write(array: np.ndarray, affine: np.ndarray = AFFINE, name: str = "other.nii.gz") -> str:
        (tmp_path / "sent").mkdir(exist_ok=True)
        write_volume(tmp_path / "sent" / name, array, affine)
        return str(tmp_path / "sent" / name)

    return write


@pytest.fixture
def sent(send: Callable[..., str], label_map: np.ndarray) -> str:
    return send(label_map, name="sent.nii.gz")


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """From its call on, files whose path holds one of the words cannot be put into place."""
    from fewlabel import workspace

    replace = workspace.os.replace

    def fill(*words: str) -> None:
        def refuse(source: str, target: str) -> None:
            if any(word in str(target) for word in words):
                raise OSError(28, "No space left on device")
            replace(source, target)

        monkeypatch.setattr("fewlabel.workspace.os.replace", refuse)

    return fill
