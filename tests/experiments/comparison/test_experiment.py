"""What the runs of a comparison share, and the words it refuses with."""

import dataclasses
import json

import pytest

import experiment as launcher
from experiments.comparison.cases import UnusableData, read_cases
from experiments.comparison.experiment import Experiment, make_experiment_plan
from fewlabel.plan import scan_facts
from fewlabel.settings import Settings
from fewlabel.volumes.reading import read_volume


def test_an_experiment_is_kept_and_read_back(data, tmp_path):
    experiment = data.experiment()
    experiment.keep(tmp_path)
    assert Experiment.read(tmp_path) == experiment
    json.loads((tmp_path / "experiment.json").read_text(), parse_constant=pytest.fail)


def test_the_same_settings_are_accepted_again_and_so_are_others_that_change_no_outcome(data, tmp_path):
    for changed in ({}, {}, {"threads": 7}, {"data": "moved"}, {"split": "moved.json"}):
        data.experiment(**changed).keep(tmp_path)
    reworded = dataclasses.replace(data.experiment().plan, reasons=("said differently",))
    data.experiment(plan=reworded).keep(tmp_path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"steps": 3}, "steps 2, not 3"),
        ({"minutes": 1.0}, "minutes 5.0, not 1.0"),
        ({"tuning": True}, "tuning False, not True"),
        ({"learning_rate": 1e-3}, "learning_rate 0.002, not 0.001"),
        ({"device": "cuda"}, "device cpu, not cuda"),
    ],
)
def test_other_settings_are_refused_in_words_and_the_kept_ones_stay(data, tmp_path, changed, words):
    data.experiment().keep(tmp_path)
    with pytest.raises(UnusableData, match=f"other settings \\({words}\\)"):
        data.experiment(**changed).keep(tmp_path)
    assert Experiment.read(tmp_path) == data.experiment()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"network": "unet"}, "network unet_small, not unet"),
        ({"batch": 2}, "batch 1, not 2"),
        ({"patch": (24, 16, 16)}, r"patch \[16, 16, 16\], not \[24, 16, 16\]"),
        ({"classes": ("liver",)}, "classes"),
    ],
)
def test_another_plan_is_refused_in_words(data, tmp_path, changed, words):
    data.experiment().keep(tmp_path)
    other = dataclasses.replace(data.experiment().plan, **changed)
    with pytest.raises(UnusableData, match=words):
        data.experiment(plan=other).keep(tmp_path)


def test_tuning_shows_no_test_case(data):
    shown = data.experiment(tuning=True).cases()
    assert not {*shown.images, *shown.labels, *shown.test} & set(data.test)
    assert data.experiment().cases().test == tuple(data.test)


@pytest.mark.parametrize("decathlon", [False, True])
def test_the_plan_is_made_from_development_images_only(make_data, monkeypatch, decathlon):
    data = make_data(decathlon=decathlon)
    cases, opened = read_cases(data.folder), []
    monkeypatch.setattr(
        "experiments.comparison.experiment.read_volume", lambda path: opened.append(path) or read_volume(path)
    )
    plan = make_experiment_plan(cases, Settings(network="unet_small"), "cpu")
    assert opened == [cases.images[case] for case in data.development]
    assert plan.spacing == (1.0, 1.0, 1.5)
    assert (plan.network, plan.classes) == ("unet_small", cases.classes)


def test_a_plan_of_many_cases_is_made_from_some_of_all_of_them(data, monkeypatch):
    cases, opened = read_cases(data.folder), []
    image = cases.images["c2"]
    many = dataclasses.replace(
        cases, development=tuple(map(str, range(100))), images={str(number): image for number in range(100)}
    )
    monkeypatch.setattr(
        "experiments.comparison.experiment.scan_facts", lambda scan: opened.append(scan) or scan_facts(scan)
    )
    assert make_experiment_plan(many, Settings(), "cpu").classes == cases.classes
    assert len(opened) == 24


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "no such folder"], "no such folder is not a folder"),
        (["--labelled", "0"], "must be above 0"),
        (["--steps", "0"], "must be above 0"),
        (["--minutes", "0"], "must be above 0"),
        (["--batch", "0"], "must be above 0"),
        (["--anytime", "5", "0"], "must be above 0"),
        (["--pretrain", "-1"], "must be above 0"),
        (["--threads", "0"], "must be above 0"),
        (["--seeds", "-1"], "--seeds may be 0"),
        (["--patch", "16,16"], "three numbers above 0"),
        (["--patch", "16,16,0"], "three numbers above 0"),
        (["--patch", "small"], "invalid"),
    ],
)
def test_options_that_cannot_work_are_refused_in_words(tmp_path, arguments, sentence, capsys):
    with pytest.raises(SystemExit) as ending:
        launcher.parse(["compare", "--data", str(tmp_path), *arguments])
    assert ending.value.code == 2
    assert sentence in capsys.readouterr().err
