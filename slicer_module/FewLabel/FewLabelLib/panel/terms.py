"""What the terms of a loss mean, for a reader who does not know the method."""

from __future__ import annotations

from typing import Mapping, Sequence, Tuple

from .words import number

UNEXPLAINED = "a term of this method"
TERMS = {
    "total": "the weighted sum of all terms",
    "supervised": "how far the model is from the submitted labels",
    "copy_paste": "the same at labelled voxels, where scans are pasted into each other",
    "pseudo": "the same at unlabelled voxels, with the classes that the teacher predicts",
    "consistency": "how far the model is from the classes that its teacher predicts in unlabelled scans",
    "rectification": "a penalty at labelled voxels where the two networks disagree",
    "cross_pseudo": "how far each network is from the classes that the other predicts in unlabelled scans",
    "cross_pseudo_dice": "the same, measured as overlap",
    "divergence": "how far each network's probabilities are from the other's",
    "cosine": "the same, measured as an angle",
    "contrast": "how well the features of uncertain voxels fit one class only",
    "denoising": "how far the diffusion teacher is from the submitted labels",
    "cutmix": "how far the model is from the labels where boxes of scans are exchanged",
    "masking": "how far the model is from its teachers where parts of a scan are hidden",
    "reconstruction": "how well the teacher's features are predicted where voxels are hidden",
    "distillation": "how far the model is from its teachers' probabilities",
    "propagation": "how far the model is from what voxels with similar features suggest",
}


def curves(
    losses: Mapping[str, Sequence[Tuple[float, float]]], validation: Mapping[str, Sequence[Tuple[float, float]]]
) -> str:
    """Every curve by name, with its last value; terms of the loss are explained."""
    lines = ["Terms of the loss (smaller is better):"] if losses else []
    lines += [f"{name} {_last(curve)}: {TERMS.get(name, UNEXPLAINED)}." for name, curve in losses.items()]
    lines += ["Dice (1 is a perfect overlap):"] if validation else []
    lines += [f"{name} {_last(curve)}" for name, curve in validation.items()]
    return "\n".join(lines)


def _last(curve: Sequence[Tuple[float, float]]) -> str:
    return number(curve[-1][1]) if curve else ""
