"""Before the first label: a network learns to fill in what is hidden of scans (masked reconstruction).

He 2022 (arXiv 2111.06377), for volumes: blocks of 8 voxels are hidden, 60 % of a crop, and the network is taught their
intensities by the squared error. All but what makes its output is kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import torch
from monai.utils import set_determinism
from torch import Tensor, nn

from experiments.comparison.cases import Cases
from experiments.comparison.experiment import Experiment
from fewlabel.data.loaders import CropStream, volume_loader
from fewlabel.data.pool_view import PoolView
from fewlabel.mixing import hide, random_cubes
from fewlabel.networks import find
from fewlabel.plan import Plan
from fewlabel.published import save_tensors
from fewlabel.training.budget import NO_LIMIT, learning_rate

_HIDDEN, _SIDE = 0.6, 8


def pretrained(folder: Path, experiment: Experiment, cases: Cases, seed: int, minutes: float) -> dict[str, Tensor]:
    """The weights after so many core-minutes; made once for each seed and kept in ``folder/pretrained``.

    In experiments that count steps, minutes are steps.
    """
    file = folder / "pretrained" / f"{experiment.plan.network}-{seed}-{minutes:g}.pt"
    if not file.exists():
        network = reconstruct(experiment, cases, seed, minutes)
        save_tensors(file, {name: value.detach().cpu() for name, value in network.state_dict().items()})
    return torch.load(file, map_location="cpu", weights_only=True)


def reconstruct(experiment: Experiment, cases: Cases, seed: int, minutes: float) -> nn.Module:
    """Learn from every scan that nothing is measured on, whether it will have a label or not."""
    plan, device = experiment.plan, experiment.device
    set_determinism(seed)
    network = find(plan.network)(1).to(device).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    optimiser = torch.optim.AdamW(network.parameters(), lr=experiment.learning_rate, weight_decay=1e-5)
    steps = int(minutes) if experiment.steps else NO_LIMIT
    begun = time.process_time()
    records = [{"id": case, "image": str(path)} for case, path in cases.images.items() if case not in cases.test]
    step, done = 0, 0.0
    with closing(_crops(records, plan, seed)) as crops:
        while done < 1:
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(done, experiment.learning_rate)
            loss = hidden_error(network, next(crops).to(device))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            step += 1
            done = step / steps if experiment.steps else (time.process_time() - begun) / (60 * minutes)
    return network


def hidden_error(network: nn.Module, image: Tensor) -> Tensor:
    """Mean squared error on the hidden voxels of crops B1DHW."""
    mask = random_cubes(image, _SIDE, _HIDDEN, _HIDDEN)
    error = (network(hide(image, mask)) - image).square()
    return (error * mask).sum() / mask.sum().clamp_min(1)


def _crops(records: list[dict[str, str]], plan: Plan, seed: int) -> Iterator[Tensor]:
    stream = CropStream(records, volume_loader(plan, labelled=False), PoolView(plan, ("weak",)), seed)
    with closing(iter(stream)) as crops:
        while True:
            yield torch.stack([torch.as_tensor(next(crops)["weak"]) for _ in range(2 * plan.batch)]).float()


def begun_with(build: Callable[[], nn.Module], weights: dict[str, Tensor]) -> Callable[[], nn.Module]:
    """A builder of networks that begin with these weights, all but those that make the output."""
    return partial(_build, build, weights)


def _build(build: Callable[[], nn.Module], weights: dict[str, Tensor]) -> nn.Module:
    network = build()
    own = network.state_dict()
    fitting = {name: value for name, value in weights.items() if name in own and own[name].shape == value.shape}
    network.load_state_dict({**own, **fitting})
    return network
