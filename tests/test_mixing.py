from __future__ import annotations

import pytest
import torch

from fewlabel.mixing import Crops, alternating, beta_shares, hide, mixed, random_boxes, random_cubes


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def sets():
    """Two sets of two crops: labels 0..3 and weights differ everywhere."""

    def crops(seed, weight):
        image = torch.randn(2, 1, 8, 12, 10, generator=seeded(seed))
        label = torch.randint(4, image.shape, generator=seeded(seed + 10))
        return Crops(image, label, torch.full_like(image, weight))

    return crops(0, 1.0), crops(1, 0.5)


@pytest.fixture
def boxes(sets):
    return random_boxes(sets[0].image, 0.3, seeded())


def sides(mask):
    """Lengths of the box B, 3, having checked that it is one box."""
    lengths = torch.stack([mask.amax([n for n in range(1, 5) if n != axis]).sum(1) for axis in (2, 3, 4)], 1)
    assert (lengths.prod(1) == mask.sum((1, 2, 3, 4))).all()
    return lengths


def test_a_mask_and_its_complement_together_restore_both_sets(sets, boxes):
    first, second = sets
    one, other = mixed(first, second, boxes), mixed(second, first, boxes)
    restored = mixed(one, other, boxes), mixed(other, one, boxes)
    for crops, expected in zip(restored, sets, strict=True):
        assert all(torch.equal(value, wanted) for value, wanted in zip(crops, expected, strict=True))


def test_labels_and_weights_are_mixed_by_the_same_mask_as_the_image(sets, boxes):
    first, second = sets
    result = mixed(first, second, boxes)
    for value, inside, outside in zip(result, first, second, strict=True):
        assert torch.equal(value[boxes], inside[boxes])
        assert torch.equal(value[~boxes], outside[~boxes])


def test_each_crop_is_mixed_with_the_one_of_the_same_index_in_the_other_set(sets, boxes):
    result = mixed(*sets, boxes)
    assert set(result.image[0].flatten().tolist()) <= set(torch.stack([s.image[0] for s in sets]).flatten().tolist())


def test_a_box_of_two_thirds_of_each_side_is_a_share_of_eight_parts_in_27():
    mask = random_boxes(torch.zeros(5, 1, 12, 24, 18), 8 / 27, seeded())
    assert (sides(mask) == torch.tensor([8, 16, 12])).all()


@pytest.mark.parametrize("share", [0.0, 0.11, 0.5, 0.75, 1.0])
def test_a_box_fills_the_share_that_is_asked_for(share):
    mask = random_boxes(torch.zeros(3, 1, 60, 64, 48), share, seeded())
    assert mask.float().mean((1, 2, 3, 4)).tolist() == pytest.approx([share] * 3, abs=0.03)


def test_each_crop_may_have_a_share_of_its_own():
    shares = torch.tensor([0.0, 0.2, 0.9])
    mask = random_boxes(torch.zeros(3, 1, 40, 40, 40), shares, seeded())
    torch.testing.assert_close(mask.float().mean((1, 2, 3, 4)), shares, atol=0.03, rtol=0)


def test_monai_cutmix_the_side_of_a_box_is_not_that_of_two_dimensions():
    """MONAI's CutMix takes sides by the square root of the share: in 3-D the box then fills share^(3/2) only."""
    mask = random_boxes(torch.zeros(1, 1, 64, 64, 64), 0.75, seeded())
    filled = mask.float().mean().item()
    assert filled == pytest.approx(0.75, abs=0.02)
    assert filled - 0.75**1.5 > 0.08


def test_boxes_lie_anywhere_within_the_crop_and_reach_its_borders():
    masks = random_boxes(torch.zeros(400, 1, 4, 4, 4), 1 / 8, seeded())
    assert (sides(masks) == 2).all()
    corners = masks[:, 0, 0, 0, 0].float().mean(), masks[:, 0, -1, -1, -1].float().mean()
    assert all(0.01 < corner < 0.08 for corner in corners)  # 1/27


def test_the_same_seed_gives_the_same_masks_and_the_global_generator_serves_as_well():
    crops = torch.zeros(2, 1, 16, 16, 16)
    assert torch.equal(random_boxes(crops, 0.3, seeded(1)), random_boxes(crops, 0.3, seeded(1)))
    assert torch.equal(random_cubes(crops, 4, 0.3, 0.7, seeded(1)), random_cubes(crops, 4, 0.3, 0.7, seeded(1)))
    torch.manual_seed(3)
    once = random_boxes(crops, 0.3)
    torch.manual_seed(3)
    assert torch.equal(once, random_boxes(crops, 0.3))


def test_beta_shares_have_the_moments_of_their_distribution():
    shares = beta_shares(20000, torch.zeros(1), concentration=4, generator=seeded())
    assert shares.mean().item() == pytest.approx(0.5, abs=0.01)
    assert shares.var().item() == pytest.approx(1 / 36, rel=0.05)  # a b / ((a + b)^2 (a + b + 1))


def test_cubes_hide_the_share_that_is_asked_for_in_whole_cubes():
    mask = random_cubes(torch.zeros(4, 1, 16, 32, 16), 4, 0.5, 0.5, seeded())
    cubes = mask.unfold(2, 4, 4).unfold(3, 4, 4).unfold(4, 4, 4).flatten(-3)
    assert (cubes.all(-1) | ~cubes.any(-1)).all()
    assert (mask.float().mean((1, 2, 3, 4)) == 0.5).all()
    assert not torch.equal(mask[0], mask[1])


def test_the_hidden_share_is_drawn_for_each_crop_within_its_limits():
    mask = random_cubes(torch.zeros(200, 1, 16, 16, 16), 4, 0.3, 0.7, seeded())
    shares = mask.float().mean((1, 2, 3, 4))
    assert 0.29 < shares.min() < 0.35
    assert 0.65 < shares.max() < 0.71


def test_cubes_fit_crops_that_they_do_not_divide_or_that_are_smaller():
    for size in ((40, 48, 42), (8, 8, 8), (3, 5, 4)):
        mask = random_cubes(torch.zeros(2, 1, *size), 16, 0.5, 0.5, seeded())
        assert mask.shape == (2, 1, *size)
        assert mask.any((1, 2, 3, 4)).all()
        assert not mask.all()


def test_what_is_hidden_has_the_mean_of_its_crop_and_the_rest_stays(sets):
    image = sets[0].image + torch.tensor([5.0, -3.0]).reshape(2, 1, 1, 1, 1)
    mask = random_cubes(image, 4, 0.5, 0.5, seeded())
    result = hide(image, mask)
    assert torch.equal(result[~mask], image[~mask])
    for crop, hidden, original in zip(result, mask, image, strict=True):
        torch.testing.assert_close(crop[hidden], original.mean().expand(int(hidden.sum())))


def test_every_other_mask_is_inverted(boxes):
    assert torch.equal(alternating(boxes, 0), torch.stack([boxes[0], ~boxes[1]]))
    assert torch.equal(alternating(boxes, 1), torch.stack([~boxes[0], boxes[1]]))
