"""Tiny trainings: of a study on disk with the real datastore, and of one convolution without any file of scans."""

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from fewlabel.datastore.store import StudyDatastore
from fewlabel.methods import METHODS
from fewlabel.settings import Settings
from fewlabel.training import budget as budget_module
from fewlabel.training import trainer as trainer_module
from fewlabel.training.budget import Budget, TrainerConfig
from fewlabel.training.progress import Progress
from fewlabel.training.run import Run
from fewlabel.training.task import FewLabelTrain
from fewlabel.training.trainer import Trainer
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import Workspace, read_json

AFFINE = np.diag([1.0, 1.0, 1.5, 1.0])
QUICK = {
    "training": "on_request",
    "network": "unet_small",
    "patch": (16, 16, 16),
    "batch": 1,
    "max_steps": 5,
    "max_minutes": 5.0,
}


class TinyStudy:
    """Scans a, b, c, ... of 20x18x16 voxels with one bright box each."""

    def __init__(self, folder: Path, images: int) -> None:
        self.folder = folder
        self.names = [chr(ord("a") + number) for number in range(images)]
        for seed, name in enumerate(self.names):
            noise = np.random.default_rng(seed).normal(0, 10, (20, 18, 16))
            write_volume(folder / f"{name}.nii.gz", (noise + 100 * self.truth(name)).astype(np.float32), AFFINE)
        self.workspace = Workspace(folder / ".fewlabel")
        self.store = StudyDatastore(str(folder), self.workspace, auto_reload=False, read_only=False)

    def truth(self, name: str) -> np.ndarray:
        label = np.zeros((20, 18, 16), np.uint8)
        start = 2 + ord(name) % 5
        label[start : start + 9, 4:12, 3:12] = 1
        return label

    def label(self, names: str, classes: tuple[str, ...] = ("organ",), array: np.ndarray | None = None) -> None:
        """Submit the labels of these scans (one letter each)."""
        info = [{"name": name, "idx": value} for value, name in enumerate(classes, 1)]
        sent = self.folder.parent / "sent.nii.gz"
        for name in names:
            write_volume(sent, self.truth(name) if array is None else array, AFFINE)
            self.store.save_label(name, str(sent), "final", {"label_info": info})

    def accept(self, name: str) -> None:
        """Submit what stands for an accepted proposal of this scan."""
        sent = self.folder.parent / "accepted.nii.gz"
        write_volume(sent, self.truth(name), AFFINE)
        info = {"label_info": [{"name": "organ", "idx": 1}], "kind": "accepted"}
        self.store.save_label(name, str(sent), "final", info)

    def label_file(self, name: str) -> Path:
        return Path(self.store.get_label_uri(name, "final"))

    def image_file(self, name: str) -> Path:
        return self.folder / f"{name}.nii.gz"

    def settings(self, **changed) -> Settings:
        return Settings(**{**QUICK, **changed})

    def run(self, **changed) -> Run:
        return Run(self.workspace, self.settings(**changed), self.store)

    def train(self, **changed) -> dict:
        """One training from its start to its end; gives the last progress."""
        self.run(**changed)()
        return self.progress()

    def task(self, **changed) -> FewLabelTrain:
        return FewLabelTrain(self.workspace, self.settings(**changed))

    def progress(self) -> dict:
        return read_json(self.workspace.progress)


@pytest.fixture
def make_study(tmp_path):
    """Callable (number of images) giving a TinyStudy."""
    return lambda images=3: TinyStudy(tmp_path / "studies", images)


IDENTITY = {"plan": {"classes": ["organ"]}, "method": "mean_teacher", "labelled": ["a", "b"]}


def batches(seed=0):
    """Endless tiny batches, one a second apart from the next only by their noise."""
    generator = torch.Generator().manual_seed(seed)
    label = torch.zeros(1, 1, 4, 4, 4)
    label[..., 2:] = 1
    for _ in itertools.count():
        image = label + 0.1 * torch.randn(label.shape, generator=generator)
        yield {"labelled": {"image": image, "label": label}, "unlabelled": {"weak": image, "strong": image + 0.1}}


class Clock:
    """Stands in for the module ``time``; a training step takes ``step`` seconds."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    for module in (trainer_module, budget_module):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def make_trainer(tmp_path):
    def make(steps=20, seconds=1e6, identity=IDENTITY, loader=None, validate=None, method=None, highest=1e-2):
        torch.manual_seed(0)
        method = method or METHODS["mean_teacher"](lambda: nn.Conv3d(1, 2, 3, padding=1), 2)
        progress = Progress(tmp_path / "progress.json", seconds)
        budget = Budget(steps, seconds)
        config = TrainerConfig("cpu", highest, tmp_path / "checkpoint.pt", identity)
        validate = validate or (lambda method, done: math.nan)
        return Trainer(method, loader or batches(), budget, progress, config, validate)

    return make


@pytest.fixture
def slow(clock):
    """Callable (seconds): batches that take so long each."""

    def loader(seconds):
        for batch in batches():
            clock.now += seconds
            yield batch

    return loader


@pytest.fixture
def interrupt():
    """Callable (trainer, at): train until ``at`` steps are done, with a checkpoint there, as a killed process does."""

    def train(trainer, at):
        checked = trainer._after_step

        def stop(engine):
            checked(engine)
            if trainer.step == at:
                trainer.save(finished=False)
                raise KeyboardInterrupt

        trainer._after_step = stop
        with pytest.raises(KeyboardInterrupt):
            trainer.run()

    return train


@pytest.fixture(name="batches")
def batches_fixture():
    """Callable (): see batches."""
    return batches


@pytest.fixture
def identity():
    """What the checkpoints of make_trainer say of themselves."""
    return IDENTITY


@pytest.fixture(scope="session")
def same():
    """Callable (first, second): whether two nested states are equal, tensors included."""

    def compare(first, second):
        if isinstance(first, torch.Tensor):
            return torch.equal(first, second)
        if isinstance(first, dict):
            return first.keys() == second.keys() and all(compare(first[key], second[key]) for key in first)
        if isinstance(first, list | tuple):
            return len(first) == len(second) and all(map(compare, first, second))
        return first == second

    return compare
