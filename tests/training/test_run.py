import json
import os
import threading

import numpy as np
import pytest
import torch

from fewlabel.errors import Refusal
from fewlabel.methods import METHODS
from fewlabel.published import load_published, read_card
from fewlabel.quality import quality
from fewlabel.training.trainer import Diverged
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import read_json


def finite_json(path):
    def refuse(constant):
        raise AssertionError(f"{constant} in {path}")

    return json.loads(path.read_text(), parse_constant=refuse)


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def test_an_accepted_label_is_trained_on_only_where_the_settings_say_so(make_study):
    study = make_study(3)
    study.label("a")
    study.accept("b")
    assert study.train(method="supervised")["labelled"] == 1
    assert study.train(method="supervised", learn_accepted=True)["labelled"] == 2


@pytest.mark.parametrize("method", sorted(METHODS))
def test_one_label_and_a_pool_give_a_published_model_and_scores(make_study, method):
    study = make_study(3)
    study.label("a")
    report = study.train(method=method)
    assert finite_json(study.workspace.progress) == report
    assert (report["phase"], report["epoch"]) == ("done", report["total_epochs"])
    read = 0 if method == "supervised" else 2  # nobody would look at them
    assert (report["labelled"], report["unlabelled"], report["unlabelled_read"]) == (1, 2, read)
    assert report["published"]
    assert not report["validated"]
    assert "is not validated" in " ".join(report["notes"])
    assert 0 < report["best_metric"] <= 1
    model = load_published(study.workspace.model)
    assert model.plan.classes == ("organ",)
    assert (model.card["version"], model.card["validated"]) == (1, False)
    assert (model.card["settings"]["seed"], model.card["steps"], model.card["validated_on"]) == (0, report["step"], {})
    assert 0 < model.card["seconds"] <= report["elapsed"]
    assert model.card["software"].keys() == {"fewlabel", "monai", "torch", "python"}
    scores = read_json(study.workspace.scores)
    assert scores["version"] == 1
    assert set(scores["cases"]) == {"b", "c"}
    assert all(0 <= case["score"] <= 1 for case in scores["cases"].values())


def test_without_a_pool_the_labels_train(make_study):
    study = make_study(2)
    study.label("ab")
    report = study.train()
    assert report["published"]
    assert report["unlabelled"] == 0
    assert read_json(study.workspace.scores)["cases"] == {}


def test_without_labels_it_is_refused(make_study):
    with pytest.raises(Refusal, match="no labels yet"):
        make_study(2).run()


def test_labels_without_any_class_are_refused(make_study):
    study = make_study(2)
    study.label("a", classes=(), array=np.zeros((20, 18, 16), np.uint8))
    with pytest.raises(Refusal, match="No class has a name"):
        study.train()


def test_an_empty_label_is_trained_on(make_study):
    study = make_study(2)
    study.label("a")
    study.label("b", array=np.zeros((20, 18, 16), np.uint8))
    report = study.train()
    assert report["published"]
    assert report["problems"] == []


@pytest.mark.parametrize("what", ["label", "image"])
def test_a_damaged_file_is_reported_and_the_rest_trains(make_study, what):
    study = make_study(3)
    study.label("ab")
    cut(study.label_file("b") if what == "label" else study.image_file("b"))
    report = study.train()
    assert report["published"]
    assert [problem["id"] for problem in report["problems"]] == ["b"]
    assert "b.nii.gz" in report["problems"][0]["reason"]


def test_a_label_on_another_grid_that_was_put_there_by_hand_is_reported_and_the_rest_trains(make_study):
    study = make_study(3)
    study.label("ab")
    write_volume(study.label_file("b"), np.ones((9, 9, 9), np.uint8), np.eye(4))
    report = study.train()
    assert report["published"]
    assert [problem["id"] for problem in report["problems"]] == ["b"]


def test_a_label_with_an_unknown_value_is_reported_and_the_rest_trains(make_study):
    study = make_study(2)
    study.label("ab")
    write_volume(study.label_file("b"), np.full((20, 18, 16), 3, np.uint8), np.diag([1.0, 1.0, 1.5, 1.0]))
    assert "value 3" in study.train()["problems"][0]["reason"]


@pytest.mark.parametrize("what", ["label", "image"])
def test_where_nothing_labelled_is_readable_it_says_so(make_study, what):
    study = make_study(2)
    study.label("a")
    cut(study.label_file("a") if what == "label" else study.image_file("a"))
    with pytest.raises(Refusal, match=r"None of the labelled .*a\.nii\.gz"):
        study.train()


def test_an_unreadable_pool_is_reported_and_the_labels_train(make_study):
    study = make_study(3)
    study.label("a")
    for name in "bc":
        cut(study.image_file(name))
    report = study.train()
    assert report["published"]
    assert sorted({problem["id"] for problem in report["problems"]}) == ["b", "c"]
    assert report["unlabelled_read"] == 0
    assert read_json(study.workspace.scores)["cases"] == {}


def test_an_unreadable_validation_case_is_reported_and_left_out(make_study):
    study = make_study(5)
    study.label("abcde")
    study.train(max_steps=1)
    kept = read_json(study.workspace.pools)["validation"]
    cut(study.image_file(kept[0]))
    report = study.train(max_steps=2)
    assert [problem["id"] for problem in report["problems"]] == kept
    assert report["published"]
    assert not report["validated"]


def test_validation_cases_are_never_trained_on_and_are_measured(make_study):
    study = make_study(6)
    study.label("abcde")
    report = study.train()
    assert len(report["validation_cases"]) == 1
    assert report["labelled"] == 4
    assert report["validated"]
    assert report["validation"].keys() == {"organ"}
    card = read_card(study.workspace.model)
    assert report["best_metric"] == max(0.0, card["validation"]["organ"])
    assert list(card["validated_on"]) == report["validation_cases"]
    assert quality(card).cases == 1


@pytest.mark.parametrize("file", ["model", "checkpoint", "plan", "scores", "progress"])
def test_a_damaged_file_of_the_workspace_stops_no_training(make_study, file):
    study = make_study(2)
    study.label("a")
    study.train(max_steps=1)
    path = getattr(study.workspace, file)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert study.train(max_steps=1)["published"]
    load_published(study.workspace.model)


def test_validation_cases_that_can_no_longer_be_known_are_not_silently_drawn_anew(make_study):
    study = make_study(2)
    study.label("a")
    study.train(max_steps=1)
    study.workspace.pools.write_text('{"validation": [')
    with pytest.raises(Refusal, match="Delete it to draw new ones"):
        study.train(max_steps=1)


def test_after_a_divergence_the_old_model_stays_and_no_checkpoint_is_poisoned(make_study):
    study = make_study(6)
    study.label("abcde")
    study.train(max_steps=1)
    before = study.workspace.model.read_bytes()
    with pytest.raises(Diverged, match="learning_rate"):
        study.run(learning_rate=1e30, max_steps=40)()
    assert study.workspace.model.read_bytes() == before
    saved = torch.load(study.workspace.checkpoint, weights_only=True)
    assert all(value.isfinite().all() for value in saved["method"].values())


def test_what_a_killed_training_was_writing_is_cleared_away(make_study):
    study = make_study(2)
    study.label("a")
    (study.workspace.folder / ".writing-abc.pt").write_bytes(b"half a checkpoint")
    study.train(max_steps=1)
    assert list(study.workspace.folder.glob(".writing-*")) == []


def test_the_threads_of_a_training_end_with_it(make_study):
    study = make_study(3)
    study.label("a")
    before = set(threading.enumerate())
    study.train(max_steps=1)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
