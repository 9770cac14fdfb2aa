"""Bidirectional copy-paste (Bai, CVPR 2023, arXiv 2305.00673)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from fewlabel.losses.pseudo_labels import confident_classes
from fewlabel.losses.regions import weighted_dice_cross_entropy
from fewlabel.losses.supervised import dice_cross_entropy
from fewlabel.methods.base import Method, Step, is_empty
from fewlabel.methods.ramps import sigmoid_ramp
from fewlabel.methods.teacher import Teacher
from fewlabel.mixing import Crops, mixed, random_boxes


class BidirectionalCopyPaste(Method):
    """A student learns from labelled and unlabelled crops pasted into each other, both ways.

    supervised: Dice and cross entropy of the student on the labelled crops as they are.
    copy_paste: the same on the labelled voxels of the mixtures (eq. 8, the region of true labels).
    pseudo: the same on their unlabelled voxels, against the teacher's classes (eq. 8, the other region).

    A box of 2/3 of each side of one crop is pasted into the other (eqs. 2 and 3), and labels with it (eqs. 6 and
    7). Until ``start`` labelled crops are pasted into each other, as in the paper's pre-training, and there is
    no pseudo-label. The teacher is the moving average of the student, as in MeanTeacher, and is published.

    Deviations. The paper keeps each class's largest component of a pseudo-label; that needs the host at each step
    and suits organs in one piece, and is left out: instead pseudo-labels count where the teacher is confident. The
    teacher sees the weak and the student the strong view. The plain labelled crops are learnt as well. One
    training, with a ramp, takes the place of two. Dice is summed over both mixtures and not averaged over them. The
    published code masks logits before the softmax; here the region is cut out of the probabilities. The paper
    tests the student.

    Passes per step for B + B crops: student 2 B before the start, then 3 B in one batch, and teacher B.

    Args:
        build, classes: see Method.
        decay: of the moving average (see Teacher).
        threshold: least probability of the teacher's class, 0..1, for a voxel to count; 0: all, as in the paper.
        start: progress up to which labels alone are learnt.
        ramp: share of the training over which the weight of ``pseudo`` grows.
        copy_paste: weight of that term; 0, until the start, saves its cost (the paper: 1).
        pseudo: weight in the end; 0 turns pasting between the two sets off (the paper: α = 0.5).
        side: of the box, as a share of the crop's (the paper: 2/3).

    Examples:
        >>> from fewlabel.methods.base import total
        >>> from fewlabel.networks import find
        >>> _ = torch.manual_seed(0)
        >>> method = BidirectionalCopyPaste(lambda: find("unet_small")(2), classes=2)
        >>> crops = torch.randn(2, 1, 16, 16, 16)
        >>> labelled = {"image": crops, "label": (crops > 1).long()}
        >>> step = method.step(labelled, {"weak": crops, "strong": crops}, progress=1.0)
        >>> sorted(step.losses)
        ['copy_paste', 'pseudo', 'supervised']
        >>> total(step, method.weights(1.0)).backward()
        >>> method.after_step(1.0)
        >>> method.deployed(crops).shape
        torch.Size([2, 2, 16, 16, 16])
    """

    description: ClassVar[str] = "Copy-paste: labelled and unlabelled scans are pasted into each other, both ways."
    labelled_terms: ClassVar[frozenset[str]] = frozenset({"supervised", "copy_paste"})
    trains: ClassVar[dict[str, tuple[str, ...]]] = {
        "supervised": ("student",),
        "copy_paste": ("student",),
        "pseudo": ("student",),
    }

    def __init__(
        self,
        build: Callable[[], nn.Module],
        classes: int,
        *,
        decay: float = 0.99,
        threshold: float = 0.8,
        start: float = 0.35,
        ramp: float = 0.2,
        copy_paste: float = 1.0,
        pseudo: float = 0.5,
        side: float = 2 / 3,
    ) -> None:
        super().__init__(build, classes)
        self.student = build()
        self.teacher = Teacher(self.student, decay)
        self.threshold, self.start, self.ramp, self.side = threshold, start, ramp, side
        self.copy_paste, self.pseudo = copy_paste, pseudo

    def step(self, labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None, progress: float) -> Step:
        image, label = labelled["image"], labelled["label"].long()
        weights = self.weights(progress)
        true = Crops(image, label, torch.ones_like(image))
        if unlabelled is not None and not is_empty(unlabelled) and weights["pseudo"] != 0:
            mixture, is_true = self._paste_both_ways(true, self._guess(unlabelled))
        elif weights["copy_paste"] != 0:
            mixture, is_true = self._paste_labelled(true)
        else:
            logits = self.student(image)
            nothing = logits.new_zeros(())
            supervised = dice_cross_entropy(logits, label)
            return Step(logits, {"supervised": supervised, "copy_paste": nothing, "pseudo": nothing})
        both = self.student(torch.cat([image, mixture.image]))
        logits, pasted = both[: len(image)], both[len(image) :]
        losses = {
            "supervised": dice_cross_entropy(logits, label),
            "copy_paste": weighted_dice_cross_entropy(pasted, mixture.label, mixture.weight * is_true),
            "pseudo": weighted_dice_cross_entropy(pasted, mixture.label, mixture.weight * ~is_true),
        }
        return Step(logits, losses)

    def _paste_labelled(self, true: Crops) -> tuple[Crops, Tensor]:
        """Each labelled crop with a box of another one, and where the labels are true: everywhere."""
        others = Crops(*(value.roll(1, 0) for value in true))
        mixture = mixed(others, true, random_boxes(true.image, self.side**3))
        return mixture, torch.ones_like(true.image, dtype=torch.bool)

    def _paste_both_ways(self, true: Crops, guessed: Crops) -> tuple[Crops, Tensor]:
        """Both mixtures of each pair, and where their labels are true."""
        pairs = min(len(true.image), len(guessed.image))
        true, guessed = (Crops(*(value[:pairs] for value in crops)) for crops in (true, guessed))
        box = random_boxes(true.image, self.side**3)
        ways = mixed(guessed, true, box), mixed(true, guessed, box)
        return Crops(*(torch.cat(values) for values in zip(*ways, strict=True))), torch.cat([~box, box])

    @torch.no_grad()
    def _guess(self, unlabelled: Mapping[str, Tensor]) -> Crops:
        """The strong crops with the teacher's classes of the weak ones; weight 1 where it is confident, else 0."""
        classes, mask = confident_classes(self.teacher(unlabelled["weak"]).softmax(1), self.threshold)
        strong = unlabelled["strong"]
        return Crops(strong, classes[:, None], mask[:, None].to(strong.dtype))

    def weights(self, progress: float) -> dict[str, float]:
        ramp = sigmoid_ramp(progress, self.start, self.ramp)
        return {"supervised": 1.0, "copy_paste": self.copy_paste, "pseudo": self.pseudo * ramp}

    def after_step(self, progress: float) -> None:
        self.teacher.update(self.student, progress)

    @property
    def deployed(self) -> nn.Module:
        return self.teacher.network

    @property
    def member_networks(self) -> tuple[nn.Module, ...]:
        return (self.teacher.network, self.student)
