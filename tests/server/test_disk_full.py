"""A full disk while a model is published: the old model stays whole, and a message says what to do."""

import errno
import os
from pathlib import Path

import pytest
import torch

from fewlabel.datastore.store import StudyDatastore
from fewlabel.errors import Refusal
from fewlabel.inference.segment import FewLabelInfer
from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan
from fewlabel.published import load_published, save_published
from fewlabel.settings import Settings
from fewlabel.training.run import Run
from fewlabel.training.task import FewLabelTrain
from fewlabel.workspace import Workspace, read_json, replace_file

PLAN = Plan((1.0, 1.25, 2.0), (16, 16, 16), "meanstd", None, "unet_small", 1, ("organ", "tumour"))


def no_space(*arguments):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture(params=["write_bytes", "fsync", "replace"])
def fill_disk(request, monkeypatch):
    """Callable: from now on a published model cannot be written; three moments of writing it."""
    write_bytes = Path.write_bytes

    def half(path, content):
        write_bytes(path, bytes(content)[:100])
        no_space()

    def write_model(path, write):
        with pytest.MonkeyPatch.context() as disk:
            if path.name == "model.pt" and request.param == "write_bytes":
                disk.setattr(Path, "write_bytes", half)
            elif path.name == "model.pt":
                disk.setattr(os, request.param, no_space)
            replace_file(path, write)

    return lambda: monkeypatch.setattr("fewlabel.published.replace_file", write_model)


def weights(network):
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def test_the_published_model_survives_and_nothing_is_left_over(tmp_path, fill_disk):
    path = tmp_path / "model.pt"
    old, new = NETWORKS["unet_small"](3), NETWORKS["unet_small"](3)
    save_published(path, old, PLAN, {"version": 1})
    fill_disk()
    with pytest.raises(Refusal, match=r"Could not write .*model\.pt: No space left.*free some disk space") as caught:
        save_published(path, new, PLAN, {"version": 2})
    assert caught.value.status_code == 507
    published = load_published(path)
    assert published.card["version"] == 1
    assert torch.equal(weights(published.network), weights(old))
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt"]


@pytest.fixture
def study(tmp_path, volumes):
    """A datastore of three scans, one of them labelled, and its workspace."""
    folder = volumes.study(tmp_path / "studies", 3)
    volumes.write(folder / "labels" / "final" / "scan_0.nii.gz", volumes.label(0))
    workspace = Workspace(tmp_path / "workspace")
    workspace.set_classes(["organ", "tumour"])
    return workspace, StudyDatastore(str(folder), workspace, auto_reload=False, read_only=False)


SETTINGS = Settings(network="unet_small", patch=(16, 16, 16), batch=1, max_steps=2, scoring_minutes=0.01, device="cpu")


@pytest.mark.parametrize("fill_disk", ["write_bytes"], indirect=True)
def test_a_training_that_cannot_publish_ends_in_words_and_the_old_model_serves_on(study, fill_disk, monkeypatch):
    workspace, datastore = study
    Run(workspace, SETTINGS, datastore)()
    infer = FewLabelInfer(workspace, "cpu")
    before = weights(infer.published("cpu").network)
    fill_disk()
    monkeypatch.setattr(os, "nice", lambda step: 0)  # for this process, that is for good
    with pytest.raises(Refusal, match=r"model\.pt: No space left"):
        FewLabelTrain(workspace, SETTINGS)({"model": "fewlabel"}, datastore)
    progress = read_json(workspace.progress)
    assert progress["phase"] == "failed"
    assert "No space left" in progress["error"]
    monkeypatch.undo()
    assert torch.equal(weights(infer.published("cpu").network), before)
    file, answer = infer({"image": datastore.get_image_uri("scan_1")})
    os.unlink(file)
    assert answer["model_version"] == 1
    assert Run(workspace, SETTINGS, datastore)()["version"] == 2
