"""Faults in the mixing of crops and in the measures of uncertainty."""

from experiments.mutants.fault import Fault

MEASURES = (
    Fault(
        "the label of a mixture is not pasted with its image",
        "mixing.py",
        "return Crops(*(torch.where(mask, one, other) for one, other in zip(inside, outside, strict=True)))",
        "return Crops(torch.where(mask, inside.image, outside.image), outside.label, outside.weight)",
        "tests/test_mixing.py",
    ),
    Fault(
        "boxes have the side of two dimensions",
        "mixing.py",
        "share ** (1 / 3) * length",
        "share ** (1 / 2) * length",
        "tests/test_mixing.py",
    ),
    Fault(
        "boxes begin at the corner only",
        "mixing.py",
        "(uniform * (length - side + 1)).floor()",
        "(uniform * 0 * (length - side + 1)).floor()",
        "tests/test_mixing.py",
    ),
    Fault(
        "what is not masked is hidden",
        "mixing.py",
        "torch.where(mask, image.mean(dim=(1, 2, 3, 4), keepdim=True), image)",
        "torch.where(mask, image, image.mean(dim=(1, 2, 3, 4), keepdim=True))",
        "tests/test_mixing.py",
    ),
    Fault(
        "certain voxels are the uncertain ones",
        "uncertainty.py",
        "torch.special.entr(probabilities).sum(1)",
        "-torch.special.entr(probabilities).sum(1)",
        "tests/test_uncertainty.py::test_entropy_by_hand",
    ),
    Fault(
        "disagreement is the entropy of the members",
        "uncertainty.py",
        "(entropy(mean_prediction(members)) - expected_entropy(members)).clamp_min(0)",
        "expected_entropy(members)",
        "tests/test_uncertainty.py",
    ),
    Fault(
        "a case that shows nothing is certain",
        "uncertainty.py",
        "/ len(classes) if classes else 1.0",
        "/ len(classes) if classes else 0.0",
        "tests/test_uncertainty.py",
    ),
    Fault(
        "background counts in the uncertainty of a case",
        "uncertainty.py",
        "regions = {value: dilate(predicted == value, margin) for value in present}",
        "regions = {value: torch.ones_like(predicted, dtype=torch.bool) for value in present}",
        "tests/test_uncertainty.py",
    ),
)
