"""Trainings that go on, measured at marks; a second of their time is a step: nothing depends on the computer."""

import copy
import json

import pytest
import torch

from experiments.comparison import going_on
from experiments.comparison.anytime import Anytime, AnytimeTrainer, Kept
from experiments.comparison.going_on import work
from experiments.comparison.outcomes import read_outcomes
from experiments.comparison.rows import FLOOR, Row
from experiments.comparison.times import CoreTime, StepTime
from fewlabel.training import clock as clock_module
from fewlabel.workspace import write_json

pytestmark = pytest.mark.usefixtures("quiet_process")

MARKS = (0.1, 0.4)  # after 6 and after 24 steps
SUPERVISED = Row(FLOOR, FLOOR, 1, 0)
CACHED = Row("bcp cached", "bcp", 1, 0, {"teacher": "cached"})


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """The first look after 4 steps, then one every 8, with branches of 2."""
    for name, value in {"FIRST_LOOK": 4.0, "BRANCH": (2.0, 2.0), "WARM_UP": 10.0, "RISE": 2.0}.items():
        monkeypatch.setattr(clock_module, name, value)
    monkeypatch.setattr(clock_module.Clock.__init__, "__defaults__", _with_looks_every(8.0))


def _with_looks_every(seconds):
    defaults = clock_module.Clock.__init__.__defaults__
    return (*defaults[:-1], seconds)


@pytest.fixture
def run(data, tmp_path):
    """Callable (row, changes of the experiment) giving the marks as they are in the file."""
    folder = tmp_path / "out"

    def run_it(row, marks=MARKS, publishes=("branch",), **changed):
        data.experiment(steps=1, marks=marks, publishes=publishes, **changed).keep(folder)
        write_json(folder / "rows" / f"{row.key}.json", {"row": row.to_dict(), "seconds": 1e15})
        work(folder, row.key)
        return json.loads((folder / "outcomes" / f"{row.key}.json").read_text(), parse_constant=pytest.fail)

    return run_it


@pytest.fixture
def trained(monkeypatch):
    """Collects each trainer with what it was at its end."""
    found, original = [], AnytimeTrainer.run

    def recorded(trainer):
        original(trainer)
        found.append((trainer, copy.deepcopy(trainer.method.state_dict()), torch.get_rng_state()))

    monkeypatch.setattr(AnytimeTrainer, "run", recorded)
    return found


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("row", [SUPERVISED, Row("ceiling", FLOOR, None, 0), CACHED], ids=lambda row: row.key)
def test_each_mark_has_measures_of_each_test_case(data, run, tmp_path, row):
    outcome = run(row)
    assert outcome["whole"]
    assert [(mark["minutes"], mark["publishes"]) for mark in outcome["marks"]] == [(0.1, "branch"), (0.4, "branch")]
    for mark in outcome["marks"]:
        assert [case["case"] for case in mark["cases"]] == [case for case in data.test for _ in range(2)]
        assert mark["row"]["name"] == row.name
        assert mark["published"] <= mark["minutes"]
    assert [outcome["minutes"] for outcome in read_outcomes(tmp_path / "out")] == list(MARKS)
    assert not list((tmp_path / "out" / "running").iterdir())


def test_what_is_measured_is_what_was_published_last_before_the_mark(run):
    """Looks after 4, 12 and 20 steps of the trunk, each with a branch of 2: published after 6, 16 and 26 seconds."""
    first, second = run(SUPERVISED)["marks"]
    assert (first["steps"], first["published"]) == (4, pytest.approx(6 / 60))
    assert (second["steps"], second["published"]) == (12, pytest.approx(16 / 60))


def test_the_mean_of_the_weights_is_charged_without_the_branches(run):
    marks = run(SUPERVISED, publishes=("branch", "mean"))["marks"]
    mean = [mark for mark in marks if mark["publishes"] == "mean"]
    assert [mark["row"]["name"] for mark in mean] == [f"{FLOOR} mean"] * 2
    assert [(mark["steps"], round(mark["seconds"])) for mark in mean] == [(4, 4), (20, 20)]
    assert {mark["row"]["name"] for mark in marks} == {f"{FLOOR} mean", f"{FLOOR} branch"}


