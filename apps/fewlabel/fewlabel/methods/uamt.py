"""Uncertainty-aware mean teacher (Yu 2019, MICCAI, arXiv 1907.07034)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from fewlabel.losses.agreement import masked_squared_error
from fewlabel.losses.supervised import dice_cross_entropy
from fewlabel.methods.base import Step, is_empty
from fewlabel.methods.student_teacher import StudentTeacher
from fewlabel.uncertainty import entropy

_DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


class UncertaintyAwareMeanTeacher(StudentTeacher):
    """A student learns from its moving average where that is certain, over several noisy passes.

    supervised: Dice and cross entropy of the student on the labelled crops.
    consistency: ‖p_student - p_teacher‖² of an unlabelled crop, mean over the voxels where the entropy of the
    teacher's mean prediction is below a bound. The bound rises from 3/4 of the greatest entropy, log C, to all of
    it, so that the student learns from the certain voxels first.

    The teacher's passes have dropout, where its network has any, and noise on the image.

    Deviations from the paper. The target is the mean of the noisy passes (the paper makes one more pass). There are 4
    passes (paper: 8), since each costs about a sixth of the student's work. The teacher sees the weak and the student
    the strong view (the paper adds noise to the same crop). The term uses unlabelled crops only and starts later, as in
    MeanTeacher. Entropy is compared with log C for C classes (the paper has two classes).

    Args:
        build, classes: see Method.
        decay: of the moving average (paper: 0.99; see Teacher).
        passes: of the teacher, T (paper: 8); 1: the entropy of a single noisy pass.
        noise: standard deviation of the noise on the teacher's image, clipped at twice that (paper's code: 0.1).
        first_bound: share of log C at the start of the term, 0..1 (paper: 0.75); it ends at 1.
        start: progress until which only labels are used (ours).
        ramp: share of the training over which weight and bound grow (ours; paper: the whole training).
        consistency: final weight (paper: 0.1); 0 turns the term off.

    Examples:
        >>> from fewlabel.methods.base import total
        >>> from fewlabel.networks import find
        >>> _ = torch.manual_seed(0)
        >>> method = UncertaintyAwareMeanTeacher(lambda: find("unet_small")(2), classes=2)
        >>> crops = torch.randn(2, 1, 16, 16, 16)
        >>> labelled = {"image": crops, "label": (crops > 1).long()}
        >>> step = method.step(labelled, {"weak": crops, "strong": crops}, progress=1.0)
        >>> sorted(step.losses)
        ['consistency', 'supervised']
        >>> total(step, method.weights(1.0)).backward()
        >>> method.after_step(1.0)
        >>> method.deployed(crops).shape
        torch.Size([2, 2, 16, 16, 16])
    """

    description: ClassVar[str] = "UA-MT: mean teacher that is followed where it is sure under noise and dropout."
    trains: ClassVar[dict[str, tuple[str, ...]]] = {"supervised": ("student",), "consistency": ("student",)}

    def __init__(
        self,
        build: Callable[[], nn.Module],
        classes: int,
        *,
        decay: float = 0.99,
        passes: int = 4,
        noise: float = 0.1,
        first_bound: float = 0.75,
        start: float = 0.35,
        ramp: float = 0.2,
        consistency: float = 0.1,
    ) -> None:
        super().__init__(build, classes, decay, "live", start, ramp)
        self.passes, self.noise, self.first_bound = passes, noise, first_bound
        self.consistency = consistency

    def step(self, labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None, progress: float) -> Step:
        image, label = labelled["image"], labelled["label"]
        if unlabelled is None or is_empty(unlabelled) or self.weights(progress)["consistency"] == 0:
            logits = self.student(image)
            consistency = logits.new_zeros(())
        else:
            target = self.noisy_mean(unlabelled["weak"])
            both = self.student(torch.cat([image, unlabelled["strong"]]))
            logits, strong = both[: len(image)], both[len(image) :]
            sure = entropy(target) < self.bound(progress)
            consistency = masked_squared_error(strong.softmax(1), target, sure)
        return Step(logits, {"supervised": dice_cross_entropy(logits, label), "consistency": consistency})

    @torch.no_grad()
    def noisy_mean(self, image: Tensor) -> Tensor:
        """Mean of the teacher's probabilities BCDHW over noisy passes of B1DHW."""
        dropout = [module for module in self.teacher.network.modules() if isinstance(module, _DROPOUT)]
        for module in dropout:
            module.training = True
        most = 2 * self.noise
        answers = (
            self.teacher(image + (torch.randn_like(image) * self.noise).clamp(-most, most)).softmax(1)
            for _ in range(self.passes)
        )
        mean = sum(answers) / self.passes
        self.teacher.eval()
        return mean

    def bound(self, progress: float) -> float:
        """Greatest entropy, in nats, of a voxel that the student learns from."""
        return (self.first_bound + (1 - self.first_bound) * self.grown(progress)) * math.log(self.classes)

    def weights(self, progress: float) -> dict[str, float]:
        return {"supervised": 1.0, "consistency": self.consistency * self.grown(progress)}
