"""What a training notes in a model's card about the scans that it learned from, to recognise others later."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch.nn import Module

from fewlabel.data.loaders import Record
from fewlabel.data.transforms import Preprocessing
from fewlabel.inference.familiar import MOST_SCANS, Familiar, scan_features
from fewlabel.plan import Plan
from fewlabel.volumes.reading import UnreadableVolume


class Acquainted:
    """Looks at scans of a training with the network that is published.

    Args:
        labelled, unlabelled: that the training learns from; all labelled ones are looked at, up to half of the most.
        device: to compute on.
        seed: of the choice.
        beat: called before each scan.
    """

    def __init__(
        self,
        labelled: Sequence[Record],
        unlabelled: Sequence[Record],
        device: str,
        seed: int,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        self.device, self.beat = device, beat
        chosen = list(labelled)[: max(MOST_SCANS // 2, MOST_SCANS - len(unlabelled))]
        rest = min(MOST_SCANS - len(chosen), len(unlabelled))
        self.records = [*chosen, *random.Random(seed).sample(list(unlabelled), rest)]

    def __call__(self, network: Module, plan: Plan) -> dict[str, Any]:
        """The entry ``familiar`` of the card; {} where too few scans can be read."""
        steps, points = Preprocessing(plan), []
        mode = network.training
        network.eval()
        for record in self.records:
            self.beat()
            with contextlib.suppress(UnreadableVolume, OSError):  # the training reports it
                image = steps({"image": record["image"]})["image"].as_tensor().to(self.device)
                points.append(scan_features(network, plan, image))
        network.train(mode)
        known = Familiar.of(np.array(points))
        return {} if known is None else {"familiar": known.for_card()}
