"""The order and the fate of runs, with a script of a few lines instead of a training."""

import json
from pathlib import Path

import psutil
import pytest

import experiment
from experiments.comparison import schedule as schedule_module
from experiments.comparison.cases import UnusableData
from experiments.comparison.rows import RADIOLOGY, Row
from experiments.comparison.schedule import Schedule
from fewlabel.workspace import write_json

STAND_IN = """
import json, os, sys, time
from pathlib import Path
folder, key = Path(sys.argv[2]), sys.argv[3]
assert sys.argv[1] == "row"
given = json.loads((folder / "rows" / f"{key}.json").read_text())
with (folder / "begun.txt").open("a") as file:
    print(key, os.getpid(), file=file)
print("first words of", key)
if given["row"]["settings"].get("sleep"):
    time.sleep(120)
if given["row"]["settings"].get("fail"):
    print("what went wrong")
    sys.exit(3)
outcome = {"row": given["row"], "seconds": given["row"]["settings"].get("seconds", 1.0), "cases": []}
(folder / "outcomes" / f"{key}.json").write_text(json.dumps(outcome))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    monkeypatch.setattr(schedule_module, "_SCRIPT", script)
    return tmp_path / "out"


def a_row(name, seed=0, labelled=4, **settings):
    return Row(name, "uamt", labelled, seed, settings)


def begun(folder):
    """Keys of the runs in the order in which they began, and their processes' numbers."""
    if not (folder / "begun.txt").exists():
        return {}
    return {key: int(number) for key, number in map(str.split, (folder / "begun.txt").read_text().splitlines())}


def seconds_given(folder, row):
    return json.loads((folder / "rows" / f"{row.key}.json").read_text())["seconds"]


def test_a_run_is_the_command_row_of_the_launcher():
    assert Path(experiment.__file__).resolve() == schedule_module._SCRIPT


def test_rows_are_run_in_their_order_and_each_has_a_log(folder):
    rows = [a_row(name, seed) for seed in (0, 1) for name in ("one", "two")]
    Schedule(folder, rows, 1, 60.0, lambda text: None).run()
    assert list(begun(folder)) == [row.key for row in rows]
    assert {file.stem for file in (folder / "outcomes").iterdir()} == {row.key for row in rows}
    for row in rows:
        assert (folder / "logs" / f"{row.key}.txt").read_text() == f"first words of {row.key}\n"
        assert seconds_given(folder, row) == 60.0


def test_a_run_that_is_done_is_not_run_again(folder):
    rows, messages = [a_row("one"), a_row("two"), a_row("three", keep=(0.5, 0.8))], []
    Schedule(folder, rows[::2], 1, 60.0, lambda text: None).run()
    before = begun(folder)
    Schedule(folder, rows, 1, 60.0, messages.append).run()
    assert set(begun(folder)) - set(before) == {rows[1].key}
    assert messages[0] == "2 of 3 runs are there, 1 to do."
    Schedule(folder, rows, 1, 60.0, messages.append).run()
    assert len((folder / "begun.txt").read_text().splitlines()) == 3


def test_a_run_of_the_same_name_with_other_settings_is_not_taken_for_it(folder):
    Schedule(folder, [a_row("one", start=0.1)], 1, 60.0, lambda text: None).run()
    with pytest.raises(
        UnusableData, match=r"is of uamt, settings {'start': 0.1}, not of uamt, settings {'start': 0.2}. Give"
    ):
        Schedule(folder, [a_row("one", start=0.2)], 1, 60.0, lambda text: None).run()


def test_a_run_that_fails_is_reported_with_the_last_line_of_its_log_and_the_others_go_on(folder):
    rows, messages = [a_row("bad", fail=True), a_row("good"), a_row("fine")], []
    schedule = Schedule(folder, rows, 1, 60.0, messages.append)
    schedule.run()
    sentence = f"bad-4-0 stopped with code 3: what went wrong (more in {folder / 'logs' / 'bad-4-0.txt'})"
    assert schedule.failed == {"bad-4-0": sentence}
    assert sentence in messages
    assert {file.stem for file in (folder / "outcomes").iterdir()} == {"good-4-0", "fine-4-0"}
    again = Schedule(folder, rows, 1, 60.0, messages.append)
    again.run()
    assert set(again.failed) == {"bad-4-0"}
    assert len((folder / "begun.txt").read_text().splitlines()) == 4


def test_radiology_comes_last_and_gets_the_seconds_of_the_longest_run_with_as_many_labelled_cases(folder):
    rows = [
        Row(RADIOLOGY, RADIOLOGY, 4, 0, {"seconds": 1000.0}),
        Row(RADIOLOGY, RADIOLOGY, 8, 0),
        Row(RADIOLOGY, RADIOLOGY, 16, 0),
        a_row("short", seconds=2.0),
        a_row("long", seed=1, seconds=7.0),
        a_row("longest", labelled=8, seconds=9.0),
        a_row("all", labelled=None, seconds=99.0),
    ]
    Schedule(folder, rows, 2, 60.0, lambda text: None).run()
    assert [key.startswith(RADIOLOGY) for key in begun(folder)] == [False] * 4 + [True] * 3
    assert [seconds_given(folder, row) for row in rows[:3]] == [7.0, 9.0, 60.0]
    assert {seconds_given(folder, row) for row in rows[3:]} == {60.0}


def test_it_says_how_far_the_runs_are(folder):
    messages = []
    schedule = Schedule(folder, [a_row("one")], 1, 60.0, messages.append)
    write_json(folder / "running" / "one-4-0" / "progress.json", {"progress": 0.25})
    schedule._tell(1, 4)
    assert messages == ["1 of 4 runs; one-4-0 25%"]


def test_ctrl_c_ends_the_children_and_begins_no_other(folder, monkeypatch):
    monkeypatch.setattr(schedule_module, "_TELL_EVERY", 0.05)
    rows, messages = [a_row(name, sleep=True) for name in ("one", "two", "three", "four")], []

    def interrupt(text):
        messages.append(text)
        if len(begun(folder)) == 2:
            raise KeyboardInterrupt

    schedule = Schedule(folder, rows, 2, 60.0, interrupt)
    with pytest.raises(KeyboardInterrupt):
        schedule.run()
    children = [child for child in psutil.Process().children() if child.pid in begun(folder).values()]
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
    assert set(begun(folder)) == {"one-4-0", "two-4-0"}
    assert not schedule.failed
    assert not any("stopped" in text for text in messages)
