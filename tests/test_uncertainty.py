from __future__ import annotations

import math

import pytest
import torch

from fewlabel.uncertainty import (
    Maps,
    case_score,
    dilate,
    disagreement,
    entropy,
    expected_entropy,
    maps_of,
    mutual_information,
    normalised_entropy,
    score_of,
    uncertain_voxels,
)

SHAPE = (1, 3, 4, 5, 6)


def certain(label, classes=3, probability=1.0):
    """Probabilities of a label map DHW: that of its class as given, the rest shared by the others."""
    hot = torch.nn.functional.one_hot(label, classes).movedim(-1, 0)[None].float()
    return hot * probability + (1 - hot) * (1 - probability) / (classes - 1)


def scan(*boxes, side=24):
    """A label map with a cube of each class at its corner: (class, corner, side)."""
    label = torch.zeros(side, side, side, dtype=torch.long)
    for value, corner, length in boxes:
        label[corner : corner + length, corner : corner + length, corner : corner + length] = value
    return label


@pytest.fixture
def members():
    torch.manual_seed(0)
    return list((3 * torch.randn(4, *SHAPE)).softmax(2).unbind())


def test_a_uniform_guess_has_the_greatest_entropy():
    uniform = torch.full(SHAPE, 1 / 3)
    torch.testing.assert_close(entropy(uniform), torch.full((1, 4, 5, 6), math.log(3)))
    torch.testing.assert_close(normalised_entropy(uniform), torch.ones(1, 4, 5, 6))


def test_certainty_has_no_entropy():
    assert (entropy(certain(torch.zeros(4, 5, 6, dtype=torch.long))) == 0).all()


def test_entropy_by_hand():
    probabilities = torch.tensor([1 / 2, 1 / 4, 1 / 4]).reshape(1, 3, 1, 1, 1)
    assert entropy(probabilities).item() == pytest.approx(1.5 * math.log(2))


def test_members_that_agree_have_no_mutual_information_however_uncertain(members):
    alike = [members[0]] * 3
    assert mutual_information(alike).max() < 1e-6
    torch.testing.assert_close(expected_entropy(alike), entropy(members[0]))


def test_certain_members_that_contradict_each_other_disagree_completely():
    first, second = (certain(torch.full((2, 2, 2), value)) for value in (1, 2))
    torch.testing.assert_close(mutual_information([first, second]), torch.full((1, 2, 2, 2), math.log(2)))
    torch.testing.assert_close(disagreement([first, second]), torch.ones(1, 2, 2, 2))
    assert (expected_entropy([first, second]) == 0).all()


def test_mutual_information_is_the_jensen_shannon_divergence(members):
    mean = sum(members) / len(members)
    divergence = sum((member * (member / mean).log()).sum(1) for member in members) / len(members)
    torch.testing.assert_close(mutual_information(members), divergence)


def test_disagreement_is_within_bounds_and_does_not_depend_on_the_order(members):
    values = disagreement(members)
    assert values.min() >= 0
    assert values.max() <= 1
    torch.testing.assert_close(values, disagreement(members[::-1]))


def test_a_single_member_cannot_disagree(members):
    assert (disagreement(members[:1]) == 0).all()


def test_a_mask_grows_by_its_margin_as_a_cube():
    mask = torch.zeros(1, 9, 9, 9, dtype=torch.bool)
    mask[0, 4, 4, 4] = True
    assert dilate(mask, 0).sum() == 1
    assert dilate(mask, 2).sum() == 5**3
    assert dilate(mask, 2)[0, 2, 6, 2]


def test_the_score_is_the_entropy_at_the_predicted_foreground():
    probabilities = certain(scan((1, 8, 6)), probability=0.7)
    expected = (-0.7 * math.log(0.7) - 0.3 * math.log(0.15)) / math.log(3)
    assert case_score([probabilities])["score"] == pytest.approx(expected, abs=1e-4)


def test_the_harder_of_two_cases_scores_higher():
    label = scan((1, 8, 6))
    sure, unsure = (case_score([certain(label, probability=p)])["score"] for p in (0.95, 0.6))
    assert unsure > sure


