"""Rounds of one training that goes on, on scans of 18 voxels; a second is a step of the training."""

import dataclasses
import json

import pytest

from experiments.day.timed import TimedRun
from experiments.harness.errors import ExperimentError
from experiments.rounds import continuous, rounds
from experiments.rounds.continuous import go_on, of_case
from experiments.rounds.kinds import ORDINARY, write_kinds
from experiments.rounds.simulate import Annotation
from experiments.rounds.stopping import stopping_table
from fewlabel.selection.expected_correction import Corrections
from fewlabel.training import clock as clock_module
from fewlabel.training import run as run_module
from fewlabel.training.trainer import Trainer
from fewlabel.workspace import Workspace, write_json

pytestmark = pytest.mark.usefixtures("quiet_process")

ROW = Annotation("random", "supervised", 0, (1, 2, 4), seconds=10.0, measured=(2, 4))


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Looks after 3 steps and then every 4, with branches of one."""
    for name, value in {"FIRST_LOOK": 3.0, "BRANCH": (1.0, 1.0), "WARM_UP": 10.0, "RISE": 2.0}.items():
        monkeypatch.setattr(clock_module, name, value)
    monkeypatch.setattr(TimedRun, "_look_every", lambda run: 4.0)


@pytest.fixture
def play(data, tmp_path):
    """Callable (row, name of the run) giving its outcome."""

    def play_it(row=ROW, name="run"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return go_on(row, data.experiment(steps=3), folder, folder / "outcome.json")

    return play_it


def test_each_round_has_its_labels_more_and_is_measured_where_asked(data, play, tmp_path):
    outcome = play()
    rounds = outcome["rounds"]
    assert outcome["whole"]
    assert [each["labels"] for each in rounds] == [1, 2, 4]
    assert [len(each["labelled"]) for each in rounds] == [1, 2, 4]
    assert [each["seconds"] for each in rounds] == pytest.approx([10, 20, 30], abs=1)
    assert not set(data.test) & set(rounds[-1]["labelled"])
    assert set(rounds[-1]["labelled"]) <= set(data.development), "others have no reference label"
    assert ["dice" in each for each in rounds] == [False, True, True]
    assert set(rounds[-1]["of_case"]) == set(data.test)
    assert json.loads((tmp_path / "run" / "outcome.json").read_text(), parse_constant=pytest.fail)["whole"]


def test_nothing_is_begun_anew_between_rounds(play, monkeypatch):
    begun, original = [], Trainer.resume
    monkeypatch.setattr(Trainer, "resume", lambda trainer: begun.append(trainer) or original(trainer))
    versions = [each["version"] for each in play()["rounds"] if "dice" in each]
    assert len(begun) == 1
    assert begun[0].step >= 20, "the rest of the 30 are branches and passes"
    assert versions[0] < versions[1], "what is measured is what was published last"


def test_the_history_holds_what_had_to_be_corrected_by_the_model_of_that_moment(play, tmp_path):
    outcome = play()
    history = {entry["case"]: entry for entry in outcome["history"]}
    first, *later = outcome["rounds"][-1]["labelled"]
    assert list(history) == [first, *later]
    assert history[first]["kind"] == "drawn"
    assert history[first]["dice"] == {}
    assert [history[case]["kind"] for case in later] == ["corrected"] * 3
    assert [history[case]["labels"] for case in later] == [1, 2, 2], "labels that the model had learnt from"
    assert all(history[case]["mean"] is not None for case in later)
    assert all(entry["first"] and entry["strategy"] == "random" for entry in history.values())
    kept = Corrections(Workspace(tmp_path / "run" / "study" / ".fewlabel").history).read()
    assert list(kept) == later, "which is what expected_correction reads"


def test_a_killed_run_goes_on_from_the_last_whole_round(play, tmp_path, monkeypatch):
    measured, seen = continuous.measured, []

    def stop(*arguments):
        seen.append(arguments)
        if len(seen) == 2:
            raise KeyboardInterrupt
        return measured(*arguments)

    monkeypatch.setattr(continuous, "measured", stop)
    with pytest.raises(KeyboardInterrupt):
        play()
    kept = json.loads((tmp_path / "run" / "outcome.json").read_text())
    assert not kept["whole"]
    assert [each["labels"] for each in kept["rounds"]] == [1, 2]
    outcome = play()
    assert outcome["whole"]
    assert outcome["rounds"][:2] == kept["rounds"]
    assert [each["labels"] for each in outcome["rounds"]] == [1, 2, 4]
    assert len(outcome["history"]) == len({entry["case"] for entry in outcome["history"]}) == 4
    assert len(list((tmp_path / "run").glob("after-*"))) == 1


def test_strategies_that_know_no_model_choose_the_same_in_a_run_that_was_killed(play, monkeypatch):
    plain = play(name="plain")["rounds"][-1]["labelled"]
    keep, seen = continuous.Rounds._keep, []

    def stop(rounds):
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt  # cases were handed out and labelled, and it is not written yet
        keep(rounds)

    monkeypatch.setattr(continuous.Rounds, "_keep", stop)
    with pytest.raises(KeyboardInterrupt):
        play(name="killed")
    assert play(name="killed")["rounds"][-1]["labelled"] == plain


def test_a_training_that_rests_is_woken_by_the_next_labels(play, monkeypatch):
    monkeypatch.setattr(clock_module, "REST_UNVALIDATED", 6.0)
    outcome = play()
    assert [each["labels"] for each in outcome["rounds"]] == [1, 2, 4]
    assert [each["seconds"] for each in outcome["rounds"]] == pytest.approx([10, 20, 30], abs=1)


def test_too_short_rounds_are_refused_in_words(play, monkeypatch):
    monkeypatch.setattr(clock_module, "FIRST_LOOK", 1000.0)
    monkeypatch.setattr(TimedRun, "_look_every", lambda run: 1000.0)
    with pytest.raises(ExperimentError, match="give more to --seconds"):
        play()


def test_scoring_may_take_its_share_of_the_training_and_not_of_the_wall(play, monkeypatch):
    seen, score = [], run_module.score_cases

    def scored(*arguments, clock, **more):
        if not seen:
            run, begun, least = clock.__self__, clock(), arguments[5] * 60
            with run.now.stopped():
                run.now.go_on_from(run.now() + 5.5)  # of the five that are the least
                seen.append((clock() - begun, least, run.rounds.has_ended()))
        return score(*arguments, clock=clock, **more)

    monkeypatch.setattr(run_module, "score_cases", scored)
    play(dataclasses.replace(ROW, seconds=20.0))
    assert seen == [(pytest.approx(5.5), 5.0, False)]


def test_runs_end_in_a_report_with_a_table_of_the_rare_cases(data, tmp_path):
    folder = tmp_path / "out"
    data.experiment(steps=3).keep(folder)
    write_kinds(data.folder, {"c0": ORDINARY, "c1": "resection", "c2": "resection", "c3": ORDINARY})
    for row in (ROW, dataclasses.replace(ROW, strategy="expected_correction")):
        write_json(folder / "rows" / f"{row.key}.json", {"row": row.to_dict(), "seconds": 1.0})
        rounds.play(folder, row.key)
    report = rounds.write_report(folder)
    assert "rounds of 10 core-seconds in one training that goes on" in report
    assert report.count("| supervised, expected_correction |") == 2
    assert "Dice of rare cases with 4" in report
    assert len((folder / "rounds.csv").read_text().splitlines()) == 1 + 2 * 2
    assert (folder / "rounds.png").stat().st_size > 1000
    assert not list((folder / "running").iterdir())
    assert stopping_table([folder]).count("| data | supervised, ") == 2


def test_a_case_counts_the_classes_that_it_or_its_prediction_has():
    rows = [
        {"case": "a", "class": "liver", "dice": 0.8, "empty": ""},
        {"case": "a", "class": "kidney", "dice": None, "empty": "both"},
        {"case": "b", "class": "liver", "dice": 0.6, "empty": ""},
        {"case": "b", "class": "kidney", "dice": 0.0, "empty": "prediction"},
    ]
    assert of_case(rows) == {"a": 0.8, "b": 0.3}
