"""The command from its arguments to tables, with and without real runs."""

import json
from pathlib import Path

import pytest

import experiment
from experiments.comparison import compare as compare_module
from experiments.comparison import schedule as schedule_module
from experiments.comparison.cases import UnusableData
from experiments.comparison.compare import compare, parse_trial
from experiments.comparison.rows import FLOOR, Row

SCRIPTS = Path(experiment.__file__).parent
# As the launcher, but in the environment that the tests run in, whichever that is.
LAUNCHER = f"""
import sys
sys.path[:0] = [{str(SCRIPTS)!r}, {str(SCRIPTS.parent / "apps" / "fewlabel")!r}]
import experiment
sys.exit(experiment.main(experiment.parse(sys.argv[1:])))
"""


@pytest.fixture
def options(data, tmp_path):
    """Callable (more arguments) giving the options of a tiny comparison."""
    small = "--network unet_small --patch 16,16,16 --batch 1 --steps 2 --labelled 1 --seeds 0 --device cpu --threads 1"
    fixed = ["compare", "--data", str(data.folder), "--output", str(tmp_path / "out"), *small.split()]
    return lambda *more: experiment.parse([*fixed, *more])


@pytest.fixture
def stand_in(monkeypatch, finish):
    """Each run is done at once, with a Dice of its own; gives the rows that were run."""
    ran = []

    def run_all(self, rows):
        for row in rows:
            ran.append(row)
            if row.settings.get("threshold") == 0:
                self.failed[row.key] = f"{row.key} stopped with code 1: a reason"
            else:
                finish(row, 0.5 + 0.01 * len(ran))

    monkeypatch.setattr(schedule_module.Schedule, "_run_all", run_all)
    return ran


def refused(options, sentence):
    with pytest.raises(UnusableData, match=sentence):
        compare(options, lambda text: None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--methods", "magic"], "--methods magic: there is supervised, mean_teacher"),
        (["--ablations", "uamt"], "--ablations uamt: there is bcp, dual_network, dtlp"),
        (["--network", "huge"], "--network huge: there is unet_small"),
        (["--try", "mine", "magic"], "give a name, a method"),
        (["--labelled", "5"], "There are 4 development cases, too few to label 5"),
        (["--labelled", "3", "--tuning"], None),
        (["--labelled", "4", "--tuning"], "There are 3 development cases, too few to label 4"),
        (["--labelled", "1", "1"], "2 runs are called"),
        (["--try", "supervised", "uamt"], "2 runs are called supervised-1-0: give each --try a name of its own"),
        (["--try", "a b", "uamt", "--try", "a-b", "uamt"], "2 runs are called a-b-1-0"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(options, stand_in, arguments, sentence):
    if sentence is None:
        compare(options(*arguments), lambda text: None)
        assert stand_in
    else:
        refused(options(*arguments), sentence)
        assert not stand_in


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["mine"], "give a name, a method"),
        (["mine", "uamt", "start"], "start is not of the form key=value"),
        (["mine", "uamt", "start="], "start= is not of the form"),
        (["mine", "uamt", "start=soon"], "start=soon is not of the form"),
    ],
)
def test_a_trial_that_cannot_be_understood_is_refused(words, sentence):
    with pytest.raises(UnusableData, match=sentence):
        parse_trial(words)


def test_a_trial_has_values_of_python():
    trial = parse_trial(["mine", "dual_network", "keep=(0.5, 0.8)", "agreement=False", "start=0.1"])
    assert trial == ("mine", "dual_network", {"keep": (0.5, 0.8), "agreement": False, "start": 0.1})


def test_tables_pictures_and_csv_files_are_written_and_reported(options, stand_in, tmp_path):
    messages = []
    report = compare(options("--methods", "uamt", "--ablations", "dual_network", "--seeds", "0", "1"), messages.append)
    assert {"runs.csv", "cases.csv", "methods.png", "dual_network.png", "report.md", "experiment.json"} <= {
        file.name for file in (tmp_path / "out").iterdir()
    }
    assert (tmp_path / "out" / "report.md").read_text() == report + "\n"
    assert "2 test cases, classes class 1, class 2; 2 steps of `unet_small`, crops 16×16×16" in report
    assert "seeds 0, 1;" in report
    assert "Ablation of `dual_network`, 1 labelled cases:" in report
    assert "| dual_network without rectification |" in report


