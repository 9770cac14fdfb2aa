"""Tiny tasks of generated vendors, whose runs take place in this process."""

import shutil

import pytest

import experiment
from experiments.comparison import schedule as schedule_module
from experiments.comparison import worker as comparison_worker
from experiments.demo import vendors
from experiments.domains import tasks
from experiments.domains.command import domains
from experiments.domains.worker import work
from fewlabel.workspace import write_json


@pytest.fixture(scope="session")
def scans(tmp_path_factory):
    """Two scans of each vendor, and a third one of the target, all in voxels of about 14 mm."""
    folder = tmp_path_factory.mktemp("vendors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vendors, "VENDORS", {name: {**told, "coarser": 3.0} for name, told in vendors.VENDORS.items()})
        vendors.write_vendors(folder, {"A": 2, "B": 2, "C": 2, "D": 3})
    return folder


@pytest.fixture
def tiny(scans, tmp_path, monkeypatch):
    """The generated tasks have these scans alone; one of the target is the test scan."""
    shutil.copytree(scans, tmp_path / "out" / "data" / "vendors")
    for name, value in {
        "EACH": 1,
        "OF_VENDOR": 2,
        "TEST": 1,
        "_SPACING": (15.0, 15.0, 18.0),
        "_PATCH": (16, 16, 16),
    }.items():
        monkeypatch.setattr(tasks, name, value)


@pytest.fixture
def options(tiny, tmp_path, monkeypatch):
    """Callable (more arguments) giving the options of a benchmark of the generated tasks in ``out``."""
    monkeypatch.delenv("FEWLABEL_DATA", raising=False)
    small = "--network unet_small --steps 2 --seeds 0 --device cpu --methods"
    fixed = ["domains", "--output", str(tmp_path / "out"), *small.split()]
    return lambda *more: experiment.parse([*fixed, *more])


@pytest.fixture
def here(monkeypatch, quiet_process):
    """Each run takes place in this process; gives the names of what was run, as (task, row)."""
    ran = []

    def run_one(self, row, seconds):
        ran.append((self.folder.name, row.name))
        # so many seconds that the clock adds no progress to the first step: runs can be compared exactly
        write_json(self.folder / "rows" / f"{row.key}.json", {"row": row.to_dict(), "seconds": 1e15})
        work(self.folder, row.key)

    monkeypatch.setattr(schedule_module.Schedule, "_run_one", run_one)
    return ran


@pytest.fixture
def loaders(monkeypatch):
    """The loaders that runs have made."""
    made, make = [], comparison_worker.PairedLoader

    def noted(*arguments, **more):
        made.append(make(*arguments, **more))
        return made[-1]

    monkeypatch.setattr(comparison_worker, "PairedLoader", noted)
    return made


@pytest.fixture
def run():
    """Callable (options) giving the tables and what was said."""

    def run_it(options):
        said = []
        return domains(options, said.append), said

    return run_it
