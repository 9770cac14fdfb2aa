"""Scans that are unlike those that a model learned from are flagged; ordinary ones are not."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from monai.transforms import SpatialPadd
from scipy.ndimage import gaussian_filter

from fewlabel.data.transforms import Preprocessing
from fewlabel.inference.familiar import MOST_SCANS, Familiar, distance_of, scan_features
from fewlabel.inference.segment import FewLabelInfer
from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan
from fewlabel.published import Published, save_published
from fewlabel.quality import UNLIKE
from fewlabel.training.acquainted import Acquainted
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import Workspace

PLAN = Plan((1.0, 1.0, 1.0), (24, 24, 24), "meanstd", None, "unet_small", 1, ("bright",))
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "data"
HIPPOCAMPUS = Path(os.environ.get("FEWLABEL_DATA") or BESIDE) / "hippocampus"


def organ(seed):
    """A bright ball in a dark smooth background, which differs a little from scan to scan."""
    random = np.random.default_rng(seed)
    grid = np.indices((24, 24, 24)) - 12 - random.normal(0, 1, (3, 1, 1, 1))
    ball = 100 * ((grid**2).sum(0) < random.uniform(6, 8) ** 2)
    return gaussian_filter(ball + random.normal(0, 10, ball.shape), 1).astype(np.float32)


def other(kind):
    scan = organ(99)
    stripes = 50 * np.sin(np.indices(scan.shape)[0] * 1.5)
    noise = np.random.default_rng(5).normal(0, 50, scan.shape)
    return {"inverted": scan.max() - scan, "another organ": stripes, "another modality": noise}[kind].astype(np.float32)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The task of a server whose model learned from 16 scans."""
    folder = tmp_path_factory.mktemp("familiar")
    for seed in range(16):
        write_volume(folder / f"{seed}.nii.gz", organ(seed), np.eye(4))
    torch.manual_seed(0)
    network = NETWORKS["unet_small"](2).eval()
    records = [{"id": str(seed), "image": str(folder / f"{seed}.nii.gz")} for seed in range(16)]
    told = Acquainted(records[:4], records[4:], "cpu", 0)(network, PLAN)
    assert told["familiar"]["scans"] == 16
    workspace = Workspace(folder / "workspace")
    save_published(workspace.model, network, PLAN, {"version": 1, **told})
    return FewLabelInfer(workspace, "cpu")


@pytest.mark.parametrize("kind", ["inverted", "another organ", "another modality"])
def test_a_scan_far_from_the_training_scans_is_flagged(served, tmp_path, kind):
    write_volume(tmp_path / "far.nii.gz", other(kind), np.eye(4))
    for _ in range(2):  # the second one comes from memory
        assert UNLIKE in served({"image": str(tmp_path / "far.nii.gz")})[1]["notes"]


def test_an_ordinary_scan_is_not_flagged(served, tmp_path):
    for seed in (101, 102, 103):
        write_volume(tmp_path / f"{seed}.nii.gz", organ(seed), np.eye(4))
        assert served({"image": str(tmp_path / f"{seed}.nii.gz")})[1]["notes"] == []


def test_a_model_that_knows_of_no_scans_flags_nothing():
    network, scan = NETWORKS["unet_small"](2).eval(), torch.zeros(1, 24, 24, 24)
    for card in ({}, {"familiar": None}, {"familiar": {"mean": "x"}}, {"familiar": {"mean": [1], "deviation": [0]}}):
        assert distance_of(network, PLAN, card, scan) is None
    foreign = Familiar.of(np.random.default_rng(0).normal(size=(9, 3)))
    assert distance_of(network, PLAN, {"familiar": foreign.for_card()}, scan) is None, "of another network"


def test_the_features_leave_the_network_as_it_was_and_see_a_scan_of_any_size():
    network = NETWORKS["unet_small"](2).eval()
    lengths = {len(scan_features(network, PLAN, torch.randn(1, *size))) for size in ((9, 24, 30), (70, 60, 50))}
    assert len(lengths) == 1
    assert not any(module._forward_pre_hooks for module in network.modules())


def briefly_trained(network, plan, files):
    """The network after 60 steps on the labels of these scans."""
    steps, pad = Preprocessing(plan, ("image", "label")), SpatialPadd(("image", "label"), plan.patch)
    data = [pad(steps({"image": str(file), "label": str(file).replace("images", "labels")})) for file in files]
    image, label = (torch.stack([centre(each[key].as_tensor(), plan) for each in data]) for key in ("image", "label"))
    optimiser = torch.optim.AdamW(network.parameters(), 5e-3)
    for _ in range(60):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(image), (label[:, 0] > 0).long()).backward()
        optimiser.step()
    return network.eval()


def centre(volume, plan):
    starts = [(size - side) // 2 for size, side in zip(volume.shape[1:], plan.patch, strict=True)]
    return volume[(slice(None), *(slice(at, at + side) for at, side in zip(starts, plan.patch, strict=True)))]


@pytest.mark.slow
def test_at_most_one_in_twenty_ordinary_hippocampus_scans_is_flagged():
    if not (HIPPOCAMPUS / "splits.json").exists():
        pytest.skip("needs real volumes: set FEWLABEL_DATA to a folder with hippocampus/splits.json")
    cases = json.loads((HIPPOCAMPUS / "splits.json").read_text())["development"]
    files = [HIPPOCAMPUS / "images" / f"{case}.nii.gz" for case in cases]
    torch.manual_seed(0)
    plan = Plan((1.0, 1.0, 1.0), (40, 48, 40), "meanstd", None, "unet_small", 1, ("hippocampus",))
    network = briefly_trained(NETWORKS["unet_small"](2), plan, files[:4])
    records = [{"id": file.name, "image": str(file)} for file in files]
    model = Published(network, plan, Acquainted(records[:4], records[4:MOST_SCANS], "cpu", 0)(network, plan))
    steps = Preprocessing(plan)

    images = (steps({"image": str(file)})["image"].as_tensor() for file in files[MOST_SCANS:])
    assert np.mean([distance_of(network, plan, model.card, image) > 1 for image in images]) <= 0.05
