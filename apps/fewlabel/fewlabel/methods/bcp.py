"""Bidirectional copy-paste (Bai, CVPR 2023, arXiv 2305.00673)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fewlabel.losses.regions import in_regions
from fewlabel.losses.supervised import dice_cross_entropy
from fewlabel.methods.base import Step, is_empty
from fewlabel.methods.student_teacher import StudentTeacher
from fewlabel.mixing import Crops, mixed, random_boxes

_LIVE = {"pseudo": 0.5, "both_ways": True}
_CACHED = {"pseudo": 1.0, "both_ways": False}


class BidirectionalCopyPaste(StudentTeacher):
    """A student learns from labelled and unlabelled crops pasted into each other, both ways.

    supervised: Dice and cross entropy of the student on the unmixed labelled crops.
    copy_paste: the same on the labelled voxels of the mixtures (eq. 8, the region of true labels).
    pseudo: the same on their unlabelled voxels, against the teacher's classes (eq. 8, the other region).

    A box of 2/3 of each side of one crop is pasted into the other (eqs. 2 and 3), with its labels (eqs. 6 and 7). With
    a live teacher, labelled crops are pasted into each other until ``start``, as in the paper's pre-training, and
    there are no pseudo-labels. The teacher is the student's moving average, as in MeanTeacher, and is published.

    With a cached teacher, the pseudo-labels are cropped from the stored predictions of whole scans; each pair gives
    one mixture, a box of the labelled crop in the unlabelled one; and until ``start`` the labelled crops are not mixed.

    Deviations. The paper keeps each class's largest component of a pseudo-label, which needs the host at each step
    and suits only organs in one piece; here pseudo-labels count where the teacher is confident instead. The teacher
    sees the weak and the student the strong view. The unmixed labelled crops are used as well. One training, with a
    ramp, replaces the paper's two. Dice is summed over both mixtures and not averaged over them. The published code
    masks logits before the softmax; here the probabilities are masked. The paper tests the student.

    Passes per step for B + B crops, live: student 2 B before the start, then 3 B in one batch, and teacher B; cached:
    student B, then 2 B in one batch.

    Args:
        build, classes: see Method.
        decay: of the moving average (see Teacher).
        threshold: least probability of the teacher's class, 0..1, for a voxel to count; 0: all, as in the paper.
        teacher: ``live`` or ``cached``, see above.
        start: progress until which only labels are used; None: 0.35, with a cached teacher 0.2.
        ramp: share of the training over which the weight of ``pseudo`` grows; None: 0.2, with a cached teacher 0.
        copy_paste: weight of that term (the paper: 1); 0 saves its cost until the start.
        pseudo: final weight (the paper: α = 0.5); 0 turns pasting between the two sets off. None: 0.5, with a cached
            teacher 1.
        side: of the box, as a share of the crop's (the paper: 2/3); 0: nothing is pasted into the unlabelled crop.
        both_ways: whether a box of the unlabelled crop is also pasted into the labelled one; None: with a live teacher,
            as in the paper.

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
    takes_cached: ClassVar[bool] = True
    trains: ClassVar[dict[str, tuple[str, ...]]] = {
        "supervised": ("student",),
        "copy_paste": ("student",),
        "pseudo": ("student",),
    }
    switches: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "pseudo-labels": {"pseudo": 0.0},
        "true labels in the mixtures": {"copy_paste": 0.0},
        "confidence": {"threshold": 0.0},
        "the second mixture": {"both_ways": False},
    }

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
        copy_paste: float = 1.0,
        pseudo: float | None = None,
        side: float = 2 / 3,
        both_ways: bool | None = None,
    ) -> None:
        super().__init__(build, classes, decay, teacher, start, ramp)
        usual = _CACHED if self.guesses.cached else _LIVE
        self.threshold, self.side, self.copy_paste = threshold, side, copy_paste
        self.pseudo = usual["pseudo"] if pseudo is None else pseudo
        self.both_ways = usual["both_ways"] if both_ways is None else both_ways

    def step(self, labelled: Mapping[str, Tensor], unlabelled: Mapping[str, Tensor] | None, progress: float) -> Step:
        image, label = labelled["image"], labelled["label"].long()
        weights = self.weights(progress)
        true = Crops(image, label, torch.ones_like(image))
        if unlabelled is not None and not is_empty(unlabelled) and weights["pseudo"] != 0:
            mixture, is_true = self._paste(true, self._guessed(unlabelled))
        elif weights["copy_paste"] != 0 and not self.guesses.cached:
            mixture, is_true = self._paste_labelled(true)
        else:
            logits = self.student(image)
            nothing = logits.new_zeros(())
            supervised = dice_cross_entropy(logits, label)
            return Step(logits, {"supervised": supervised, "copy_paste": nothing, "pseudo": nothing})
        both = self.student(torch.cat([image, mixture.image]))
        logits, pasted = both[: len(image)], both[len(image) :]
        regions = [mixture.weight * is_true, mixture.weight * ~is_true]
        copied, guessed = in_regions(pasted, mixture.label, regions)
        return Step(logits, {"supervised": dice_cross_entropy(logits, label), "copy_paste": copied, "pseudo": guessed})

    def _paste_labelled(self, true: Crops) -> tuple[Crops, Tensor]:
        """Each labelled crop with a box of another one, and the mask of true labels, which is true everywhere."""
        others = Crops(*(value.roll(1, 0) for value in true))
        mixture = mixed(others, true, random_boxes(true.image, self.side**3))
        return mixture, torch.ones_like(true.image, dtype=torch.bool)

    def _paste(self, true: Crops, guessed: Crops) -> tuple[Crops, Tensor]:
        """One mixture or both of each pair, and the mask of true labels."""
        pairs = min(len(true.image), len(guessed.image))
        true, guessed = (Crops(*(value[:pairs] for value in crops)) for crops in (true, guessed))
        box = random_boxes(true.image, self.side**3)
        inward = mixed(true, guessed, box)
        if not self.both_ways:
            return inward, box
        ways = mixed(guessed, true, box), inward
        return Crops(*(torch.cat(values) for values in zip(*ways, strict=True))), torch.cat([~box, box])

    def _guessed(self, unlabelled: Mapping[str, Tensor]) -> Crops:
        """The strong crops with the guessed classes; weight 1 where the guess is confident, else 0."""
        guess, strong = self.guesses(unlabelled, self.teacher), unlabelled["strong"]
        return Crops(strong, guess.classes[:, None], guess.sure(self.threshold)[:, None].to(strong.dtype))

    def weights(self, progress: float) -> dict[str, float]:
        return {"supervised": 1.0, "copy_paste": self.copy_paste, "pseudo": self.pseudo * self.grown(progress)}
