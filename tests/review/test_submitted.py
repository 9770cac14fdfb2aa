"""A submitted label against a model whose predictions are known: it copies the image."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewlabel.inference.segment import FewLabelInfer
from fewlabel.plan import Plan
from fewlabel.published import Published
from fewlabel.review import submitted as module
from fewlabel.review.submitted import Reviewer
from fewlabel.volumes.reading import read_label, write_volume
from fewlabel.workspace import Workspace

CLASSES = ("organ", "tumour")
PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "ct", (-1.0, 1.0), "unet_small", 1, CLASSES)
AFFINE = np.diag([-1.0, 1.0, 1.0, 1.0])


class Levels(torch.nn.Module):
    """Sees class 1 where the image is about 0 and class 2 where it is about 1 (background: -1)."""

    calls = 0

    def forward(self, image):
        Levels.calls += 1
        level = torch.logit(image.clamp(1e-4, 1 - 1e-4))  # the plan's normalisation is a sigmoid
        return -40 * torch.cat([(level + 1).abs(), level.abs(), (level - 1).abs()], 1)


class Study:
    """One image, a stored label of it, and a reviewer with the model above."""

    def __init__(self, folder, monkeypatch):
        self.workspace = Workspace(folder / "state")
        self.workspace.set_classes(list(CLASSES))
        self.image, self.label = folder / "a.nii.gz", folder / "labels" / "a.nii.gz"
        self.truth = np.zeros((24, 20, 18), np.uint8)
        self.truth[3:11, 4:14, 5:13] = 1
        self.truth[12:16, 5:9, 3:10] = 2
        write_volume(self.image, self.truth.astype(np.float32) - 1, AFFINE)
        self.card = {"version": 3, "time": 5, "labelled": 4, "validation": {"organ": 0.8, "tumour": None}}
        self.infer = FewLabelInfer(self.workspace, "cpu")
        monkeypatch.setattr(self.infer, "published", lambda device: Published(Levels(), PLAN, self.card))
        self.reviewer = Reviewer(self.workspace, self.infer)
        self.workspace.model.write_bytes(b"published")
        Levels.calls = 0

    def submit(self, array=None, **options):
        write_volume(self.label, self.truth if array is None else array, AFFINE)
        return self.reviewer.submitted("a", self.image, self.label, **{"replaced": False, **options})

    def entries(self):
        return self.reviewer.history.entries()


@pytest.fixture
def study(tmp_path, monkeypatch):
    return Study(tmp_path, monkeypatch)


@pytest.fixture
def large(monkeypatch):
    """Every volume counts as large."""
    monkeypatch.setattr(module, "_QUICK", 10)


def test_nothing_to_correct_is_said_and_entered(study):
    answer = study.submit(strategy="random", kind="accepted")
    assert answer == {"correction": {"mean": 1.0, "classes": {"organ": 1.0, "tumour": 1.0}}, "flags": []}
    (entry,) = study.entries()
    expected = {"case": "a", "model_version": 3, "labels": 4, "validation": 0.8, "mean": 1.0, "changed": 0}
    assert expected.items() <= entry.items()
    assert (entry["strategy"], entry["first"], entry["flags"], entry["kind"]) == ("random", True, [], "accepted")


def test_what_was_corrected_is_measured(study):
    label = study.truth.copy()
    label[3:11, 4:9, 5:13] = 0  # half of the organ
    answer = study.submit(label)
    assert answer["correction"]["classes"] == {"organ": pytest.approx(2 / 3, abs=1e-4), "tumour": 1.0}
    assert study.entries()[0]["changed"] == 8 * 5 * 8
    assert answer["flags"] == []


def test_exchanged_classes_are_flagged_in_the_answer_and_in_the_history(study):
    answer = study.submit(np.array([0, 2, 1], np.uint8)[study.truth])
    assert answer["correction"]["mean"] == 0
    (flag,) = answer["flags"]
    assert "'organ' where the model sees 'tumour'" in flag["reason"]
    assert study.entries()[0]["flags"] == [flag]


def test_without_a_model_the_submission_is_entered_without_dice(study):
    study.workspace.model.unlink()
    assert study.submit() == {"correction": None, "flags": []}
    (entry,) = study.entries()
    assert (entry["mean"], entry["dice"], entry["model_version"], entry["labels"]) == (None, {}, None, None)


def test_a_model_of_other_classes_is_no_measure(study):
    study.workspace.set_classes(["tumour", "vessel"])
    assert study.submit()["correction"] is None
    assert len(study.entries()) == 1


def test_a_model_of_the_same_classes_in_another_order_is_compared_by_name(study):
    study.workspace.set_classes(["vessel", "tumour", "organ"])
    assert study.submit(np.array([0, 3, 2], np.uint8)[study.truth])["correction"]["classes"] == {
        "organ": 1.0,
        "tumour": 1.0,
    }
    assert study.submit(np.array([0, 2, 3], np.uint8)[study.truth])["flags"][0]["kind"] == "swapped"


def test_a_proposal_has_the_study_s_values_after_its_order_changed(study):
    before = read_label(study.infer({"image": str(study.image)})[0]).array
    study.workspace.set_classes(["vessel", "tumour", "organ"])
    file, params = study.infer({"image": str(study.image)})
    assert params["label_names"] == {"organ": 3, "tumour": 2}
    assert np.array_equal(read_label(file).array, np.array([0, 3, 2])[before])
    assert study.infer.info()["labels"] == {"vessel": 1, "tumour": 2, "organ": 3}


def test_a_proposal_of_a_model_with_a_class_that_is_gone_names_its_own_values(study):
    before = read_label(study.infer({"image": str(study.image)})[0]).array
    study.workspace.set_classes(["tumour"])
    file, params = study.infer({"image": str(study.image)})
    assert params["label_names"] == {"organ": 1, "tumour": 2}
    assert np.array_equal(read_label(file).array, before)


def test_a_class_that_the_model_never_learned_counts_as_background(study):
    study.workspace.set_classes([*CLASSES, "vessel"])
    label = study.truth.copy()
    label[18:22, 14:18, 2:5] = 3
    answer = study.submit(label)
    assert answer["correction"] == {"mean": 1.0, "classes": {"organ": 1.0, "tumour": 1.0}}


def test_the_prediction_made_a_moment_ago_is_used_again(study):
    study.infer({"image": str(study.image)})
    before = Levels.calls
    assert study.submit()["correction"]["mean"] == 1.0
    assert Levels.calls == before > 0


def test_a_prediction_of_an_older_model_is_not_used(study):
    study.infer({"image": str(study.image)})
    before = Levels.calls
    study.card = {**study.card, "version": 4}
    study.submit()
    assert Levels.calls > before
    assert study.entries()[0]["model_version"] == 4


@pytest.mark.usefixtures("large")
def test_a_large_scan_is_compared_after_the_answer(study):
    assert study.submit(np.array([0, 2, 1], np.uint8)[study.truth]) == {"correction": None, "flags": []}
    study.reviewer.wait()
    (entry,) = study.entries()
    assert entry["mean"] == 0
    assert [flag["kind"] for flag in entry["flags"]] == ["swapped"]


@pytest.mark.usefixtures("large")
def test_a_large_scan_that_the_model_has_just_segmented_needs_no_waiting(study):
    study.infer({"image": str(study.image)})
    assert study.submit()["correction"]["mean"] == 1.0


@pytest.mark.usefixtures("large")
def test_a_label_that_was_replaced_before_its_turn_is_not_compared(study, monkeypatch):
    started = []
    monkeypatch.setattr(study.reviewer, "_later", started.append)
    study.submit()
    study.submit(study.truth * 0 + 1, replaced=True)
    assert study.reviewer._compare(started[0]) == {}
    assert [entry["mean"] for entry in study.entries()] == [None, None]


@pytest.mark.usefixtures("large")
def test_more_than_can_wait_are_entered_without_a_comparison(study, monkeypatch):
    monkeypatch.setattr(study.reviewer, "_thread", object())  # nobody works
    for _ in range(module._WAITING + 2):
        assert study.submit()["correction"] is None
    assert len(study.entries()) == module._WAITING + 2


@pytest.mark.parametrize("where", ["history.add", "history.complete", "infer.predict", "infer.published", "_is_quick"])
def test_whatever_goes_wrong_the_submission_succeeds(study, monkeypatch, where):
    def fail(*_, **__):
        raise RuntimeError("The device is gone.")

    owner, name = study.reviewer, where
    if "." in where:
        part, name = where.split(".")
        owner = getattr(study.reviewer, part)
    monkeypatch.setattr(owner, name, fail)
    assert study.submit() == {"correction": None, "flags": []}
    assert len(study.entries()) == (where != "history.add")


@pytest.mark.usefixtures("large")
def test_a_comparison_that_fails_does_not_stop_the_next(study, monkeypatch):
    predict = study.infer.predict
    monkeypatch.setattr(study.infer, "predict", lambda *_: 1 / 0)
    study.submit()
    study.reviewer.wait()
    monkeypatch.setattr(study.infer, "predict", predict)
    study.submit(replaced=True)
    study.reviewer.wait()
    assert [entry["mean"] for entry in study.entries()] == [None, 1.0]
