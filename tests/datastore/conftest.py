import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from fewlabel.datastore.choices import Choices
from fewlabel.datastore.store import StudyDatastore
from fewlabel.volumes.reading import read_volume, write_volume
from fewlabel.workspace import Workspace

AFFINE = np.array([[-1.0, 0, 0, 30], [0, 1.5, 0, -20], [0, 0, 2.0, 5], [0, 0, 0, 1]])


class Folder:
    """A folder of studies that is filled and opened."""

    affine = AFFINE

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(exist_ok=True)

    def put(self, *paths: str) -> Path:
        """Write a scan to each path."""
        for path in paths:
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            if path.endswith((".mha", ".mhd", ".nhdr")):
                SimpleITK.WriteImage(SimpleITK.GetImageFromArray(self.volume(len(path))), str(file))
            else:
                write_volume(file, self.volume(len(path)), AFFINE)
        return file

    def open(self, reload: bool = False, read_only: bool = False, **choices: bool) -> StudyDatastore:
        """Open the study anew, as a restarted server does."""
        workspace = Workspace(self.root / ".fewlabel")
        return StudyDatastore(
            str(self.root), workspace, auto_reload=reload, read_only=read_only, choices=Choices(**choices)
        )

    def open_before(self) -> None:
        """Leave the folder as an earlier version would: with a list, without anything of this one."""
        listed = {
            path.name.split(".nii")[0].split(".nrrd")[0]: {
                "image": {"ext": ".nrrd" if path.name.endswith(".nrrd") else ".nii.gz", "info": {"name": path.name}},
                "labels": {},
            }
            for path in self.root.iterdir()
            if path.is_file()
        }
        content = {"name": "", "description": "", "images_dir": ".", "labels_dir": "labels", "objects": listed}
        (self.root / "datastore_v2.json").write_text(json.dumps(content))

    def label(self, store: StudyDatastore, case: str) -> None:
        """Submit a label."""
        label = self.root.parent / "label.nii.gz"
        write_volume(label, (self.volume() > 50).astype(np.uint8), read_volume(store.get_image_uri(case)).affine)
        store.save_label(case, str(label), "final", {"label_info": [{"name": "liver", "idx": 1}]})

    @staticmethod
    def volume(seed: int = 0) -> np.ndarray:
        """A scan of whole numbers."""
        return np.random.default_rng(seed).integers(0, 100, (8, 9, 10)).astype(np.int16)

    @staticmethod
    def said(caplog: pytest.LogCaptureFixture, *words: str) -> list[str]:
        """Lines of the log that hold all these words."""
        return [line for line in caplog.messages if all(word in line for word in words)]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "studies")


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
def open_store(studies: Path, workspace: Workspace) -> Callable[..., StudyDatastore]:
    """Opens the study anew, as a restarted server or a child process does."""

    def open_it(workspace: Workspace = workspace, read_only: bool = False, reload: bool = False) -> StudyDatastore:
        return StudyDatastore(str(studies), workspace, auto_reload=reload, read_only=read_only)

    return open_it


@pytest.fixture
def store(open_store: Callable[..., StudyDatastore]) -> StudyDatastore:
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
    """From its call on, files whose path holds one of the words cannot be moved to their final name."""
    from fewlabel import workspace

    replace = workspace.os.replace

    def fill(*words: str) -> None:
        def refuse(source: str, target: str) -> None:
            if any(word in str(target) for word in words):
                raise OSError(28, "No space left on device")
            replace(source, target)

        monkeypatch.setattr("fewlabel.workspace.os.replace", refuse)

    return fill


@pytest.fixture
def final(studies):
    return studies / "labels" / "final"


@pytest.fixture
def reopen(studies, tmp_path):
    """Callable (classes, workspace name, read_only): open the study anew, in a workspace of its own by default."""

    def open_it(classes=(), name="another", read_only=False):
        workspace = Workspace(tmp_path / name)
        if classes:
            workspace.set_classes(list(classes))
        return StudyDatastore(str(studies), workspace, auto_reload=False, read_only=read_only)

    return open_it
