"""A training and the store of predictions: what is published is what is stored, and what is stored is learnt from."""

import numpy as np
import pytest

from fewlabel.files import stamp
from fewlabel.inference.predict import segment
from fewlabel.methods import METHODS
from fewlabel.predictions.store import PredictionStore
from fewlabel.published import load_published
from fewlabel.settings import Settings
from fewlabel.training import run as run_module
from fewlabel.training.stored_pool import StoredPool


def store_of(study):
    return PredictionStore(study.workspace.predictions, study.plan())


@pytest.fixture
def study(make_study):
    made = make_study(4)
    made.label("a")

    def plan():
        return load_published(made.workspace.model).plan

    made.plan = plan
    return made


@pytest.mark.parametrize(("method", "teacher"), [("bcp", "cached"), ("dual_network", "live"), ("supervised", "live")])
def test_what_is_stored_of_each_scan_is_what_inference_says_of_it(study, method, teacher):
    report = study.train(method=method, teacher=teacher)
    assert report["published"]
    store, published = store_of(study), load_published(study.workspace.model)
    assert store.usable() == {"b", "c", "d"}
    for case in "bcd":
        stored = store.get(case, stamp(study.image_file(case)))
        shown, _ = segment(published.network, published.plan, study.image_file(case))
        assert np.array_equal(stored.labels, shown.numpy())
        assert stored.head.version == published.card["version"]
        assert stored.head.classes == ("organ",)


def test_a_cached_teacher_teaches_what_was_predicted_on_the_way(study, monkeypatch):
    seen = []
    original = METHODS["mean_teacher"].step

    def step(method, labelled, unlabelled, progress):
        seen.append(None if unlabelled is None else set(unlabelled))
        return original(method, labelled, unlabelled, progress)

    monkeypatch.setattr(METHODS["mean_teacher"], "step", step)
    study.train(method="mean_teacher", teacher="cached", max_steps=10)
    assert seen[0] is None
    assert seen[-1] == {"strong", "pseudo_label", "confidence"}
    versions = {head.version for head in store_of(study).heads.values()}
    assert versions == {1}


def test_the_next_training_begins_with_the_predictions_of_the_last(study, monkeypatch):
    study.train(method="bcp", teacher="cached")
    begun = []
    original = run_module.PairedLoader

    def loader(*arguments, **named):
        begun.append(set(named["predictions"].usable()))
        return original(*arguments, **named)

    monkeypatch.setattr(run_module, "PairedLoader", loader)
    study.label("b")
    study.train(method="bcp", teacher="cached")
    assert begun == [{"b", "c", "d"}]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_is_given_a_cached_teacher_only_where_it_takes_one(study, name):
    stored = StoredPool(study.workspace, Settings(teacher="cached"), "cpu", lambda: None)
    assert stored.teacher_of(name) == ({"teacher": "cached"} if METHODS[name].takes_cached else {})
    assert StoredPool(study.workspace, Settings(), "cpu", lambda: None).teacher_of(name) == {}
