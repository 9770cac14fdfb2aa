"""Tiny data with reference labels, experiments on it, and outcomes as runs write them."""

import logging

import numpy as np
import pytest
import torch
from monai.utils import set_determinism

from experiments.comparison.experiment import Experiment
from experiments.comparison.measures import MEASURES
from fewlabel.plan import Plan
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import write_json

AFFINE = np.diag([1.0, 1.0, 1.5, 1.0])
PLAN = Plan((1.0, 1.0, 1.5), (16, 16, 16), "meanstd", None, "unet_small", 1, ("class 1", "class 2"), ("a reason",))


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
            place = images if known or decathlon else "unlabelled"
            write_volume(folder / place / f"{name}.nii.gz", (noise + 60 * truth).astype(np.float32), AFFINE)
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
