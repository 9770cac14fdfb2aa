"""Benchmarks of the field: fixed draws, grids that stay, strides, and one run from files to a table."""

import dataclasses
import json
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from monai.inferers.utils import _get_scan_interval

import experiment
from experiments.comparison import schedule
from experiments.comparison.cases import UnusableData, read_cases
from experiments.comparison.experiment import Experiment
from experiments.papers.paper import plan_of
from experiments.papers.protocols import PROTOCOLS
from fewlabel.data.transforms import Preprocessing
from fewlabel.inference.predict import probabilities, segment
from fewlabel.networks import divisor
from fewlabel.plan import Plan
from fewlabel.volumes.reading import write_volume

SMALL = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 1, ("one",))


@pytest.fixture
def data(files):
    """Six labelled cases in the layout of a comparison."""
    for case in "cdef":
        for kind, source in (("images", "images/a"), ("truth", "truth/a")):
            (files / kind / f"{case}.nii.gz").write_bytes((files / f"{source}.nii.gz").read_bytes())
    (files / "truth").rename(files / "labels")
    return files


def split(data, **more):
    values = {"test": ["a"], "development": ["b", "c", "d"], **more}
    (data / "splits.json").write_text(json.dumps(values), encoding="utf-8")
    return read_cases(data)


def test_a_fixed_draw_does_not_depend_on_the_seed_and_other_numbers_are_drawn(data):
    cases = split(data, labelled={"2": ["d", "b"]})
    assert {tuple(map(tuple, cases.draw(2, seed))) for seed in range(5)} == {(("b", "d"), ("c", "e", "f"))}
    assert len({tuple(cases.draw(1, seed)[0]) for seed in range(20)}) == 3
    assert cases.draw(None, 0) == (["b", "c", "d"], ["e", "f"])


def test_a_named_pool_is_used_exactly_less_the_labelled_cases(data):
    cases = split(data, unlabelled=["c", "f"])
    assert cases.draw(None, 0)[1] == ["f"]
    chosen, pool = cases.draw(1, 3)
    assert pool == [case for case in ("c", "f") if case not in chosen]


def test_choices_are_made_without_fixed_draws_and_without_test_cases(data):
    cases = split(data, labelled={"2": ["d", "b"]}, unlabelled=["b", "c", "d", "e"]).without_test()
    chosen, pool = cases.draw(2, 0)
    assert len(chosen) == 2
    assert not {*chosen, *pool} & {"a", *cases.test}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"labelled": {"1": ["a"]}}, "names under labelled, 1 cases: a, which is no development case"),
        ({"labelled": {"2": ["b"]}}, "names under labelled, 2 cases: 1 of them"),
        ({"unlabelled": ["a"]}, "names under unlabelled a, a test case"),
        ({"unlabelled": ["x"]}, "names under unlabelled x, of which there is no image"),
    ],
)
def test_a_split_that_contradicts_itself_is_refused_in_words(data, more, sentence):
    with pytest.raises(UnusableData, match=sentence):
        split(data, **more)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_can_be_run_and_has_exactly_its_stride(name):
    protocol = PROTOCOLS[name]
    image = tuple(side + 50 for side in protocol.patch)
    assert _get_scan_interval(image, protocol.patch, 3, protocol.overlap) == protocol.stride
    plan = plan_of(protocol, "vnet")
    assert all(side % divisor("vnet") == 0 for side in plan.patch)
    assert protocol.grid is None or all(whole >= side for whole, side in zip(protocol.grid, plan.patch, strict=True))


def test_an_overlap_per_axis_decides_the_number_of_crops():
    seen = []

    def network(crops):
        seen.append(len(crops))
        return torch.cat([crops, -crops], 1)

    probabilities(network, SMALL, torch.randn(1, 16, 32, 32), overlap=(0.5, 0.0, 0.75))
    assert sum(seen) == 1 * 2 * 5


