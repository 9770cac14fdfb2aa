"""A simulated annotator on tiny volumes."""

from __future__ import annotations

import json

import numpy as np
import pytest

import experiment
from experiments import commands
from experiments.comparison.experiment import Experiment
from experiments.rounds.simulate import Annotation, annotate, annotations
from fewlabel.plan import Plan
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import read_json, write_json

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 1, ("class 1",))


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    names = [f"case{number:02}" for number in range(10)]
    for seed, name in enumerate(names):
        label = np.zeros((18, 16, 17), np.uint8)
        label[3 + seed % 4 : 12, 4:12, 4:12] = 1
        image = np.random.default_rng(seed).normal(100, 10, label.shape) + 60 * label
        write_volume(folder / "images" / f"{name}.nii.gz", image.astype(np.float32), np.eye(4))
        write_volume(folder / "labels" / f"{name}.nii.gz", label, np.eye(4))
    write_json(folder / "splits.json", {"test": names[:2], "development": names[2:]})
    return folder


@pytest.fixture
def setting(data):
    return Experiment(
        data=str(data),
        split=str(data / "splits.json"),
        tuning=False,
        steps=3,
        minutes=5.0,
        device="cpu",
        threads=1,
        learning_rate=2e-3,
        plan=PLAN,
    )


def play(setting, folder, strategy="uncertainty+diversity", method="mean_teacher", seed=0, sizes=(1, 3)):
    return annotate(Annotation(strategy, method, seed, sizes), setting, folder)["rounds"]


@pytest.mark.parametrize("strategy", ["uncertainty+diversity", "random", "foreground_random"])
def test_each_round_has_its_labels_more_than_the_last_and_no_test_case(setting, tmp_path, strategy):
    first, second = play(setting, tmp_path / "run", strategy)
    assert (first["labels"], second["labels"]) == (1, 3)
    assert set(first["labelled"]) < set(second["labelled"])
    assert not {"case00", "case01"} & set(second["labelled"])
    assert 0 <= second["dice"] <= 1


def test_a_later_round_starts_from_the_weights_of_the_last(setting, tmp_path):
    play(setting, tmp_path / "run")
    progress = read_json(tmp_path / "run" / "workspace" / "scores.json")
    assert progress["version"] == 2


def test_the_same_seed_gives_the_same_run(setting, tmp_path):
    runs = [play(setting, tmp_path / name) for name in "ab"]
    for first, second in zip(*runs, strict=True):
        assert first["labelled"] == second["labelled"]
        assert first["dice"] == pytest.approx(second["dice"], abs=1e-4)


def test_an_interrupted_run_goes_on_after_the_last_whole_round(setting, tmp_path, monkeypatch):
    from experiments.rounds import simulate

    train = simulate._train
    monkeypatch.setattr(simulate, "_train", lambda *given: train(*given) if given[-1] == 0 else 1 / 0)
    with pytest.raises(ZeroDivisionError):
        play(setting, tmp_path / "run")
    kept = read_json(tmp_path / "run" / "rounds.json")
    monkeypatch.setattr(simulate, "_train", train)
    rounds = play(setting, tmp_path / "run")
    assert [each["labels"] for each in rounds] == [1, 3]
    assert rounds[0] == kept[0]


def test_all_combinations_are_run_seed_by_seed():
    runs = annotations(["random", "first"], ["supervised", "bcp"], [0, 1], (2, 4))
    assert len({run.key for run in runs}) == len(runs) == 8
    assert [run.seed for run in runs] == [0] * 4 + [1] * 4


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--strategies", "best"], "--strategies best"),
        (["--methods", "magic"], "--methods magic"),
        (["--sizes", "4", "2"], "each round must have more labels"),
        (["--sizes", "2", "99"], "too few to label 99"),
        (["--sizes", "2", "4", "--measured", "3"], "--measured 3: it is none of --sizes 2 4"),
        (["--sizes", "2", "--methods", "supervised", "--teacher", "cached"], "of these methods it is for none"),
    ],
)
def test_what_cannot_work_is_refused_in_words(data, tmp_path, capsys, more, words):
    given = ["rounds", "--data", str(data), "--output", str(tmp_path / "out"), "--network", "unet_small"]
    assert experiment.main(commands.parse([*given, *more])) == 1
    assert words in capsys.readouterr().err


def test_a_run_reads_itself_from_its_file_and_a_plain_one_is_written_as_ever():
    plain, going_on = Annotation("first", "bcp", 1), Annotation("first", "bcp", 1, (2, 4), seconds=9.0, measured=(4,))
    for row in (plain, going_on):
        assert Annotation.of(json.loads(json.dumps(row.to_dict()))) == row
    assert set(plain.to_dict()) == {"strategy", "method", "seed", "sizes", "part"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["pool", "--output", "new", "--scans", "29"], "--scans must be 30 or more"),
        (["pool", "--output", "new", "--test", "8"], "--test 9 or more"),
        (["stopping", "nowhere"], "nowhere holds no outcomes"),
        (["rounds", "--data", ".", "--seconds", "0"], "Numbers must be above 0"),
    ],
)
def test_what_can_never_work_is_refused_before_anything_is_read(capsys, given, words):
    with pytest.raises(SystemExit):
        commands.parse(given)
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_writes_a_table_a_picture_and_a_csv(data, tmp_path, capsys):
    given = ["rounds", "--data", str(data), "--output", str(tmp_path / "out"), "--network", "unet_small"]
    given += ["--patch", "16,16,16", "--steps", "2", "--sizes", "1", "2", "--seeds", "0", "--strategies", "random"]
    options = commands.parse([*given, "--methods", "supervised", "--threads", "1"])
    assert experiment.main(options) == 0
    assert "| supervised, random |" in capsys.readouterr().out
    assert {"report.md", "rounds.csv", "rounds.png"} <= {file.name for file in (tmp_path / "out").iterdir()}
