"""The map of uncertainty: on the image's grid, 0 to 1, highest where members are unsure or disagree."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fewlabel.inference.predict import map_uncertainty
from fewlabel.inference.segment import FewLabelUncertainty
from fewlabel.networks import NETWORKS
from fewlabel.networks.mean import MeanOfNetworks
from fewlabel.plan import Plan
from fewlabel.published import load_members, save_published
from fewlabel.volumes.reading import read_volume, write_volume
from fewlabel.workspace import Workspace

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "ct", (-100.0, 100.0), "unet_small", 1, ("bright",))
OBLIQUE = np.array([[0.9, 0.1, 0, 5], [-0.1, -0.9, 0.2, 7], [0, 0.2, 1.4, -3], [0, 0, 0, 1]], float)


class Threshold(nn.Module):
    """Says ``bright`` where the preprocessed image is above ``level``."""

    def __init__(self, level, sharpness=20.0):
        super().__init__()
        self.level, self.sharpness = level, sharpness

    def forward(self, image):
        logit = (image - self.level) * self.sharpness
        return torch.cat([-logit, logit], 1)


@pytest.fixture
def image(tmp_path):
    """A ramp of intensities along the first axis."""
    ramp = np.linspace(-200, 200, 24)[:, None, None] * np.ones((24, 20, 18))
    write_volume(tmp_path / "ramp.nii.gz", ramp.astype(np.float32), OBLIQUE)
    return tmp_path / "ramp.nii.gz"


def test_it_lies_on_the_grid_of_the_image_and_is_a_share(image):
    values, meta = map_uncertainty([Threshold(0.5)], PLAN, image)
    assert values.shape == (24, 20, 18)
    assert values.dtype == torch.float32
    assert 0 <= values.min() <= values.max() <= 1
    np.testing.assert_allclose(meta["affine"], OBLIQUE, atol=1e-5)


def test_it_is_highest_at_the_border_of_what_is_predicted(image):
    values, _ = map_uncertainty([Threshold(0.5)], PLAN, image)
    along = values[:, 6:14, 6:12].mean((1, 2))
    assert 10 <= int(along.argmax()) <= 13
    assert along[2] < 0.2 > along[21]


def test_where_members_contradict_each_other_it_is_high(image):
    sharp = 200.0
    alike, _ = map_uncertainty([Threshold(0.3, sharp), Threshold(0.3, sharp)], PLAN, image)
    apart, _ = map_uncertainty([Threshold(0.3, sharp), Threshold(0.7, sharp)], PLAN, image)
    assert apart.mean() > 2 * alike.mean()


def publish(workspace, others):
    torch.manual_seed(0)
    network = NETWORKS["unet_small"](2)
    save_published(workspace.model, network, PLAN, {"version": 3}, others)
    return network


def test_members_saved_beside_the_model_are_found_again(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    other = NETWORKS["unet_small"](2)
    network = publish(workspace, [("unet_small", other)])
    published, members = load_members(workspace.model)
    inputs = torch.randn(1, 1, 16, 16, 16)
    for made, kept in zip((network, other), members, strict=True):
        torch.testing.assert_close(made.eval()(inputs), kept(inputs))
    assert published.network is members[0]


def test_the_networks_of_a_mean_are_its_members(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    mean = MeanOfNetworks([NETWORKS["unet_small"](2), NETWORKS["unet_small"](2)])
    plan = Plan(**{**PLAN.__dict__, "network": "unet_small+unet_small"})
    save_published(workspace.model, mean, plan, {"version": 1})
    assert len(load_members(workspace.model)[1]) == 2


def test_a_model_of_an_earlier_version_has_one_member(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    publish(workspace, [])
    content = torch.load(workspace.model, weights_only=True)
    content.pop("others")
    torch.save(content, workspace.model)
    assert len(load_members(workspace.model)[1]) == 1


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd"])
def test_the_task_writes_a_volume_of_numbers_on_the_image_s_grid(tmp_path, image, extension):
    workspace = Workspace(tmp_path / "workspace")
    workspace.set_classes(["bright"])
    publish(workspace, [])
    task = FewLabelUncertainty(workspace, "cpu")
    file, params = task({"image": str(image), "result_extension": extension})
    written = read_volume(file)
    assert file.endswith(extension)
    assert written.array.dtype == np.float32
    assert written.array.shape == (24, 20, 18)
    np.testing.assert_allclose(written.affine, OBLIQUE, atol=1e-4)
    assert 0 <= written.array.min() < written.array.max() <= 1
    assert params["model_version"] == 3
    assert task.info()["type"] == "others"
