"""Memory is short while a training runs: once more with less, then one sentence that says what helps."""

import pytest
import torch

from fewlabel.errors import Refusal
from fewlabel.plan import saved_plan
from fewlabel.published import load_published
from fewlabel.training import run as run_module
from fewlabel.training.trainer import Trainer

ERRORS = {
    "a GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    "the CPU": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    "numpy": MemoryError(),
    "cuDNN": RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
}


@pytest.fixture
def small_memory(monkeypatch):
    """Callable (error, voxels of a batch that fit, first step that fails): a step that asks for more raises."""

    def limit(error, most=0, since=0):
        step, seen = Trainer._train_step, []

        def train_step(trainer, engine, batch):
            voxels = batch["labelled"]["image"].numel()
            if voxels > most and trainer.step >= since:
                raise error
            seen.append(voxels)
            return step(trainer, engine, batch)

        monkeypatch.setattr(Trainer, "_train_step", train_step)
        return seen

    return limit


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_a_step_that_does_not_fit_is_tried_with_fewer_crops_and_the_training_ends_well(make_study, small_memory, error):
    study = make_study(2)
    study.label("a")
    seen = small_memory(error, 16**3)
    report = study.train(batch=2, max_steps=3)
    assert (report["phase"], report["steps"], report["step"]) == ("done", 3, 3)
    assert seen == [16**3] * 3
    note = next(note for note in report["notes"] if "was not enough" in note)
    assert "2 crops of 16x16x16 voxels a step: it goes on with 1 crop of" in note
    assert "--conf batch" in note
    assert load_published(study.workspace.model).plan.batch == 1


def test_one_crop_that_does_not_fit_becomes_a_smaller_one(make_study, small_memory):
    study = make_study(2)
    study.label("a")
    seen = small_memory(ERRORS["a GPU"], 16**3)
    report = study.train(batch=1, patch=(16, 16, 32), max_steps=2)
    assert report["phase"] == "done"
    assert seen == [16**3] * 2
    assert load_published(study.workspace.model).plan.patch == (16, 16, 16) == tuple(report["plan"]["patch"])


def test_what_was_learnt_before_stays_and_the_next_training_does_not_fail_again(make_study, small_memory):
    study = make_study(2)
    study.label("a")
    seen = small_memory(ERRORS["a GPU"], 16**3, since=2)
    report = study.train(batch=2, max_steps=4)
    assert seen == [2 * 16**3] * 2 + [16**3] * 2
    assert report["step"] == 4
    settings = study.settings(batch=None)
    assert saved_plan(study.workspace.plan, ["organ"], settings).batch == 1
    report = study.train(batch=None, max_steps=1)
    assert not any("was not enough" in note for note in report["notes"])
    assert any("weights of the last training" in note for note in report["notes"])


@pytest.mark.parametrize("batch", [1, 2])
def test_a_training_that_never_fits_ends_with_a_sentence_that_says_what_helps(make_study, small_memory, batch):
    study = make_study(2)
    study.label("a")
    small_memory(ERRORS["a GPU"])
    with pytest.raises(Refusal, match=r"--conf patch.*--conf batch 1.*--conf spacing"):
        study.task(batch=batch, patch=(8, 8, 16))({"max_steps": 2}, study.store)
    stats = study.task().stats()
    assert stats["phase"] == "failed"
    assert stats["error"].startswith("Training needs more than the memory of this computer")


def test_too_little_memory_before_the_first_step_is_said_too(make_study, monkeypatch):
    study = make_study(2)
    study.label("a")

    def full(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(run_module.Run, "_method", full)
    with pytest.raises(Refusal, match="--conf spacing"):
        study.task()({}, study.store)
    assert "--conf spacing" in study.task().stats()["error"]


def test_cases_that_do_not_fit_when_they_are_scored_take_no_training_away(make_study, monkeypatch):
    study = make_study(3)
    study.label("a")

    def full(*arguments, **more):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(run_module, "score_cases", full)
    report = study.train(max_steps=1)
    assert (report["phase"], report["published"]) == ("done", True)
    assert any("Not all cases were scored" in note for note in report["notes"])


def test_another_error_is_not_taken_for_a_want_of_memory(make_study, small_memory):
    study = make_study(2)
    study.label("a")
    small_memory(RuntimeError("The device is gone."))
    with pytest.raises(RuntimeError, match="The device is gone"):
        study.train(batch=2)
