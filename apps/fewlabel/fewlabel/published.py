"""The published model: one file with the deployed network, the plan and the class names that it belongs to."""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fewlabel.networks import find
from fewlabel.plan import Plan
from fewlabel.workspace import finite, replace_file


@dataclass(frozen=True)
class Published:
    """A loaded published model, ready to predict.

    Attributes:
        network: in eval mode, on the asked device.
        plan: under which it was trained.
        card: method, version, validation Dice per class, whether it was validated, time, numbers of volumes.
    """

    network: torch.nn.Module
    plan: Plan
    card: dict[str, Any]


def save_published(path: Path, network: torch.nn.Module, plan: Plan, card: dict[str, Any]) -> None:
    """Replace the published model atomically: readers see the old one or the new one.

    The weights lie under the key ``model`` as MONAI Label expects; the rest is JSON text, so that the file can be
    read with ``weights_only=True``.

    Raises:
        Refusal: (507) it could not be written; the old model is still there.
    """
    content = {
        "model": {key: value.detach().cpu() for key, value in network.state_dict().items()},
        "plan": json.dumps(dataclasses.asdict(plan)),
        "card": json.dumps(finite({**card, "time": int(time.time())})),
    }
    replace_file(path, lambda temporary: torch.save(content, temporary))


def load_published(path: Path, device: str = "cpu") -> Published:
    """Load strictly and without running code from the file."""
    content = torch.load(path, map_location=device, weights_only=True)
    plan = Plan.from_dict(json.loads(content["plan"]))
    network = find(plan.network)(len(plan.classes) + 1)
    network.load_state_dict(content["model"], strict=True)
    return Published(network.to(device).eval(), plan, json.loads(content["card"]))


def read_card(path: Path) -> dict[str, Any]:
    """The card of the published model; {} where there is none."""
    if not path.exists():
        return {}
    return json.loads(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["card"])
