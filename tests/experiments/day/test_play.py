"""Days of three labels on scans of 18 voxels; a second of the day is a step of the training."""

import dataclasses
import json

import pytest

from experiments.day import play as play_module
from experiments.day.play import PlayedRun, play
from experiments.day.rows import AFTER, WHILE, Day
from fewlabel.training import clock as clock_module
from fewlabel.training.ongoing import OngoingTrainer
from fewlabel.training.run import Run
from fewlabel.training.trainer import Trainer
from fewlabel.workspace import write_json

pytestmark = pytest.mark.usefixtures("quiet_process")

SHORT = {"labelled": 3, "draw": 0.2, "train": 0.2, "until": 1.2, "every": 0.2}  # a label every 12 steps
WHILE_DAY = Day(WHILE, "supervised", "live", 0, **SHORT)
AFTER_DAY = Day(AFTER, "supervised", "live", 0, **SHORT)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Looks after 3 steps and then every 5, with branches of one."""
    for name, value in {"FIRST_LOOK": 3.0, "BRANCH": (1.0, 1.0), "WARM_UP": 10.0, "RISE": 2.0}.items():
        monkeypatch.setattr(clock_module, name, value)
    monkeypatch.setattr(PlayedRun, "_look_every", lambda run: 5.0)


@pytest.fixture
def play_day(data, tmp_path):
    """Callable (day, changes of the experiment) giving what is in the file of its outcome."""
    folder = tmp_path / "out"

    def play_it(row, **changed):
        data.experiment(steps=3, **changed).keep(folder)
        write_json(folder / "rows" / f"{row.key}.json", {"row": row.to_dict(), "seconds": 1e15})
        play(folder, row.key)
        return json.loads((folder / "outcomes" / f"{row.key}.json").read_text(), parse_constant=pytest.fail)

    return play_it


@pytest.mark.parametrize("row", [WHILE_DAY, AFTER_DAY], ids=lambda row: row.way)
def test_each_mark_is_measured_on_the_test_cases_with_the_labels_of_its_minute(data, play_day, tmp_path, row):
    outcome = play_day(row)
    assert outcome["whole"]
    assert [mark["minutes"] for mark in outcome["marks"]] == row.marks()
    for mark in outcome["marks"]:
        there = sum(row.submitted(number) < mark["minutes"] - 1e-6 for number in (1, 2, 3))
        assert mark["labels"] == there, mark["minutes"]
        assert {case["case"] for case in mark["cases"]} == set(data.test)
    assert not list((tmp_path / "out" / "running").iterdir())


def test_no_scan_that_is_measured_on_is_in_the_study(data, play_day, monkeypatch):
    listed, original = [], Run._make_pools

    def recorded(run):
        listed.append(set(run.datastore.list_images()))
        return original(run)

    monkeypatch.setattr(Run, "_make_pools", recorded)
    play_day(AFTER_DAY)
    assert listed
    for images in listed:
        assert not images & set(data.test)
        assert set(data.development) <= images


def test_the_first_way_trains_on_through_the_labels_and_the_second_anew_for_each(play_day, monkeypatch):
    begun, original = {"ongoing": 0, "cycles": 0}, Trainer.resume

    def counted(trainer):
        begun["ongoing" if isinstance(trainer, OngoingTrainer) else "cycles"] += 1
        return original(trainer)

    monkeypatch.setattr(Trainer, "resume", counted)
    on = play_day(WHILE_DAY)
    assert begun == {"ongoing": 1, "cycles": 0}
    steps = [mark["steps"] for mark in on["marks"]]
    assert steps == sorted(steps)
    play_day(AFTER_DAY)
    assert begun == {"ongoing": 1, "cycles": 3}


def test_what_is_waited_for_is_there_when_it_has_ended_and_not_before(play_day):
    """Labels at 0.2, 0.6 and 1.0, trainings that end at 0.4, 0.8 and 1.2."""
    versions = {mark["minutes"]: mark["version"] for mark in play_day(AFTER_DAY)["marks"]}
    assert versions == {0.4: 1, 0.6: 1, 0.8: 2, 1.0: 2, 1.2: 3}


@pytest.mark.parametrize("row", [WHILE_DAY, AFTER_DAY], ids=lambda row: row.way)
def test_a_day_that_was_killed_goes_on(play_day, tmp_path, monkeypatch, row):
    file, measured = tmp_path / "out" / "outcomes" / f"{row.key}.json", play_module.measured
    seen = []

    def stop(*arguments):
        seen.append(arguments)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return measured(*arguments)

    monkeypatch.setattr(play_module, "measured", stop)
    with pytest.raises(KeyboardInterrupt):
        play_day(row)
    kept = json.loads(file.read_text())
    assert not kept["whole"]
    assert len(kept["marks"]) == 2
    monkeypatch.setattr(play_module, "measured", measured)
    outcome = play_day(row)
    assert outcome["whole"]
    assert outcome["marks"][:2] == kept["marks"]
    assert [mark["minutes"] for mark in outcome["marks"]] == row.marks()


def test_a_training_that_rests_is_woken_by_the_next_label(play_day, monkeypatch):
    monkeypatch.setattr(clock_module, "REST_UNVALIDATED", 4.0)
    outcome = play_day(WHILE_DAY)
    assert outcome["whole"]
    assert [mark["labels"] for mark in outcome["marks"]] == [1, 2, 3, 3, 3]
    assert outcome["marks"][-1]["steps"] < 40, "it rested"


@pytest.mark.slow
def test_recording_rules_changes_nothing_of_the_day(play_day, tmp_path):
    plain = play_day(WHILE_DAY)
    (tmp_path / "out" / "outcomes" / f"{WHILE_DAY.key}.json").unlink()
    recorded = play_day(dataclasses.replace(WHILE_DAY, rules=True))
    assert [mark["cases"] for mark in recorded["marks"]] == [mark["cases"] for mark in plain["marks"]]
    assert plain["looks"] == []
    labels = [look["labels"] for look in recorded["looks"]]
    assert sorted(set(labels)) == [1, 2, 3]
    assert labels == sorted(labels)
    assert set(recorded["looks"][0]["judged"]) == {"2", "3"}
    assert recorded["looks"][-1]["judged"] == {}