def test_volumes_of_other_spacings_stay_on_their_grid(tmp_path):
    affine = np.array([[0, -2.0, 0, 5], [1.5, 0, 0, 6], [0, 0, 4.0, 7], [0, 0, 0, 1]])
    image = np.random.default_rng(0).normal(size=(20, 18, 17)).astype(np.float32)
    write_volume(tmp_path / "a.nii.gz", image, affine)
    plan = dataclasses.replace(SMALL, spacing=PROTOCOLS["synapse"].spacing)
    seen = Preprocessing(plan)({"image": str(tmp_path / "a.nii.gz")})["image"]
    assert seen.shape == (1, 18, 20, 17)
    stored = (image - image.mean()) / image.std()
    np.testing.assert_allclose(seen[0].numpy(), stored.transpose(1, 0, 2)[::-1], atol=1e-4)
    bright = lambda crops: torch.cat([-10 * crops, 10 * crops], 1)  # noqa: E731
    labels, _ = segment(bright, plan, tmp_path / "a.nii.gz", overlap=(0.25, 0.5, 0.25))
    np.testing.assert_array_equal(labels.numpy(), stored > 0)


def test_an_experiment_survives_its_file(tmp_path):
    given = Experiment("d", "s", False, 2, 1.0, "cpu", 1, 1e-3, SMALL, (0.5, 0.25, 0.75), ("Once.",))
    given.keep(tmp_path)
    assert Experiment.read(tmp_path) == given
    dataclasses.replace(given, remarks=()).keep(tmp_path)
    with pytest.raises(UnusableData, match="overlap"):
        dataclasses.replace(given, overlap=0.5).keep(tmp_path)


@pytest.mark.slow
def test_a_benchmark_runs_from_files_to_a_table(tmp_path, publish, monkeypatch, capsys):
    cases = ["AA", "BB", "CC", "DD"]
    publish("la", development=cases[:3], test=cases[3:], first=[1])
    for seed, case in enumerate(cases):
        (tmp_path / "root" / case).mkdir(parents=True)
        label = np.zeros((16, 20, 16), np.uint8)
        label[4:9, 3:12, 2:9] = 1
        with h5py.File(tmp_path / "root" / case / "mri_norm2.h5", "w") as file:
            file["image"] = np.random.default_rng(seed).normal(size=label.shape).astype(np.float32) + label
            file["label"] = label
    small = dataclasses.replace(
        PROTOCOLS["la"], patch=(16, 16, 16), stride=(8, 4, 8), batch=1, steps=2, labelled={"": (1,)}
    )
    monkeypatch.setitem(PROTOCOLS, "la", small)
    child = tmp_path / "child.py"  # the launcher would look after its environment first
    paths = [str(Path(each).resolve()) for each in sys.path if each]
    child.write_text(
        f"import sys\nfrom pathlib import Path\nsys.path[:0] = {paths!r}\n"
        "from comparison.worker import work\nwork(Path(sys.argv[2]), sys.argv[3])\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(schedule, "_SCRIPT", child)
    output = tmp_path / "out"
    options = ["paper", "--dataset", "la", "--root", str(tmp_path / "root"), "--output", str(output), "--seeds", "0"]
    options += ["--network", "unet_small", "--methods", "mean_teacher", "--device", "cpu", "--threads", "1"]
    assert experiment.main(experiment.parse(options)) == 0
    shown = capsys.readouterr().out
    assert "| 1 | supervised |" in shown
    assert "| 1 | mean_teacher |" in shown
    assert "| all | ceiling |" in shown
    assert "distances are in voxels" in shown
    outcome = json.loads((output / "outcomes" / "mean-teacher-1-0.json").read_text())
    assert (outcome["steps"], outcome["labelled_cases"]) == (2, ["AA"])
    assert [each["case"] for each in outcome["cases"]] == ["DD"]
    plan = Experiment.read(output).plan
    assert (plan.patch, plan.batch, plan.normalisation) == ((16, 16, 16), 1, "meanstd")
