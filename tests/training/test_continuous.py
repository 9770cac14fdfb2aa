"""A whole training that goes on, of a study on disk: what it takes in, publishes and leaves behind."""

from __future__ import annotations

import pytest
import torch

from fewlabel.published import load_published, read_card
from fewlabel.selection import scoring
from fewlabel.training import continuous as continuous_module
from fewlabel.training import run as run_module
from fewlabel.training.arrivals import known_labels
from fewlabel.training.continuous import ContinuousRun
from fewlabel.training.refresh import PoolPasses
from fewlabel.training.standing import one_line
from fewlabel.workspace import read_json


@pytest.fixture
def goes_on(make_study, monkeypatch):
    """A study of nine scans and a callable (change, ...): train, and change something after the first four steps."""
    monkeypatch.setattr(torch, "set_num_threads", lambda number: None)  # of this process, for good
    study = make_study(9)

    def train(change=lambda: None, **settings):
        settings = {"max_steps": 4, "publish_minutes": 0.01, "scoring_minutes": 0.01, "method": "supervised"} | settings
        run = ContinuousRun(study.workspace, study.settings(training="continuous", **settings), study.store)
        changes = iter([change])

        def changed():
            if run.ongoing._steps_of_run == 2:
                next(changes, lambda: None)()
            return known_labels(study.store) != run.arrivals.known

        monkeypatch.setattr(continuous_module.Arrivals, "changed", lambda arrivals: changed())
        run()
        study.run = run
        return study.progress()

    study.goes_on = train
    return study


def test_it_publishes_scores_and_rests(goes_on):
    goes_on.label("ab")
    report = goes_on.goes_on()
    assert report["phase"] == "resting"
    assert report["learned"] == known_labels(goes_on.store)
    assert any("of the 4th to the 8th at least one is kept" in note for note in report["notes"])
    assert load_published(goes_on.workspace.model).card["labelled"] == 2
    assert read_json(goes_on.workspace.scores)["version"] >= 1


def test_a_label_that_comes_meanwhile_is_learnt_from_and_leaves_the_pool(goes_on):
    goes_on.label("ab")
    report = goes_on.goes_on(lambda: goes_on.label("c"), method="mean_teacher")
    assert (report["labelled"], report["unlabelled"]) == (3, 6)
    assert {record["id"] for record in goes_on.run.labels.records} == set("abc")
    assert "c" not in {record["id"] for record in goes_on.run.pool.records}
    assert {record["id"] for record, _ in goes_on.run.labels.held} == set("abc")
    assert goes_on.run.ongoing.step == 6, "two steps before it came and four with it"
    assert read_card(goes_on.workspace.model)["labelled"] == 3


def test_a_label_that_validates_is_never_trained_on_nor_is_its_scan(goes_on):
    goes_on.label("abcdefg")
    report = goes_on.goes_on(lambda: goes_on.label("h"), method="mean_teacher")
    kept = read_json(goes_on.workspace.pools)["validation"]
    assert kept
    assert report["validation_cases"] == kept
    trained = {record["id"] for record in [*goes_on.run.labels.records, *goes_on.run.pool.records]}
    assert not trained & set(kept)
    assert not {record["id"] for record, _ in goes_on.run.pool.held} & set(kept)


def test_a_label_that_is_taken_back_is_learnt_from_no_more(goes_on):
    goes_on.label("ab")
    report = goes_on.goes_on(lambda: goes_on.store.remove_label("b", "final"))
    assert report["labelled"] == 1
    assert {record["id"] for record, _ in goes_on.run.labels.held} == {"a"}


def test_without_any_label_left_it_ends(goes_on):
    goes_on.label("a")
    report = goes_on.goes_on(lambda: goes_on.store.remove_label("a", "final"))
    assert report["phase"] == "starting again"
    assert any("no labels" in note for note in report["notes"])


def test_changed_classes_let_it_begin_again(goes_on):
    goes_on.label("a")

    def change():
        goes_on.workspace.set_classes(["organ", "tumour"])
        goes_on.label("b", classes=("organ", "tumour"))

    report = goes_on.goes_on(change)
    assert report["phase"] == "starting again"
    report = goes_on.goes_on()
    assert report["phase"] == "resting"
    assert load_published(goes_on.workspace.model).plan.classes == ("organ", "tumour")


def test_the_next_one_goes_on_and_versions_never_return(goes_on):
    goes_on.label("ab")
    first = goes_on.goes_on()
    goes_on.label("c")
    second = goes_on.goes_on()
    assert any(note.startswith("Went on at step 4, with other labels.") for note in second["notes"])
    assert second["step"] == 8
    assert second["version"] > first["version"]


