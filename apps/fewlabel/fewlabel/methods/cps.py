"""Cross pseudo supervision (Chen 2021, CVPR, arXiv 2106.01226)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from fewlabel.losses.pseudo_labels import masked_cross_entropy
from fewlabel.losses.supervised import dice_cross_entropy
from fewlabel.methods.base import Method, Step, is_empty
from fewlabel.methods.guesses import Guess
from fewlabel.methods.ramps import sigmoid_ramp
from fewlabel.methods.student_teacher import schedule_of
from fewlabel.methods.two_networks import TwoNetworks


class CrossPseudoSupervision(TwoNetworks, Method):
    """Two networks with different initial weights; each learns the classes that the other predicts.

    supervised: Dice and cross entropy on the labelled crops, the sum of both networks (eq. 1, there cross entropy).
    cross_pseudo: cross entropy of each network against the other's likeliest classes on the unlabelled crops, the
    sum of both directions (eq. 2); the classes get no gradient.

    Deviations from the paper. The term starts later and then grows, as in MeanTeacher; in the paper it has full
    weight from the start, after pre-training on ImageNet, which does not exist for volumes. It uses unlabelled crops
    only; the paper also uses labelled ones. The networks see different intensity views of a crop
    (TwoNetworks.views); in the paper both see the same. The CutMix variant is not implemented. The mean or the
    better network is published; the paper takes the first.

    Args:
        build, classes: see Method.
        build_second: makes the second network; default: ``build``, as in the paper.
        threshold: least probability of a class for a voxel to count, 0..1; 0 (paper): every voxel counts.
        teacher: ``live``, as above, or ``cached``: both learn the classes of the scan's stored prediction.
        start: progress until which only labels are used (ours, as in MeanTeacher); None: 0.35, cached 0.2.
        ramp: share of the training over which the weight grows (ours); None: 0.2, cached 0.
        cross_pseudo: final weight (paper: 1.5 on VOC 2012; SSL4MIS: 0.1); 0 turns the term off.

    Examples:
        >>> from fewlabel.methods.base import total
        >>> from fewlabel.networks import find
        >>> _ = torch.manual_seed(0)
        >>> method = CrossPseudoSupervision(lambda: find("unet_small")(2), classes=2)
        >>> crops = torch.randn(2, 1, 16, 16, 16)
        >>> labelled = {"image": crops, "label": (crops > 1).long()}
        >>> step = method.step(labelled, {"weak": crops, "strong": crops}, progress=1.0)
        >>> sorted(step.losses)
        ['cross_pseudo', 'supervised']
        >>> total(step, method.weights(1.0)).backward()
        >>> method.after_step(1.0)
        >>> method.deployed(crops).shape
        torch.Size([2, 2, 16, 16, 16])
    """

    description: ClassVar[str] = "Cross pseudo supervision: two networks teach each other on unlabelled scans."
    every_voxel: ClassVar[frozenset[str]] = frozenset({"cross_pseudo"})
    trains: ClassVar[dict[str, tuple[str, ...]]] = {
        "supervised": ("first", "second"),
        "cross_pseudo": ("first", "second"),
    }

    def __init__(
        self,
        build: Callable[[], nn.Module],
        classes: int,
        *,
        build_second: Callable[[], nn.Module] | None = None,
        threshold: float = 0.0,
        teacher: str = "live",
        start: float | None = None,
        ramp: float | None = None,
        cross_pseudo: float = 1.0,
    ) -> None:
        super().__init__(build, classes)
        self.make_networks(build, build_second, teacher)
        self.start, self.ramp = schedule_of(teacher, start, ramp)
        self.threshold, self.cross_pseudo = threshold, cross_pseudo

    def step(self, labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None, progress: float) -> Step:
        image, label = labelled["image"], labelled["label"]
        if unlabelled is None or is_empty(unlabelled) or self.weights(progress)["cross_pseudo"] == 0:
            logits = [network(image) for network in self.member_networks]
            cross_pseudo = logits[0].new_zeros(())
        else:
            views = self.views(unlabelled)
            both = [
                network(torch.cat([image, view])) for network, view in zip(self.member_networks, views, strict=True)
            ]
            logits = [each[: len(image)] for each in both]
            pool = [each[len(image) :] for each in both]
            first, second = self.taught(unlabelled, pool)
            cross_pseudo = self._learn(pool[0], second) + self._learn(pool[1], first)
        supervised = torch.stack([dice_cross_entropy(each, label) for each in logits])
        return Step(logits[0], {"supervised": supervised.sum(), "cross_pseudo": cross_pseudo})

    def _learn(self, logits: Tensor, guess: Guess) -> Tensor:
        return masked_cross_entropy(logits, guess.classes, guess.sure(self.threshold))

    def weights(self, progress: float) -> dict[str, float]:
        ramp = sigmoid_ramp(progress, self.start, self.ramp)
        return {"supervised": 1.0, "cross_pseudo": self.cross_pseudo * ramp}