def test_a_comparison_goes_on_where_it_was(options, stand_in, tmp_path):
    compare(options("--methods", "uamt"), lambda text: None)
    first = list(stand_in)
    report = compare(options("--methods", "uamt"), lambda text: None)
    assert stand_in == first
    compare(options("--methods", "uamt", "mean_teacher"), lambda text: None)
    assert [row.name for row in stand_in[len(first) :]] == ["mean_teacher"]
    assert compare(options("--report-only"), lambda text: None) != report
    assert len(stand_in) == len(first) + 1


def test_another_budget_is_refused_in_the_same_folder(options, stand_in):
    compare(options(), lambda text: None)
    refused(options("--steps", "3"), "steps 2, not 3")
    refused(options("--minutes", "3"), "steps 2, not 0; minutes 1440.0, not 3.0")
    refused(options("--tuning"), "tuning False, not True")


def test_a_failed_run_is_reported_after_the_tables_of_the_others_were_written(options, stand_in, tmp_path):
    with pytest.raises(RuntimeError, match="bad-1-0 stopped with code 1: a reason"):
        compare(options("--try", "bad", "uamt", "threshold=0"), lambda text: None)
    assert "| supervised |" in (tmp_path / "out" / "report.md").read_text()


@pytest.mark.parametrize("ended", [["ceiling"], ["dtlp without CutMix"], ["dtlp without CutMix", FLOOR]])
def test_a_report_can_be_made_of_whatever_has_ended(options, finish, ended):
    rows = {"ceiling": Row("ceiling", FLOOR, None, 0), FLOOR: Row(FLOOR, FLOOR, 1, 0)}
    for name in ended:
        finish(rows.get(name) or Row(name, "dtlp", 1, 0, part="dtlp"))
    report = compare(options("--report-only", "--ablations", "dtlp"), lambda text: None)
    assert "Ablation" not in report
    assert ("| supervised |" in report) == (FLOOR in ended)


def test_before_the_first_outcome_the_report_says_so(options):
    assert compare(options("--report-only"), lambda text: None) == "There are no outcomes yet."


def test_while_tuning_no_file_of_a_test_case_is_opened(data, options, stand_in, monkeypatch):
    for name in data.test:
        for folder in ("images", "labels"):
            (data.folder / folder / f"{name}.nii.gz").write_bytes(b"not to be opened")
    report = compare(options("--tuning"), lambda text: None)
    assert "1 development cases held out for tuning" in report


def test_a_split_is_drawn_once_and_kept(data, options, stand_in):
    (data.folder / "splits.json").unlink()
    refused(options(), "have one drawn with --draw-split")
    compare(options("--draw-split"), lambda text: None)
    drawn = (data.folder / "splits.json").read_text()
    compare(options("--draw-split"), lambda text: None)
    assert (data.folder / "splits.json").read_text() == drawn
    assert set(json.loads(drawn)) == {"test", "development"}


def test_minutes_replace_steps(options):
    timed = compare_module.make_experiment(options("--minutes", "2.5"))
    assert (timed.steps, timed.minutes) == (0, 2.5)
    stepped = compare_module.make_experiment(options())
    assert (stepped.steps, stepped.minutes) == (2, 24 * 60)


@pytest.mark.slow
def test_two_runs_from_the_command_line_to_the_table(options, tmp_path, monkeypatch, capsys):
    launcher = tmp_path / "launcher.py"
    launcher.write_text(LAUNCHER)
    monkeypatch.setattr(schedule_module, "_SCRIPT", launcher)
    arguments = ["--methods", "supervised", "mean_teacher", "--no-references"]
    assert experiment.main(options(*arguments)) == 0
    first = capsys.readouterr()
    assert "| 1 | supervised |" in first.out
    assert "| 1 | mean_teacher |" in first.out
    assert "0 of 2 runs are there, 2 to do." in first.err
    out = tmp_path / "out"
    assert {file.name for file in (out / "outcomes").iterdir()} == {"supervised-1-0.json", "mean-teacher-1-0.json"}
    assert not list((out / "running").iterdir())
    written = {file: file.stat().st_mtime_ns for file in (out / "outcomes").iterdir()}
    assert experiment.main(options(*arguments)) == 0
    again = capsys.readouterr()
    assert again.out == first.out
    assert "2 of 2 runs are there, 0 to do." in again.err
    assert {file: file.stat().st_mtime_ns for file in written} == written
    assert experiment.main(options(*arguments, "--try", "bad", "uamt", "nonsense=1")) == 1
    assert "bad-1-0 stopped with code 1: TypeError" in capsys.readouterr().err