def test_background_far_away_does_not_count_however_uncertain_or_large():
    label = scan((1, 8, 6))
    probabilities = certain(label, probability=0.8)
    doubtful = probabilities.clone()
    doubtful[:, :, :3] = torch.tensor([0.34, 0.33, 0.33]).reshape(1, 3, 1, 1, 1)
    padded = torch.cat([certain(torch.zeros(40, 24, 24, dtype=torch.long)), probabilities], 2)
    score = case_score([probabilities])["score"]
    assert case_score([doubtful])["score"] == pytest.approx(score, abs=1e-6)
    assert case_score([padded])["score"] == pytest.approx(score, abs=1e-6)


def test_a_structure_twice_scores_as_once(members):
    once = certain(scan((1, 8, 6)), probability=0.8)
    twice = case_score([torch.cat([once, once], 2)])
    expected = case_score([once])
    for kind in ("classes", "parts"):
        assert twice.pop(kind) == pytest.approx(expected.pop(kind))
    assert twice == pytest.approx(expected)


def test_a_small_uncertain_class_counts_as_much_as_a_large_certain_one():
    label = scan((1, 0, 12), (2, 18, 2))
    probabilities = certain(label)
    region = dilate((label == 2)[None], 2)[0]
    probabilities[0, :, region] = certain(label, probability=0.6)[0, :, region]
    uncertain = normalised_entropy(certain(label, probability=0.6)).mean().item()
    assert case_score([probabilities])["score"] == pytest.approx(uncertain / 2, abs=1e-4)


def test_contradicting_members_raise_score_and_disagreement():
    small, large = certain(scan((1, 8, 4))), certain(scan((1, 8, 8)))
    alike, apart = case_score([small, small]), case_score([small, large])
    assert apart["score"] > alike["score"]
    assert apart["disagreement"] > alike["disagreement"]


def test_without_any_predicted_foreground_the_case_is_as_uncertain_as_can_be():
    score = case_score([certain(scan())])
    assert score == {"score": 1.0, "disagreement": 1.0, "foreground": 0.0, "classes": {}, "parts": {}}


def test_scores_are_plain_finite_numbers(members):
    score = case_score(members)
    for value in (*score.pop("classes").values(), *score.pop("parts").values(), *score.values()):
        assert type(value) is float
        assert math.isfinite(value)


@pytest.mark.parametrize("shape", [(3, 8, 8, 8), (1, 1, 8, 8, 8)])
def test_a_member_without_batch_axis_or_with_one_class_is_refused(shape):
    with pytest.raises(ValueError, match="BCDHW"):
        case_score([torch.ones(shape)])


def test_each_predicted_class_has_its_own_score_and_the_mean_of_them_is_the_case_s():
    label = scan((1, 0, 12), (2, 18, 2))
    probabilities = certain(label, probability=0.9)
    region = dilate((label == 2)[None], 2)[0]
    probabilities[0, :, region] = certain(label, probability=0.6)[0, :, region]
    score = case_score([probabilities])
    assert set(score["classes"]) == {1, 2}
    assert score["classes"][2] > score["classes"][1]
    assert score["score"] == pytest.approx(sum(score["classes"].values()) / 2)


def test_the_score_of_a_structure_does_not_depend_on_its_size():
    scores = [case_score([certain(scan((1, 4, side)), probability=0.8)])["score"] for side in (4, 8, 16)]
    assert scores == pytest.approx([scores[0]] * 3, abs=1e-5)


def test_the_part_is_the_most_uncertain_tenth_of_a_region():
    entropies = torch.linspace(0, 1, 1000).reshape(1, 10, 10, 10)
    maps = Maps(torch.ones(1, 10, 10, 10, dtype=torch.long), entropies, entropies)
    assert score_of(maps)["parts"][1] == pytest.approx(float(entropies.flatten()[-100:].mean()))
    assert score_of(maps)["classes"][1] == pytest.approx(0.5, abs=1e-3)


def test_voxels_far_from_the_foreground_are_not_uncertain():
    probabilities = certain(scan((1, 8, 6)), probability=0.8)
    uncertain = uncertain_voxels(maps_of([probabilities]))
    assert (uncertain[0, :5] == 0).all()
    assert (uncertain[0, 8:14, 8:14, 8:14] > 0).all()


def test_without_foreground_the_whole_case_is_uncertain():
    assert (uncertain_voxels(maps_of([certain(scan(), probability=0.9)])) > 0).all()
