"""The tasks of the hippocampus, on data sets of a few voxels that are laid out like the real ones."""

import numpy as np
import pytest

from experiments.domains.task import Task
from experiments.domains.tasks import make_tasks
from fewlabel.data.setting import Sampling
from fewlabel.volumes.reading import read_label, write_volume
from fewlabel.workspace import write_json

MSD = {"m1": "test", "m2": "development", "m3": "development", "m4": "development", "m5": "unlabelled"}
GROUP = {"m1": "float", "m2": "float", "m3": "uint8", "m4": "float", "m5": "uint8"}
OASIS = {"o1": "test", "o2": "development"}


@pytest.fixture
def root(tmp_path):
    """Five scans of MSD with two classes, one of them without a label, and two of OASIS, twice as large."""
    folder = tmp_path / "real"
    for name, part_of, side in (("hippocampus", MSD, 2), ("oasis_hippocampus", OASIS, 4)):
        for case, part in part_of.items():
            label = np.zeros((8, 8, 8), np.uint8)
            label[:2, :2, :side] = 1
            if case in MSD:
                label[0, 0, 0] = 2
            place = "unlabelled" if part == "unlabelled" else "images"
            write_volume(folder / name / place / f"{case}.nii.gz", label.astype(np.float32), np.eye(4))
            if part != "unlabelled":
                write_volume(folder / name / "labels" / f"{case}.nii.gz", label, np.eye(4))
    lines = ["case,set,intensity_group", *(f"{case},{part},{GROUP[case]}" for case, part in MSD.items())]
    (folder / "hippocampus" / "cases.csv").write_text("\n".join(lines))
    lines = ["case,subject,set", *(f"{case},somebody,{part}" for case, part in OASIS.items())]
    (folder / "oasis_hippocampus" / "cases.csv").write_text("\n".join(lines))
    write_json(folder / "hippocampus" / "splits.json", {"test": ["m1"], "development": ["m2", "m3", "m4"]})
    return folder


@pytest.fixture
def task(root, tmp_path):
    """Callable (name) giving a task as its runs read it."""

    def make(name):
        (made,), skipped = make_tasks([name], tmp_path / "made", root)
        assert not skipped
        made.keep(tmp_path / name)
        assert Task.read(tmp_path / name).cases_of("bcp") == made.cases_of("bcp")
        return Task.read(tmp_path / name)

    return make


@pytest.mark.parametrize(
    ("name", "labelled", "pool", "of_target", "test"),
    [
        ("msd-oasis", ("m2", "m3", "m4"), ("o2",), ("o2",), ("o1",)),
        ("oasis-msd", ("o2",), ("m2", "m3", "m4", "m5"), ("m2", "m3", "m4"), ("m1",)),
    ],
)
def test_adaptation_has_the_labels_of_one_set_and_the_scans_of_the_other(task, name, labelled, pool, of_target, test):
    made = task(name)
    cases = made.cases_of("bcp")
    assert (cases.development, cases.unlabelled, cases.test) == (labelled, pool, test)
    assert cases.draw(None, 1) == (list(labelled), list(pool))
    assert set(cases.labels) == {*labelled, *test}, "a row cannot read another label"
    reference = made.cases_of("target-supervised")
    assert (reference.development, reference.unlabelled, reference.test) == (of_target, (), test)
    assert made.sampling_of("target-supervised") == Sampling()


def test_generalisation_has_a_few_labels_of_each_group_and_no_scan_of_the_target(task, monkeypatch):
    monkeypatch.setattr("experiments.domains.real._EACH", 1)
    made = task("groups-oasis")
    cases = made.cases_of("source-only")
    assert (cases.development, cases.unlabelled, cases.test) == (("m2", "m3"), ("m4", "m5"), ("o1",))
    assert set(cases.images) == {"m2", "m3", "m4", "m5", "o1"}
    assert [made.sampling.domain_of[case] for case in ("m2", "m3", "o1")] == ["float", "uint8", "OASIS"]


def test_classes_are_merged_and_the_sizes_of_the_structures_compared(task):
    made = task("msd-oasis")
    assert read_label(made.cases.labels["m2"]).array.max() == 1
    assert made.cases.classes == ("hippocampus",)
    assert made.remarks[0].startswith(
        "Median volume of a labelled hippocampus: OASIS 16 mm³, MSD 8 mm³, so 2.00 times as large."
    )
