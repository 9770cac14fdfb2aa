"""A workspace with a published model of random but fixed weights."""

from pathlib import Path

import pytest
import torch

from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan
from fewlabel.published import save_published
from fewlabel.workspace import Workspace

CARD = {
    "version": 3,
    "method": "mean_teacher",
    "validation": {"organ": 0.8, "tumour": None},
    "validated": True,
    "labelled": 4,
    "unlabelled": 9,
}


@pytest.fixture
def publish(tmp_path: Path):
    """Callable (network name, normalisation, bounds) giving the workspace."""

    def make(network="unet_small", normalisation="meanstd", bounds=None):
        workspace = Workspace(tmp_path / "study" / ".fewlabel")
        plan = Plan((1.1, 0.9, 1.7), (16, 24, 16), normalisation, bounds, network, 1, ("organ", "tumour"))
        torch.manual_seed(0)
        save_published(workspace.model, NETWORKS[network](3), plan, CARD)
        return workspace

    return make