def test_a_label_that_comes_while_the_pool_is_scored_ends_that(goes_on, monkeypatch):
    """A large pool takes minutes; the rest is scored after the next publication."""
    goes_on.label("ab")
    scored = []

    def describe(*arguments):
        scored.append(goes_on.progress()["labelled"])
        if len(scored) == 2:
            goes_on.label("c")
        return {"score": 0.0}

    monkeypatch.setattr(scoring, "_describe", describe)
    report = goes_on.goes_on(scoring_minutes=5.0, max_steps=1)
    assert scored.count(2) == 2, "of seven cases"
    assert report["labelled"] == 3


def test_the_line_says_what_the_published_model_reaches_on_today_s_validation_cases(goes_on):
    """Also where nothing was published since the label came, and since the start."""
    goes_on.label("abcdefgh")
    first = goes_on.goes_on()
    for change in (lambda: goes_on.label("i"), lambda: None):
        report = goes_on.goes_on(change, publish_minutes=10.0)
        assert report["version"] == first["version"], "one look publishes nothing"
        assert 0 <= report["published_dice"] <= 1
        cases = len(report["validation_cases"])
        assert f"Dice {report['published_dice']:.2f} on {cases} scan" in one_line(report)


def test_what_is_said_of_validation_follows_the_labels(goes_on):
    goes_on.label("a")
    report = goes_on.goes_on(lambda: goes_on.label("b"))
    said = [note for note in report["notes"] if "not validated" in note]
    assert len(said) == 1
    assert said[0].startswith("All 2 labels")


def test_what_is_said_of_validation_is_true_of_labels_that_came_before_the_first_step(goes_on):
    goes_on.label("abc")
    quick = {"max_steps": 2, "method": "supervised", "publish_minutes": 0.01, "scoring_minutes": 0.01}
    run = ContinuousRun(goes_on.workspace, goes_on.settings(training="continuous", **quick), goes_on.store)
    goes_on.label("defgh")
    run()
    report = goes_on.progress()
    assert report["validation_cases"]
    assert not [note for note in report["notes"] if "not validated" in note]
    kept = f"{len(report['validation_cases'])} of 8 labelled cases are kept for validation"
    assert len([note for note in report["notes"] if note.startswith(kept)]) == 1


def test_one_that_begins_from_scratch_beside_a_published_model_learns_for_a_round_first(goes_on):
    """What is learnt in the first seconds must not replace a whole training."""
    goes_on.label("ab")
    goes_on.goes_on()
    goes_on.workspace.checkpoint.write_bytes(b"damaged")
    report = goes_on.goes_on(publish_minutes=10.0)
    assert any("could not be read" in note for note in report["notes"])
    clock = goes_on.run._clock()
    for trained, due in ((30.0, False), (599.0, False), (600.0, True)):
        clock.trained = trained
        assert clock.is_look_due() is due


def test_it_never_scores_more_than_a_fifth_of_the_time(goes_on, clock, monkeypatch):
    goes_on.label("ab")
    allowed = []
    monkeypatch.setattr(ContinuousRun, "_score", lambda run, *arguments: allowed.append(arguments[-1]))
    goes_on.goes_on()
    assert allowed == [5.0]
    monkeypatch.setattr(run_module, "time", clock)
    run, clock.now = goes_on.run, 100.0
    run.passes = PoolPasses(run._now)
    for clock.now in (104.0, 180.0):
        run.passes.movement.label_came()
        run._score_sometimes(None)
    assert allowed[1:] == [5.0, 20.0]


def test_what_is_published_predicts_the_pool_and_a_model_that_did_not_move_does_not_again(goes_on, monkeypatch):
    goes_on.label("ab")
    report = goes_on.goes_on(method="bcp", teacher="cached", scoring_minutes=5.0, publish_minutes=10.0)  # one look
    store = goes_on.run.store
    assert set(store.heads) == set("cdefghi")
    assert {head.version for head in store.heads.values()} == {report["version"]}
    assert goes_on.run.loader.views == ("confidence", "pseudo_label", "strong")
    again = []
    monkeypatch.setattr(ContinuousRun, "_score", lambda run, *arguments: again.append(arguments))
    method = goes_on.run.ongoing.method
    for changed in (0.0, 0.01, 0.2):
        monkeypatch.setattr(ContinuousRun, "_changed", lambda run, *arguments, changed=changed: changed)
        goes_on.run.passes._share.spent = 0.0  # as after a long time
        goes_on.run._score_sometimes(method)
    assert len(again) == 1
