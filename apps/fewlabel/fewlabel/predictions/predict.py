"""Makes a prediction that can be stored from a scan and some networks; each network sees each crop once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from monai.data import MetaTensor
from torch import Tensor, nn

from fewlabel.files import Stamp
from fewlabel.inference.predict import sliding_window
from fewlabel.networks.features import Tap, find_tap, with_features
from fewlabel.networks.mean import mean_of_logits
from fewlabel.plan import Plan
from fewlabel.predictions.entry import Head, Prediction, plan_key
from fewlabel.uncertainty import disagreement, mean_prediction, normalised_entropy

_DEEPEST = 2**10  # larger than any stride: the nearest one is the deepest


class Seen(NamedTuple):
    """The outputs of the networks for one scan.

    Attributes:
        deployed: the deployed network's probabilities CHWD, equal to those of ``/infer`` at the same overlap.
        members: each member's probabilities BCDHW of the whole scan.
        features: mean of the first member's deepest features over the scan.
    """

    deployed: Tensor
    members: list[Tensor]
    features: Tensor


class Eyes:
    """Several networks that predict scans together.

    Args:
        deployed: one of the members, the mean of all, or (at the cost of another pass) another network.
        members: the networks whose disagreement is measured.
        plan: crop size.
        overlap: of neighbouring crops, in [0, 1).
        beat: called before each crop.
    """

    def __init__(
        self,
        deployed: nn.Module,
        members: Sequence[nn.Module],
        plan: Plan,
        overlap: float = 0.5,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.deployed, self.members, self.plan, self.beat = deployed, list(members), plan, beat
        self.inferer = sliding_window(plan, overlap)
        self.tap: Tap = find_tap(self.members[0], _DEEPEST)

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Seen:
        """Predict a preprocessed image 1HWD on their device, in evaluation mode; the former mode is restored."""
        networks = [self.deployed, *self.members]
        modes = [network.training for network in networks]
        pooled: list[Tensor] = []
        for network in networks:
            network.eval()
        try:
            answers = self.inferer(image[None], lambda crops: self._look(crops, pooled))
        finally:
            for network, mode in zip(networks, modes, strict=True):
                network.train(mode)
        *members, deployed = answers.values()
        return Seen(deployed[0].float().softmax(0), members, torch.cat(pooled).float().mean(0))

    def _look(self, crops: Tensor, pooled: list[Tensor]) -> dict[int, Tensor]:
        """Probabilities of each member, then the deployed network's logits; each network is run once.

        A dict by number, since the inferer unpacks a tuple of one element.
        """
        self.beat()
        logits, (features,) = with_features(self.members[0], crops, self.tap)
        pooled.append(features.mean((2, 3, 4)))
        every = [logits, *(member(crops) for member in self.members[1:])]
        return dict(enumerate([*(each.softmax(1) for each in every), self._deployed(crops, every)]))

    def _deployed(self, crops: Tensor, every: list[Tensor]) -> Tensor:
        known = {id(member): logits for member, logits in zip(self.members, every, strict=True)}
        if id(self.deployed) in known:
            return known[id(self.deployed)]
        parts = list(getattr(self.deployed, "networks", []))
        if parts and all(id(part) in known for part in parts):
            return mean_of_logits([known[id(part)] for part in parts])
        return self.deployed(crops)


def describe(seen: Seen, image: MetaTensor, plan: Plan, case: str, version: float, source: Stamp | None) -> Prediction:
    """Make the prediction of a case from the networks' outputs.

    Args:
        seen: outputs of the networks.
        image: preprocessed, 1HWD, with its affine.
        plan: of the store.
        case: id.
        version: of the model.
        source: stamp of the image file.
    """
    confidence, labels = seen.deployed.max(0)
    labels = labels.to(torch.uint8).cpu()
    affine = image.affine.numpy()
    millilitres = abs(np.linalg.det(affine[:3, :3])) / 1000
    inside = [labels == value for value in range(1, len(seen.deployed))]
    head = Head(
        case=case,
        version=version,
        plan=plan_key(plan),
        classes=tuple(plan.classes),
        shape=tuple(labels.shape),
        affine=tuple(tuple(float(number) for number in row) for row in affine),
        source=source,
        probability=tuple(float(confidence.cpu()[each].mean()) if each.any() else 0.0 for each in inside),
        volume=tuple(float(each.sum()) * millilitres for each in inside),
    )
    return Prediction(
        head,
        labels.numpy(),
        _in_bytes(confidence),
        _in_bytes(normalised_entropy(mean_prediction(seen.members))[0]),
        _in_bytes(disagreement(seen.members)[0]),
        seen.features.cpu().numpy().astype(np.float16),
    )


def _in_bytes(values: Tensor) -> np.ndarray:
    return (values.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
