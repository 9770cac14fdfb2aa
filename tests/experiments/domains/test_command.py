"""The command from its arguments to tables, mostly with runs that are done at once."""

import csv
import json

import pytest

import experiment
from experiments.comparison import schedule as schedule_module
from experiments.comparison.cases import UnusableData
from experiments.domains.task import Task
from fewlabel.workspace import write_json

ADAPTATION, GENERALISATION = "vendor-adaptation", "vendor-generalisation"
DICE = {"source-only": 0.4, "target-supervised": 0.8, "bcp": 0.7}


@pytest.fixture
def stand_in(monkeypatch, outcome):
    """Each run is done at once with a Dice by its name, or fails; gives what was run, as (task, row, seed)."""
    ran = []

    def run_all(self, rows):
        for row in rows:
            ran.append((self.folder.name, row.name, row.seed))
            cases = Task.read(self.folder).cases_of(row.name)
            known = {"labelled_cases": list(cases.development), "unlabelled": len(cases.unlabelled)}
            file = self.folder / "outcomes" / f"{row.key}.json"
            if row.settings.get("threshold") == 0:
                self.failed[row.key] = f"{row.key} stopped with code 1: a reason"
            else:
                write_json(file, outcome(row, DICE[row.name], **known))

    monkeypatch.setattr(schedule_module.Schedule, "_run_all", run_all)
    return ran


def test_references_of_all_tasks_are_run_before_methods_and_nothing_twice(options, stand_in, run):
    given = options("bcp", "--tasks", ADAPTATION, GENERALISATION)
    run(given)
    of_seed = [
        (ADAPTATION, "source-only", 0),
        (ADAPTATION, "target-supervised", 0),
        (GENERALISATION, "source-only", 0),  # its other reference is the very same run
        (ADAPTATION, "bcp", 0),
        (GENERALISATION, "bcp", 0),
    ]
    assert stand_in == of_seed
    run(given)
    assert stand_in == of_seed
    given.seeds = [0, 1]
    run(given)
    assert stand_in[len(of_seed) :] == [(task, name, 1) for task, name, _ in of_seed]


def test_a_line_tells_how_much_of_the_gap_a_method_closes(options, stand_in, run, tmp_path):
    text, _ = run(options("bcp", "--tasks", ADAPTATION))
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    assert lines == [
        "| `source-only` † | 2 + 2 | 0.400 | 0.400 |  | 0.400 | 0.400 | 0.4 | 0 | 10 | 1 |",
        "| `bcp` † | 2 + 2 | 0.700 | 0.700 | 75% | 0.700 | 0.700 | 0.7 | 0 | 10 | 1 |",
        "| `target-supervised` † | 2 + 0 | 0.800 | 0.800 |  | 0.800 | 0.800 | 0.8 | 0 | 10 | 1 |",
    ]
    assert text + "\n" == (tmp_path / "out" / "report.md").read_text()
    with (tmp_path / "out" / ADAPTATION / "runs.csv").open() as file:
        assert {line["name"]: float(line["dice"]) for line in csv.DictReader(file)} == DICE
    two, _ = run(options("bcp", "--tasks", ADAPTATION, "--seeds", "0", "1"))
    assert "| `bcp` | 2 + 2 | 0.700 ± 0.000 | 0.700 (0.700 to 0.700) | 75% |" in two


def test_a_task_whose_references_hardly_differ_is_named_and_dropped(options, stand_in, run, monkeypatch):
    monkeypatch.setitem(DICE, "target-supervised", 0.415)
    text, _ = run(options("bcp", "--tasks", ADAPTATION))
    assert "Dropped: the references differ by 0.015, less than 0.02" in text
    assert "bcp" not in text
    assert all(name != "bcp" for _, name, _ in stand_in)


def test_tasks_without_their_scans_are_left_out_in_words(options, stand_in, run):
    text, said = run(options("--tasks", ADAPTATION, "msd-oasis"))
    (sentence,) = (each for each in said if "msd-oasis" in each)
    assert sentence.startswith("msd-oasis is left out: it needs hippocampus/ with cases.csv and oasis_hippocampus/")
    assert sentence in text
    with pytest.raises(UnusableData, match="groups-oasis is left out"):
        run(options("--tasks", "groups-oasis"))


def test_a_run_that_fails_does_not_keep_the_others_from_running(options, stand_in, run):
    given = options("bcp", "--tasks", ADAPTATION, GENERALISATION, "--try", "broken", "bcp", "threshold=0")
    with pytest.raises(RuntimeError, match="vendor-adaptation: broken-all-0 stopped"):
        run(given)
    assert (GENERALISATION, "bcp", 0) in stand_in


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["magic"], "--methods magic: there is supervised"),
        (["--network", "huge"], "--network huge: there is unet_small"),
        (["bcp", "--try", "bcp", "dtlp"], "2 runs are called bcp-all-0"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_runs(options, stand_in, run, arguments, sentence):
    with pytest.raises(UnusableData, match=sentence):
        run(options(*arguments))
    assert not stand_in


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--minutes", "0"], "--minutes, --steps, --jobs and --threads must be above 0"),
        (["--seeds", "-1"], "--seeds not below it"),
        (["--data", "no such folder"], "no such folder is not a folder"),
        (["--tasks", "mars"], "invalid choice: 'mars'"),
    ],
)
def test_options_that_cannot_work_are_refused_in_words(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        experiment.parse(["domains", *arguments])
    assert sentence in capsys.readouterr().err


def test_real_scans_are_looked_for_where_the_tests_look(tmp_path, monkeypatch):
    monkeypatch.setenv("FEWLABEL_DATA", str(tmp_path))
    assert experiment.parse(["domains"]).data == tmp_path


def test_other_scans_or_settings_are_not_mixed_in(options, stand_in, run, tmp_path):
    run(options("--tasks", ADAPTATION))
    with pytest.raises(UnusableData, match="steps 2, not 3"):
        run(options("--tasks", ADAPTATION, "--steps", "3"))
    file = tmp_path / "out" / ADAPTATION / "task.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "labelled": ["b_01"]}))
    with pytest.raises(UnusableData, match="holds runs on other scans"):
        run(options("--tasks", ADAPTATION))
