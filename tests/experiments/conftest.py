"""What the tests of the experiments share: tiny data with reference labels, and outcomes as runs write them."""

import json
import logging

import numpy as np
import pytest
import torch
from monai.utils import set_determinism

from experiments.comparison.experiment import Experiment
from experiments.comparison.measures import MEASURES
from experiments.papers import splits
from fewlabel.plan import Plan
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import write_json

AFFINE = np.diag([1.0, 1.0, 1.5, 1.0])
PLAN = Plan((1.0, 1.0, 1.5), (16, 16, 16), "meanstd", None, "unet_small", 1, ("class 1", "class 2"), ("a reason",))


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
    """Use a short list of cases instead of a published one."""

    def write(name, **lists):
        (tmp_path / "lists").mkdir(exist_ok=True)
        (tmp_path / "lists" / f"{name}.json").write_text(json.dumps({"source": "nowhere", **lists}), encoding="utf-8")
        monkeypatch.setattr(splits, "FOLDER", tmp_path / "lists")

    return write


@pytest.fixture
def untouched():
    """What lies in a folder, to be compared with itself later."""
    return lambda root: {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(root.rglob("*"))}


class Data:
    """A data folder: c0, c1, ... of 18x16x17 voxels with two boxes each, and scans u0, u1, ... without a label.

    Args:
        folder: to write it into.
        labelled, unlabelled: numbers of scans.
        decathlon: whether it looks like the Medical Segmentation Decathlon.
        test: how many of the labelled are test cases, the first ones.
    """

    def __init__(self, folder, labelled=6, unlabelled=2, decathlon=False, test=2):
        self.folder = folder
        images, labels = ("imagesTr", "labelsTr") if decathlon else ("images", "labels")
        self.names = [f"c{number}" for number in range(labelled)]
        self.without = [f"u{number}" for number in range(unlabelled)]
        self.test, self.development = self.names[:test], self.names[test:]
        for seed, name in enumerate([*self.names, *self.without]):
            truth = np.zeros((18, 16, 17), np.uint8)
            truth[2 : 9 + seed % 4, 3:11, 4:12] = 1
            truth[12 + seed % 4 :, 4:12, 3:12] = 2
            noise = np.random.default_rng(seed).normal(20, 5, truth.shape)
            known = name in self.names
            subfolder = images if known or decathlon else "unlabelled"
            write_volume(folder / subfolder / f"{name}.nii.gz", (noise + 60 * truth).astype(np.float32), AFFINE)
            if known:
                write_volume(folder / labels / f"{name}.nii.gz", truth, AFFINE)
        if decathlon:
            write_json(folder / "dataset.json", {"labels": {"0": "background", "1": "liver", "2": "kidney"}})
        self.split(self.test, self.development)

    def split(self, test, development):
        write_json(self.folder / "splits.json", {"test": test, "development": development})

    def experiment(self, **changed):
        values = {
            "data": str(self.folder),
            "split": str(self.folder / "splits.json"),
            "tuning": False,
            "steps": 2,
            "minutes": 5.0,
            "device": "cpu",
            "threads": 1,
            "learning_rate": 2e-3,
            "plan": PLAN,
        }
        return Experiment(**{**values, **changed})


@pytest.fixture
def make_data(tmp_path):
    """Callable (Data's arguments) giving a Data."""
    return lambda **options: Data(tmp_path / "data", **options)


@pytest.fixture
def data(make_data):
    return make_data()


@pytest.fixture
def quiet_process():
    """A run sets the process up for itself; here it shares the process with other tests."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    logging.disable(logging.NOTSET)
    set_determinism(None)


def make_outcome(row, dice=0.5, **changed):
    """An outcome of two cases and two classes, each measure the same in all of them."""
    values = dict.fromkeys(MEASURES, dice)
    cases = [{"case": case, "class": name, **values, "empty": ""} for case in "ab" for name in ("liver", "kidney")]
    outcome = {
        "row": row.to_dict(),
        "labelled_cases": ["c2"],
        "steps": 10,
        "seconds_per_step": 0.5,
        "seconds": 5.0,
        "notes": [],
        "peak_memory": 0.5,
        "parameters_trained": 1000,
        "parameters_deployed": 500,
        "cases": cases,
    }
    return {**outcome, **changed}


@pytest.fixture
def outcome():
    """Callable (row, dice, other values) giving what a run of the row writes."""
    return make_outcome


@pytest.fixture
def finish(tmp_path):
    """Callable (row, dice, other values): the run is done, in the folder ``out``."""

    def write(row, *arguments, **changed):
        write_json(tmp_path / "out" / "outcomes" / f"{row.key}.json", make_outcome(row, *arguments, **changed))

    return write