def test_a_fresh_candidate_is_as_old_as_the_mark(run):
    """Branches of 2 begin 3 or 4 seconds before the mark; the mean is taken at its mark."""
    marks = run(SUPERVISED, marks=(0.2, 0.4), publishes=("branch", "mean"), fresh=True)["marks"]
    published = {(mark["publishes"], mark["minutes"]): mark["seconds"] for mark in marks}
    assert 10 <= published["branch", 0.2] <= 12
    assert 22 <= published["branch", 0.4] <= 24
    assert published["mean", 0.2] == 12
    assert published["mean", 0.4] == 24


def test_branches_and_their_measuring_are_the_same_whether_the_mean_is_asked_for_or_not(run, tmp_path):
    alone = run(SUPERVISED)["marks"]
    (tmp_path / "out" / "experiment.json").unlink()
    (tmp_path / "out" / "outcomes" / f"{SUPERVISED.key}.json").unlink()
    both = [mark for mark in run(SUPERVISED, publishes=("branch", "mean"))["marks"] if mark["publishes"] == "branch"]
    assert [mark["cases"] for mark in both] == [mark["cases"] for mark in alone]


@pytest.mark.parametrize("row", [SUPERVISED, CACHED], ids=lambda row: row.key)
def test_measuring_changes_nothing_of_what_is_trained(run, trained, tmp_path, monkeypatch, row):
    """The same last mark, with and without two marks before it whose measuring draws random numbers."""

    def drawing(cases, plan, predict):
        torch.rand(5)
        return iter([{"case": "a", "class": "class 1", "dice": 0.5, "empty": ""}])

    monkeypatch.setattr(going_on, "measured", drawing)
    run(row, marks=(0.4,))
    for folder in ("experiment.json", f"outcomes/{row.key}.json"):
        (tmp_path / "out" / folder).unlink()
    run(row, marks=(0.1, 0.3, 0.4))
    (_, one, drawn), (_, other, drawn_too) = trained
    assert same(one, other)
    assert torch.equal(drawn, drawn_too)


def test_the_pool_is_predicted_by_what_was_published_and_learnt_from(run, trained):
    run(CACHED)
    trainer = trained[0][0]
    passes = trainer.anytime.passes
    assert passes.version == 3
    assert {head.version for head in passes.store.heads.values()} <= {1, 2, 3}
    assert len(passes.store.heads) == len(passes.pool)
    assert trainer.progress.snapshot()["losses"]["pseudo"] > 0


def test_a_killed_run_keeps_its_marks_and_goes_on(run, trained, tmp_path, monkeypatch):
    file, after = tmp_path / "out" / "outcomes" / f"{SUPERVISED.key}.json", AnytimeTrainer._one_more

    def stop(trainer, output, batches):
        after(trainer, output, batches)
        if trainer.step == 14:
            trainer.save(finished=True)
            raise KeyboardInterrupt

    monkeypatch.setattr(AnytimeTrainer, "_one_more", stop)
    with pytest.raises(KeyboardInterrupt):
        run(SUPERVISED, marks=(0.1, 0.4, 0.5), publishes=("branch", "mean"))
    kept = json.loads(file.read_text())
    assert not kept["whole"]
    assert [mark["minutes"] for mark in kept["marks"]] == [0.1, 0.1]
    monkeypatch.setattr(AnytimeTrainer, "_one_more", after)
    outcome = run(SUPERVISED, marks=(0.1, 0.4, 0.5), publishes=("branch", "mean"))
    assert outcome["whole"]
    assert outcome["marks"][:2] == kept["marks"]
    branch = [mark for mark in outcome["marks"] if mark["publishes"] == "branch"]
    assert [mark["steps"] for mark in branch] == [4, 12, 20]
    assert trained[-1][0].step < 40, "not begun again"


def test_no_core_time_passes_while_it_is_stopped():
    now = CoreTime()
    before = now()
    with now.stopped():
        sum(range(2_000_000))
        during = now()
    assert during > before
    assert now() - before < during - before
    now.go_on_from(100.0)
    assert 100 <= now() < 160


def test_a_mark_before_anything_is_published_waits_for_the_first(monkeypatch):
    now, measured = StepTime(), []
    anytime = Anytime(("branch",), (1.0,), now, None, lambda *given: measured.append(given))
    now.go_on_from(100.0)
    assert anytime.look(None, 7) == ""
    method = torch.nn.Module()
    method.deployed = torch.nn.Linear(1, 1)
    anytime.take({"branch": method}, 7)
    assert anytime.look(None, 8) == "marks"
    ((kind, minutes, kept),) = measured
    assert (kind, minutes, kept.step, kept.seconds) == ("branch", 1.0, 7, 100.0)
    assert isinstance(kept, Kept)
