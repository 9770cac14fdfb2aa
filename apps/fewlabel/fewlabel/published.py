"""The published model: one file with the deployed network, its plan and its class names."""

from __future__ import annotations

import dataclasses
import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from fewlabel.errors import Refusal
from fewlabel.memory import is_out_of_memory
from fewlabel.networks import find
from fewlabel.plan import Plan
from fewlabel.workspace import finite, replace_file


@dataclass(frozen=True)
class Published:
    """A loaded published model, ready to predict.

    Attributes:
        network: in evaluation mode, on the device.
        plan: of its training.
        card: method, version, validation Dice per class and per case, time, numbers of volumes, settings, software.
    """

    network: torch.nn.Module
    plan: Plan
    card: dict[str, Any]


def save_published(
    path: Path,
    network: torch.nn.Module,
    plan: Plan,
    card: dict[str, Any],
    others: Sequence[tuple[str, torch.nn.Module]] = (),
) -> None:
    """Replace the published model atomically: readers see the old one or the new one.

    The weights are under the key ``model``, as MONAI Label expects; the rest is JSON text, so that the file can be read
    with ``weights_only=True``.

    Args:
        path: of the file.
        network: deployed.
        plan: of its training, with the network's name.
        card: see Published.
        others: names and networks whose disagreement with the deployed one measures uncertainty.

    Raises:
        Refusal: (507) it could not be written; the old model is still there.
    """
    content = {
        "model": _weights(network),
        "others": [{"network": name, "model": _weights(other)} for name, other in others],
        "plan": json.dumps(dataclasses.asdict(plan)),
        "card": json.dumps(finite({**card, "time": int(time.time())})),
    }
    save_tensors(path, content)


def _weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {key: value.detach().cpu() for key, value in network.state_dict().items()}


def save_tensors(path: Path, content: dict[str, Any]) -> None:
    """``torch.save`` that replaces ``path`` atomically.

    Serialised in memory first: torch's own writer reports a full disk as a RuntimeError without a reason.

    Raises:
        Refusal: (507) it could not be written; the old file is still there.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    replace_file(path, lambda temporary: temporary.write_bytes(buffer.getbuffer()))


def load_published(path: Path, device: str = "cpu") -> Published:
    """Load the model strictly, without running code from the file.

    Raises:
        Refusal: (500) it is damaged, or of another version of FewLabel or MONAI.
    """
    return load_whole(path, device)[0]


def load_members(path: Path, device: str = "cpu") -> tuple[Published, list[torch.nn.Module]]:
    """The published model, and all networks whose disagreement measures its uncertainty.

    These are the deployed network, or those of which it is the mean, and those saved with it.

    Raises:
        Refusal: (500) as ``load_published``.
    """
    published, others = load_whole(path, device)
    return published, [*getattr(published.network, "networks", [published.network]), *(each for _, each in others)]


def load_whole(path: Path, device: str = "cpu") -> tuple[Published, list[tuple[str, torch.nn.Module]]]:
    """The published model, and names and networks of those saved with it.

    Raises:
        Refusal: (500) as ``load_published``.
    """
    try:
        return read_whole(path, device)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise _unusable(path, error) from error


def read_whole(source: Path | IO[bytes], device: str = "cpu") -> tuple[Published, list[tuple[str, torch.nn.Module]]]:
    """``load_whole`` for a path or an open file. A damaged or foreign file raises anything; its code is never run."""
    content = torch.load(source, map_location=device, weights_only=True)
    plan = Plan.from_dict(json.loads(content["plan"]))
    classes = len(plan.classes) + 1

    def build(name: str, weights: dict[str, torch.Tensor]) -> torch.nn.Module:
        network = find(name)(classes)
        network.load_state_dict(weights, strict=True)
        return network.to(device).eval()

    published = Published(build(plan.network, content["model"]), plan, json.loads(content["card"]))
    return published, [(each["network"], build(each["network"], each["model"])) for each in content.get("others", [])]


def read_card(path: Path) -> dict[str, Any]:
    """The card of the published model; {} where there is none.

    Raises:
        Refusal: (500) it is damaged.
    """
    if not path.exists():
        return {}
    try:
        return json.loads(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["card"])
    except Exception as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> Refusal:
    reason = (str(error) or type(error).__name__).splitlines()[0][:200]
    return Refusal(f"The published model {path} cannot be loaded ({reason}). Move it away, then train again.", 500)
