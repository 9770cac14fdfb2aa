"""Training: what its curves are, and how it goes on."""

from __future__ import annotations

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
LOSS, DICE = "Terms of the loss (smaller is better):", "Dice (1 is a perfect overlap):"
MEASURING = "the validation cases are measured"


def term(name: str, value: str) -> str:
    """A term of the loss with its last value, explained."""
    return f"{name} {value}: {TERMS.get(name, UNEXPLAINED)}."


def dice_of(name: str, value: str) -> str:
    """The Dice of a class, explained."""
    return f"Dice of {name} on the validation cases: {value}. 1 is a perfect overlap with the labels."
