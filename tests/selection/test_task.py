"""Scoring on request, with the published model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewlabel.errors import Refusal
from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan
from fewlabel.published import save_published
from fewlabel.selection.task import FewLabelScoring
from fewlabel.settings import Settings
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import Workspace, read_json

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 1, ("organ",))


class Images:
    def __init__(self, folder):
        self.folder = folder

    def get_unlabeled_images(self):
        return ["a", "b"]

    def get_image_uri(self, case):
        return str(self.folder / f"{case}.nii.gz")


@pytest.fixture
def images(tmp_path):
    for seed, case in enumerate("ab"):
        array = np.random.default_rng(seed).normal(size=(18, 17, 16)).astype(np.float32)
        write_volume(tmp_path / f"{case}.nii.gz", array, np.eye(4))
    return Images(tmp_path)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "workspace")


def publish(workspace):
    torch.manual_seed(0)
    networks = [NETWORKS["unet_small"](2) for _ in range(2)]
    save_published(workspace.model, networks[0], PLAN, {"version": 7}, [("unet_small", networks[1])])


def test_it_scores_with_the_members_of_the_published_model(workspace, images):
    publish(workspace)
    assert FewLabelScoring(workspace, Settings(device="cpu"))({}, images) == {"executed": 2, "of": 2}
    scores = read_json(workspace.scores)
    assert scores["version"] == 7
    assert all(case["disagreement"] > 0 for case in scores["cases"].values())


def test_without_a_model_it_says_so(workspace, images):
    with pytest.raises(Refusal, match="not trained yet") as refusal:
        FewLabelScoring(workspace, Settings())({}, images)
    assert refusal.value.status_code == 409


@pytest.mark.parametrize("minutes", [0, -1, "soon", float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(workspace, images, minutes):
    publish(workspace)
    with pytest.raises(Refusal, match="number above 0"):
        FewLabelScoring(workspace, Settings(device="cpu"))({"minutes": minutes}, images)
