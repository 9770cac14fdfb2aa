"""Faults in the mixing of crops and in the measures of uncertainty."""

from experiments.mutants.fault import Fault

MEASURES = (
    Fault(
        "the label of a mixture is not pasted with its image",
        "mixing.py",
        "return Crops(*(torch.where(mask, one, other) for one, other in zip(inside, outside, strict=True)))",
        "return Crops(torch.where(mask, inside.image, outside.image), outside.label, outside.weight)",
        "tests/test_mixing.py::test_labels_and_weights_are_mixed_by_the_same_mask_as_the_image",
    ),
    Fault(
        "boxes have the side of two dimensions",
        "mixing.py",
        "share ** (1 / 3) * length",
        "share ** (1 / 2) * length",
        "tests/test_mixing.py::test_a_box_of_two_thirds_of_each_side_is_a_share_of_eight_parts_in_27",
    ),
    Fault(
        "boxes begin at the corner only",
        "mixing.py",
        "(uniform * (length - side + 1)).floor()",
        "(uniform * 0 * (length - side + 1)).floor()",
        "tests/test_mixing.py::test_boxes_lie_anywhere_within_the_crop_and_reach_its_borders",
    ),
    Fault(
        "what is not masked is hidden",
        "mixing.py",
        "torch.where(mask, image.mean(dim=(1, 2, 3, 4), keepdim=True), image)",
        "torch.where(mask, image, image.mean(dim=(1, 2, 3, 4), keepdim=True))",
        "tests/test_mixing.py::test_what_is_hidden_has_the_mean_of_its_crop_and_the_rest_stays",
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
        "tests/test_uncertainty.py::test_members_that_agree_have_no_mutual_information_however_uncertain",
    ),
    Fault(
        "a case that shows nothing is certain",
        "uncertainty.py",
        "/ len(classes) if classes else 1.0",
        "/ len(classes) if classes else 0.0",
        "tests/test_uncertainty.py::test_without_any_predicted_foreground_the_case_is_as_uncertain_as_can_be",
    ),
    Fault(
        "background counts in the uncertainty of a case",
        "uncertainty.py",
        "regions = {value: dilate(predicted == value, margin) for value in present}",
        "regions = {value: torch.ones_like(predicted, dtype=torch.bool) for value in present}",
        "tests/test_uncertainty.py::test_background_far_away_does_not_count_however_uncertain_or_large",
    ),
)
