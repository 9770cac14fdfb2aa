"""Memory is short while a model is applied: once more with less, then on the CPU, then one sentence."""

import logging

import numpy as np
import pytest
import torch

from fewlabel.errors import Refusal
from fewlabel.inference import segment as module
from fewlabel.inference.predict import segment, sliding_window
from fewlabel.inference.segment import FewLabelInfer, FewLabelUncertainty
from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan
from fewlabel.published import save_published
from fewlabel.selection.task import FewLabelScoring
from fewlabel.settings import Settings
from fewlabel.training.validation import Validator
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import Workspace

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 1, ("organ",))
ERRORS = {
    "a GPU": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
    "the CPU": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    "numpy": MemoryError(),
}


class Greedy(torch.nn.Module):
    """Fails for more than ``most`` crops at once."""

    def __init__(self, error, most=1):
        super().__init__()
        self.error, self.most, self.calls = error, most, []

    def forward(self, crops):
        self.calls.append(len(crops))
        if len(crops) > self.most:
            raise self.error
        return torch.cat([-crops, crops], 1)


@pytest.fixture
def image(tmp_path):
    array = np.random.default_rng(0).normal(size=(30, 28, 26)).astype(np.float32)
    write_volume(tmp_path / "images" / "a.nii.gz", array, np.eye(4))
    return tmp_path / "images" / "a.nii.gz"


@pytest.fixture
def workspace(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    workspace.set_classes(["organ"])
    save_published(workspace.model, NETWORKS["unet_small"](2), PLAN, {"version": 1})
    return workspace


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_crops_that_do_not_fit_together_are_predicted_one_by_one_with_the_same_result(image, error):
    greedy, modest = Greedy(error), Greedy(error, 2)
    ours, theirs = (segment(network, PLAN, image)[0] for network in (greedy, modest))
    assert torch.equal(ours, theirs)
    assert greedy.calls[0] == 2
    assert set(greedy.calls[1:]) == {1}


def test_a_second_failure_and_any_other_error_are_not_tried_again():
    volume = torch.zeros(1, 1, 20, 20, 20)
    for error, most, calls in [(ERRORS["a GPU"], 0, [2, 1]), (RuntimeError("The device is gone."), 1, [2])]:
        network = Greedy(error, most)
        with pytest.raises(RuntimeError) as caught:
            sliding_window(PLAN)(volume, network)
        assert caught.value is error
        assert network.calls == calls


def test_validation_goes_on_with_one_crop_at_a_time(image, tmp_path):
    label = np.zeros((30, 28, 26), np.uint8)
    label[5:20, 5:20, 5:20] = 1
    write_volume(tmp_path / "label.nii.gz", label, np.eye(4))
    record = {"id": "a", "image": str(image), "label": str(tmp_path / "label.nii.gz")}
    dice = [Validator([record], PLAN, "cpu")(Greedy(ERRORS["a GPU"], most))["organ"] for most in (1, 2)]
    assert dice[0] == dice[1] > 0


@pytest.mark.parametrize("kind", [FewLabelInfer, FewLabelUncertainty])
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_what_does_not_fit_in_smaller_pieces_either_is_said_in_words(workspace, image, monkeypatch, kind, error):
    task = kind(workspace, "cpu")
    loaded = task.published("cpu")
    model = loaded if kind is FewLabelInfer else loaded[0]
    monkeypatch.setattr(type(model.network), "forward", Greedy(error, 0).forward)
    with pytest.raises(Refusal, match=r"--conf patch.*--conf batch 1.*--conf spacing") as caught:
        task({"image": str(image)})
    assert caught.value.status_code == 503


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_where_a_gpu_is_full_the_cpu_is_used_and_that_is_said(workspace, image, monkeypatch, error):
    monkeypatch.setattr(module, "pick_device", lambda asked, default: ("cuda:0", ""))
    task = FewLabelInfer(workspace)
    load, devices = task.load, []

    def load_on(device):
        devices.append(device)
        if device == "cuda:0":
            raise error
        return load(device)

    monkeypatch.setattr(task, "load", load_on)
    answer = task({"image": str(image)})[1]
    assert devices == ["cuda:0", "cpu"]
    assert any("computed on the CPU" in note for note in answer["notes"])


@pytest.mark.parametrize("asked", ["cuda", "cuda:0", ["cuda:3", "cpu"], "NVIDIA A100:0", {"odd": 1}, 5])
def test_a_device_that_is_not_here_is_replaced_by_the_default_and_that_is_said(workspace, image, asked):
    notes = FewLabelInfer(workspace, "cpu")({"image": str(image), "device": asked})[1]["notes"]
    assert sum("cpu was used instead" in note for note in notes) == 1
    for usual in (None, "", "cpu", ["cpu", "cuda"], []):
        assert FewLabelInfer(workspace, "cpu")({"image": str(image), "device": usual})[1]["notes"] == []


class Pool:
    def __init__(self, image):
        self.image = image

    def get_unlabeled_images(self):
        return ["a"]

    def get_image_uri(self, case):
        return str(self.image)


@pytest.mark.parametrize("most", [0, 1])
def test_scoring_goes_on_with_less_or_says_what_helps(workspace, image, monkeypatch, most, caplog):
    network = NETWORKS["unet_small"](2)
    greedy = Greedy(ERRORS["a GPU"], most)
    monkeypatch.setattr(type(network), "forward", lambda self, crops: greedy(crops))
    scoring = FewLabelScoring(workspace, Settings(device="cpu"))
    if most:
        with caplog.at_level(logging.WARNING):
            assert scoring({"device": "cuda"}, Pool(image)) == {"executed": 1, "of": 1}
        assert "cpu was used instead" in caplog.text
    else:
        with pytest.raises(Refusal, match="--conf patch"):
            scoring({}, Pool(image))
