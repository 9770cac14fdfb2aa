"""Mean teacher (Tarvainen & Valpola, NeurIPS 2017, arXiv 1703.01780) with confident pseudo-labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from fewlabel.losses.pseudo_labels import masked_cross_entropy
from fewlabel.losses.supervised import dice_cross_entropy
from fewlabel.methods.base import Step, is_empty
from fewlabel.methods.student_teacher import StudentTeacher


class MeanTeacher(StudentTeacher):
    """A student learns from labels and from its own moving average, the teacher, which is published.

    supervised: Dice and cross entropy of the student on the labelled crops.
    consistency: cross entropy of the student on the strong view against the teacher's classes on the weak
    view, over the voxels where the teacher is confident.

    Deviations from the paper. Its consistency is the squared difference of probabilities on all inputs; here it is the
    cross entropy with thresholded pseudo-labels of FixMatch (Sohn 2020, eq. 4) and AD-MT (Zhao 2024), on unlabelled
    crops only, averaged over the confident voxels. The term starts when the teacher has learnt from the labels: used
    from the first step, it made 3-D segmentation with four labels far worse than labels alone. Until then the
    unlabelled crops cost nothing.

    The student sees labelled and strong crops in one pass, so batch norm, where a network has it, has one set
    of statistics for both, as in the published code; with instance norm this equals two passes.

    Args:
        build, classes: see Method.
        decay: of the moving average (see Teacher).
        threshold: least probability of the teacher's class, 0..1, for a voxel to count.
        teacher: ``live``, as above, or ``cached``: the classes of the scan's stored prediction.
        start: progress until which only labels are used; None: 0.35, with a cached teacher 0.2.
        ramp: share of the training over which the weight grows; None: 0.2, with a cached teacher 0.
        consistency: final weight; 0 turns the term off.

    Examples:
        >>> from fewlabel.methods.base import total
        >>> from fewlabel.networks import find
        >>> _ = torch.manual_seed(0)
        >>> method = MeanTeacher(lambda: find("unet_small")(2), classes=2)
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

    takes_cached: ClassVar[bool] = True
    description: ClassVar[str] = "Mean teacher: a moving average of the network teaches it on unlabelled scans."
    trains: ClassVar[dict[str, tuple[str, ...]]] = {"supervised": ("student",), "consistency": ("student",)}

    def __init__(
        self,
        build: Callable[[], nn.Module],
        classes: int,
        *,
        decay: float = 0.99,
        threshold: float = 0.8,
        teacher: str = "live",
        start: float | None = None,
        ramp: float | None = None,
        consistency: float = 1.0,
    ) -> None:
        super().__init__(build, classes, decay, teacher, start, ramp)
        self.threshold, self.consistency = threshold, consistency

    def step(self, labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None, progress: float) -> Step:
        image, label = labelled["image"], labelled["label"]
        if unlabelled is None or is_empty(unlabelled) or self.weights(progress)["consistency"] == 0:
            logits = self.student(image)
            consistency = logits.new_zeros(())
        else:
            guess = self.guesses(unlabelled, self.teacher)
            both = self.student(torch.cat([image, unlabelled["strong"]]))
            logits, strong = both[: len(image)], both[len(image) :]
            consistency = masked_cross_entropy(strong, guess.classes, guess.sure(self.threshold))
        return Step(logits, {"supervised": dice_cross_entropy(logits, label), "consistency": consistency})

    def weights(self, progress: float) -> dict[str, float]:
        return {"supervised": 1.0, "consistency": self.consistency * self.grown(progress)}
