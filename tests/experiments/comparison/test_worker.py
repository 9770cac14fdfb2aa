"""One run from its description to its outcome, in this process and on scans of 18 voxels."""

import json

import pytest
import torch

from experiments.comparison import radiology, worker
from experiments.comparison.measures import MEASURES
from experiments.comparison.rows import CEILING, FLOOR, RADIOLOGY, Row
from experiments.comparison.worker import work
from fewlabel.methods import METHODS
from fewlabel.training.trainer import Trainer
from fewlabel.workspace import write_json

pytestmark = pytest.mark.usefixtures("quiet_process")

COSTS = ("seconds_per_step", "seconds", "peak_memory", "parameters_trained", "parameters_deployed")


@pytest.fixture
def run(data, tmp_path):
    """Callable (row, changes of the experiment) giving the outcome as it is in the file.

    The seconds are so many that the clock adds no progress to the first step: runs can be compared exactly.
    """
    folder = tmp_path / "out"

    def run_it(row, **changed):
        data.experiment(**changed).keep(folder)
        write_json(folder / "rows" / f"{row.key}.json", {"row": row.to_dict(), "seconds": 1e15})
        work(folder, row.key)
        text = (folder / "outcomes" / f"{row.key}.json").read_text()
        return json.loads(text, parse_constant=pytest.fail)

    return run_it


@pytest.fixture
def trained(monkeypatch):
    """Collects (trainer, the weights it ended with) of each training."""
    found, original = [], Trainer.run

    def recorded(trainer):
        original(trainer)
        state = {name: value.clone() for name, value in trainer.method.deployed.state_dict().items()}
        found.append((trainer, state))

    monkeypatch.setattr(Trainer, "run", recorded)
    return found


DUAL, DTLP = METHODS["dual_network"].switches, METHODS["dtlp"].switches

ROWS = [
    Row(FLOOR, FLOOR, 1, 0),
    Row(CEILING, FLOOR, None, 0),
    Row("mean_teacher", "mean_teacher", 2, 1),
    Row("dual_network without entropy filter", "dual_network", 1, 0, DUAL["entropy filter"]),
    Row("dtlp without CutMix", "dtlp", 1, 0, DTLP["CutMix"]),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_an_outcome_has_measures_of_each_class_of_each_test_case_and_nothing_else_is_left(data, run, tmp_path, row):
    outcome = run(row)
    assert [(case["case"], case["class"]) for case in outcome["cases"]] == [
        (case, name) for case in data.test for name in ("class 1", "class 2")
    ]
    for case in outcome["cases"]:
        assert {*MEASURES, "empty"} <= set(case)
        assert 0 <= case["dice"] <= 1
    assert outcome["row"] == json.loads(json.dumps(row.to_dict()))
    assert outcome["steps"] == 2
    assert all(outcome[name] > 0 for name in COSTS)
    assert len(outcome["labelled_cases"]) == (row.labelled or len(data.development))
    assert not list((tmp_path / "out" / "running").iterdir())


def test_the_last_weights_are_measured(run, trained, monkeypatch):
    measured, original = [], worker.segment

    def recorded(network, *arguments):
        measured.append({name: value.clone() for name, value in network.state_dict().items()})
        assert not network.training
        return original(network, *arguments)

    monkeypatch.setattr(worker, "segment", recorded)
    run(Row("mean_teacher", "mean_teacher", 1, 0), steps=3)
    ((trainer, last),) = trained
    assert trainer.step == 3
    assert len(measured) == 2
    for state in measured:
        assert all(torch.equal(value, last[name]) for name, value in state.items())


@pytest.mark.parametrize("tuning", [False, True])
def test_a_run_learns_from_the_drawn_cases_and_opens_no_label_of_another(data, run, trained, tuning):
    row = Row("mean_teacher", "mean_teacher", 1, 0)
    outcome = run(row, tuning=tuning)
    cases = data.experiment(tuning=tuning).cases()
    labelled, unlabelled = cases.draw(1, 0)
    loader = trained[0][0].loader
    assert outcome["labelled_cases"] == [record["id"] for record in loader.labelled.records] == labelled
    assert [record["id"] for record in loader.unlabelled.records] == unlabelled
    assert all(set(record) == {"id", "image"} for record in loader.unlabelled.records)
    assert {case["case"] for case in outcome["cases"]} == set(cases.test)
    assert not {*labelled, *unlabelled, *(cases.test if tuning else ())} & set(data.test)


def test_rows_of_one_seed_begin_with_the_same_network(run, trained, monkeypatch):
    begun, original = [], Trainer.resume

    def recorded(trainer):
        begun.append({name: value.clone() for name, value in trainer.method.deployed.state_dict().items()})
        return original(trainer)

    monkeypatch.setattr(Trainer, "resume", recorded)
    run(Row(FLOOR, FLOOR, 1, 0))
    run(Row("mean_teacher", "mean_teacher", 1, 0))
    one, other = begun
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_a_run_can_be_repeated(run, tmp_path):
    row = Row("mean_teacher", "mean_teacher", 2, 1)
    assert run(row)["cases"] == run(row)["cases"]


def test_what_was_stopped_while_it_was_measured_is_not_trained_for_longer(run, trained, monkeypatch):
    row, measure = Row("mean_teacher", "mean_teacher", 1, 0), worker.measure

    def stop(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "measure", stop)
    with pytest.raises(KeyboardInterrupt):
        run(row)
    monkeypatch.setattr(worker, "measure", measure)
    outcome = run(row)
    assert len(trained) == 1
    assert outcome["steps"] == 2
    assert outcome["cases"] == run(Row("another name", "mean_teacher", 1, 0))["cases"]


def test_what_was_stopped_while_it_was_trained_goes_on(run, trained, monkeypatch):
    row, after = Row("mean_teacher", "mean_teacher", 1, 0), Trainer._after_step

    def stop(trainer, engine):
        after(trainer, engine)
        if trainer.step == 3:
            trainer.save(finished=False)
            raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_after_step", stop)
    with pytest.raises(KeyboardInterrupt):
        run(row, steps=5)
    monkeypatch.setattr(Trainer, "_after_step", after)
    assert run(row, steps=5)["steps"] == 5
    assert [trainer.step for trainer, _ in trained] == [5]


def test_radiology_is_measured_in_the_same_way(data, run, monkeypatch):
    monkeypatch.setattr(radiology, "_CROP", (32, 32, 32))
    outcome = run(Row(RADIOLOGY, RADIOLOGY, 1, 0), steps=1)
    assert [case["case"] for case in outcome["cases"]] == [case for case in data.test for _ in range(2)]
    assert outcome["labelled_cases"] == data.experiment().cases().draw(1, 0)[0]
    assert outcome["steps"] == 1
    assert all(outcome[name] > 0 for name in COSTS)
    assert outcome["parameters_trained"] == outcome["parameters_deployed"]
