"""The benchmark's parts that need no server: arguments, table, volumes."""

import ast
from pathlib import Path

import numpy as np
import pytest

import experiment
from experiments import commands, options
from experiments.harness.errors import ExperimentError
from experiments.speed import study as study_module
from experiments.speed.table import Row, latency, table
from fewlabel.methods import default_method
from fewlabel.volumes.reading import read_label, read_volume, same_grid


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "give a command: bench"),
        (["bench", "--images", "no such folder"], "no such folder is not a folder"),
        (["bench", "--seed", "-1"], "--seed -1 is below 0"),
        (["bench", "--only", "disk"], "invalid choice: 'disk'"),
        (["bnch"], "there is no command 'bnch'. Did you mean 'bench'? There are: bench, "),
    ],
)
def test_what_cannot_work_is_refused_in_words(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as ending:
        experiment.parse(arguments)
    assert ending.value.code == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "played" not in said  # which a command calls, not a person


def test_measurements_are_made_with_the_method_that_the_product_takes_on_a_cpu():
    assert default_method("cpu") == options.METHOD


def test_everything_is_measured_unless_something_is_chosen():
    assert set(experiment.parse(["bench"]).only) == set(options.MEASUREMENTS)
    assert experiment.parse(["bench", "--only", "store"]).only == ["store"]


@pytest.mark.parametrize("module", [experiment, commands, options])
def test_the_launcher_is_parsed_by_an_old_python(module):
    source = Path(module.__file__).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))


def test_the_table_is_markdown_with_targets_beside_the_measured_values():
    rows = [Row("start", "8.1 s"), Row("step", "9.0 s", "≤ 20 s", 9.0, 20.0), Row("memory", "1.20", "≤ 1.1", 1.2, 1.1)]
    lines = table(rows).splitlines()
    assert len({line.count("|") for line in lines}) == 1
    assert lines[2:] == [
        "| start | 8.1 s |  |  |",
        "| step | 9.0 s | ≤ 20 s | met |",
        "| memory | 1.20 | ≤ 1.1 | **missed** |",
    ]


def test_a_latency_is_held_against_its_95th_percentile():
    seconds = [0.1] * 99 + [5.0]
    assert latency("info", seconds, 0.2).verdict == "met"
    assert latency("info", [0.1] * 9 + [5.0], 0.2).verdict == "**missed**"
    row = latency("info", seconds, 0.2)
    assert row.what == "info (100 requests)"
    assert row.measured == "median 0.100 s, 95 % 0.100 s, longest 5.000 s"


def test_generated_pools_have_the_asked_size_and_the_same_volumes_for_the_same_seed(tmp_path):
    for name, count in (("small", 3), ("large", study_module.DISTINCT + 2)):
        study_module.generate(tmp_path / name, count, (8, 10, 6), seed=1)
        assert len(list((tmp_path / name).iterdir())) == count
    one, other = (read_volume(tmp_path / name / "case_00002.nii.gz") for name in ("small", "large"))
    assert one.array.shape == (8, 10, 6)
    np.testing.assert_array_equal(one.array, other.array)


def test_labels_hold_two_classes_on_the_grid_of_their_image(tmp_path):
    study_module.generate(tmp_path / "study", 3, (12, 12, 10), seed=0)
    study_module.label_some(tmp_path / "study", 2)
    labels = sorted((tmp_path / "study" / "labels" / "final").iterdir())
    assert [label.name for label in labels] == ["case_00000.nii.gz", "case_00001.nii.gz"]
    label, image = read_label(labels[0]), read_volume(tmp_path / "study" / labels[0].name)
    assert same_grid(label, image)
    assert set(np.unique(label.array)) == {0, 1, 2}


def test_a_folder_with_too_few_volumes_is_refused_and_a_large_one_is_cut(tmp_path):
    study_module.generate(tmp_path / "source", 6, (8, 8, 8), seed=0)
    (tmp_path / "source" / "notes.txt").write_text("no volume")
    with pytest.raises(ExperimentError, match="holds 6 volumes; give a folder of at least 7"):
        study_module.take(tmp_path / "never", tmp_path / "source", fewest=7, most=9)
    study_module.take(tmp_path / "study", tmp_path / "source", fewest=5, most=5)
    assert len(list((tmp_path / "study").iterdir())) == 5
