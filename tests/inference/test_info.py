"""What /info says of the published model."""

import torch

from fewlabel.inference.segment import FewLabelInfer, FewLabelUncertainty
from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan
from fewlabel.published import save_published
from fewlabel.workspace import Workspace

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 1, ("bright",))


def publish(workspace, dice):
    torch.manual_seed(0)
    card = {"version": 3, "validation": {"bright": dice}, "validated_on": {"a": [dice]}}
    save_published(workspace.model, NETWORKS["unet_small"](2), PLAN, card)


def test_the_description_has_the_dice_of_the_model_and_the_cases_behind_it(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    tasks = [FewLabelInfer(workspace, "cpu"), FewLabelUncertainty(workspace, "cpu")]
    for task in tasks:
        assert task.info()["description"] == task.about
    publish(workspace, 0.1)
    for task in tasks:
        expected = f"{task.about}. Dice 0.10 on 1 validation case: do not use it yet."
        assert task.info()["description"] == expected
    publish(workspace, 0.8)
    assert "Dice 0.80 on 1" in tasks[0].info()["description"]


def test_a_damaged_model_hinders_no_viewer_from_connecting(tmp_path):
    workspace = Workspace(tmp_path / "workspace")
    task = FewLabelInfer(workspace, "cpu")
    workspace.model.parent.mkdir(parents=True, exist_ok=True)
    workspace.model.write_bytes(b"no model")
    assert task.info()["description"] == task.about
