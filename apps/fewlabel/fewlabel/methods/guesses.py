"""The guess (pseudo-label) of unlabelled crops: from a teacher's forward pass, or from a stored prediction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

TEACHERS = ("live", "cached")


class Guess(NamedTuple):
    """Pseudo-labels of unlabelled crops.

    Attributes:
        classes: BDHW int64 class indices, without gradient.
        confidence: BDHW float, 0..1: the probability of that class.
    """

    classes: Tensor
    confidence: Tensor

    def sure(self, threshold: float) -> Tensor:
        """Where the confidence reaches the threshold (0..1), BDHW bool; never where it is 0 (no prediction)."""
        return (self.confidence >= threshold) & (self.confidence > 0)

    def probabilities(self, classes: int) -> Tensor:
        """BCDHW: the confidence for the class, the rest split evenly; uniform where there is no prediction."""
        confidence = torch.where(self.confidence > 0, self.confidence, 1 / classes)[:, None]
        rest = (1 - confidence) / (classes - 1)
        chosen = torch.arange(classes, device=rest.device).reshape(1, -1, 1, 1, 1) == self.classes[:, None]
        return torch.where(chosen, confidence, rest)


class Guesses:
    """Runs a teacher (``live``) or takes the stored prediction that comes with the crops (``cached``).

    A live teacher sees the weak view in each step. A stored prediction is cropped from that of the whole scan together
    with the image, so it costs no pass and needs no weak view.

    Args:
        teacher: ``live`` or ``cached``.

    Attributes:
        views: tensors that an unlabelled batch must contain.

    Raises:
        ValueError: there is no such teacher.

    Examples:
        >>> crops = {"strong": torch.zeros(1, 1, 1, 1, 2), "pseudo_label": torch.tensor([0, 2]).reshape(1, 1, 1, 1, 2)}
        >>> crops["confidence"] = torch.tensor([0.9, 0.6]).reshape(1, 1, 1, 1, 2)
        >>> guess = Guesses("cached")(crops, ask=None)
        >>> guess.classes, guess.sure(0.8)
        (tensor([[[[0, 2]]]]), tensor([[[[ True, False]]]]))
    """

    def __init__(self, teacher: str = "live") -> None:
        if teacher not in TEACHERS:
            raise ValueError(f"There is no teacher '{teacher}'; there is {' and '.join(TEACHERS)}.")
        self.cached = teacher == "cached"
        own = {"pseudo_label", "confidence"} if self.cached else {"weak"}
        self.views = frozenset({"strong", *own})

    @torch.no_grad()
    def __call__(self, unlabelled: Mapping[str, Tensor], ask: Callable[[Tensor], Tensor] | None) -> Guess:
        """The guess of unlabelled crops.

        Args:
            unlabelled: the batch, with the tensors of ``views``.
            ask: gives the teacher's logits BCDHW for crops B1DHW; not called with a cached teacher.
        """
        if self.cached or ask is None:
            return Guess(unlabelled["pseudo_label"][:, 0].long(), unlabelled["confidence"][:, 0])
        confidence, classes = ask(unlabelled["weak"]).softmax(1).max(1)
        return Guess(classes, confidence)
