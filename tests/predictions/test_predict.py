"""A stored prediction says what /infer says, voxel by voxel, and its maps are those of scoring."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from fewlabel.data.transforms import Preprocessing
from fewlabel.inference.predict import segment
from fewlabel.networks import find
from fewlabel.networks.mean import MeanOfNetworks
from fewlabel.plan import Plan
from fewlabel.predictions.predict import Eyes, describe
from fewlabel.uncertainty import disagreement, mean_prediction, normalised_entropy
from fewlabel.volumes.reading import write_volume

PLAN = Plan((1.0, 1.0, 1.5), (16, 16, 16), "meanstd", None, "unet_small", 2, ("a", "b"))
AFFINE = np.diag([1.0, 1.0, 1.5, 1.0])


def network(seed):
    torch.manual_seed(seed)
    return find("unet_small")(3)


@pytest.fixture
def scan(tmp_path):
    random = np.random.default_rng(0)
    write_volume(tmp_path / "scan.nii", random.normal(size=(40, 18, 20)).astype(np.float32), AFFINE)
    return tmp_path / "scan.nii"


def predicted(scan, deployed, members):
    image = Preprocessing(PLAN)({"image": str(scan)})["image"]
    seen = Eyes(deployed, members, PLAN)(image.as_tensor())
    return describe(seen, image, PLAN, "case", 4, (1, 2)), seen


def test_the_label_map_is_that_of_inference_voxel_by_voxel(scan):
    for deployed, members in deployments():
        made, _ = predicted(scan, deployed, members)
        labels, meta = segment(deployed.eval(), PLAN, scan)
        assert np.array_equal(made.labels, labels.numpy())
        assert made.head.probability == pytest.approx(meta["confidence"], abs=1e-4)
        assert made.head.classes == PLAN.classes
        assert made.head.is_on(labels.shape, AFFINE)


def deployments():
    """A student's teacher, the mean of two networks, one of two, and a network that is no member."""
    first, second, third = (network(seed) for seed in range(3))
    return (first, [first, second]), (MeanOfNetworks([first, second]), [first, second]), (third, [first, second])


def test_entropy_and_disagreement_are_those_of_the_members(scan):
    first, second = network(0), network(1)
    made, seen = predicted(scan, first, [first, second])
    expected = normalised_entropy(mean_prediction(seen.members))[0]
    assert np.abs(made.entropy / 255 - expected.numpy()).max() <= 0.5 / 255 + 1e-6
    assert np.abs(made.disagreement / 255 - disagreement(seen.members)[0].numpy()).max() <= 0.5 / 255 + 1e-6
    assert np.abs(made.confidence / 255 - seen.deployed.max(0).values.numpy()).max() <= 0.5 / 255 + 1e-6
    assert made.disagreement.max() > 0
    alone, _ = predicted(scan, first, [first])
    assert not alone.disagreement.any()
    assert np.array_equal(alone.labels, made.labels)


def test_numbers_of_the_classes_are_volumes_in_millilitres_and_mean_probabilities(scan):
    made, _ = predicted(scan, network(0), [network(0)])
    for value in (1, 2):
        inside = made.labels == value
        assert made.head.volume[value - 1] == pytest.approx(inside.sum() * 1.5 / 1000)
        if not inside.any():
            assert made.head.probability[value - 1] == 0


def test_it_holds_features_in_few_bytes(scan):
    made, _ = predicted(scan, network(0), [network(0)])
    assert made.features.dtype == np.float16
    assert made.features.ndim == 1
    assert len(made.features) >= 64  # of the deepest layer
    assert np.isfinite(made.features).all()


def test_each_network_looks_at_each_crop_once_in_evaluation_mode_and_its_mode_is_put_back(scan):
    class Counted(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner, self.seen = inner, 0

        def forward(self, image):
            assert not self.training
            self.seen += len(image)
            return self.inner(image)

    first, second = Counted(network(0)).train(), Counted(network(1)).train()
    image = Preprocessing(PLAN)({"image": str(scan)})["image"].as_tensor()
    eyes = Eyes(MeanOfNetworks([first, second]).train(), [first, second], PLAN)
    first.seen = second.seen = 0
    eyes(image)
    assert first.seen == second.seen == 16  # 4 x 2 x 2 crops
    assert first.training
    assert second.training
