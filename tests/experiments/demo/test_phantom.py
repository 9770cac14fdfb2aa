"""The generated scans: honest geometry, realistic difficulty, the same for the same seed."""

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from experiments.demo.phantom import DIFFICULTIES, generate, write_study
from experiments.demo.phantom_anatomy import largest_part, rotation, smooth_field

SEEDS = range(4)


@pytest.fixture(scope="module", params=["mr", "ct"])
def phantoms(request):
    return [generate(seed, modality=request.param) for seed in SEEDS]


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def best_band_dice(image, mask):
    """The best Dice that any brightness band (so any threshold, too) reaches on a lightly smoothed image."""
    smooth = ndimage.gaussian_filter(image, 0.7)
    edges = np.unique(np.quantile(smooth, np.linspace(0, 1, 50)))
    inside = np.histogram(smooth[mask], edges)[0].cumsum()
    everywhere = np.histogram(smooth, edges)[0].cumsum()
    hit = np.subtract.outer(inside, np.append(0, inside[:-1]))
    taken = np.subtract.outer(everywhere, np.append(0, everywhere[:-1]))
    return np.tril(2 * np.maximum(hit, 0) / np.maximum(taken + mask.sum(), 1)).max()


def test_the_same_seed_gives_the_same_scan_and_another_seed_another():
    first, again, other = generate(3), generate(3), generate(4)
    np.testing.assert_array_equal(first.image.array, again.image.array)
    np.testing.assert_array_equal(first.label.array, again.label.array)
    np.testing.assert_array_equal(first.image.affine, again.image.affine)
    assert not np.array_equal(first.image.affine, other.image.affine)


def test_a_scan_has_both_organs_in_a_plausible_size(phantoms):
    for phantom in phantoms:
        assert phantom.classes == ("liver", "kidney")
        assert set(np.unique(phantom.label.array)) == {0, 1, 2}
        voxel = abs(np.linalg.det(phantom.label.affine[:3, :3])) / 1000
        liver, kidney = ((phantom.label.array == value).sum() * voxel for value in (1, 2))
        assert 400 < liver < 1800
        assert 80 < kidney < 500


def test_image_and_label_share_a_grid_of_quick_size(phantoms):
    for phantom in phantoms:
        assert phantom.image.array.shape == phantom.label.array.shape
        np.testing.assert_array_equal(phantom.image.affine, phantom.label.affine)
        assert all(24 <= size <= 88 for size in phantom.image.array.shape)
        assert phantom.image.array.size < 220_000
        assert phantom.label.array.dtype == np.uint8
        assert phantom.image.array.dtype == np.float32
        assert np.isfinite(phantom.image.array).all()


def test_grids_are_anisotropic_oblique_flipped_and_of_many_sizes():
    affines = [generate(seed).image.affine[:3, :3] for seed in range(6)]
    spacings = [np.linalg.norm(affine, axis=0) for affine in affines]
    assert all(spacing.max() / spacing.min() > 1.03 for spacing in spacings)
    directions = [affine / spacing for affine, spacing in zip(affines, spacings, strict=True)]
    assert all(np.abs(np.abs(direction).max(axis=0) - 1).max() > 1e-4 for direction in directions)
    assert {np.sign(np.linalg.det(affine)) for affine in affines} == {-1.0, 1.0}
    assert len({tuple(np.abs(direction).argmax(axis=0)) for direction in directions}) > 1
    assert all(np.allclose(direction.T @ direction, np.eye(3), atol=1e-9) for direction in directions)


def test_the_patient_lies_the_right_way_round_in_world_coordinates(phantoms):
    """The liver is right (+x) of the spine, the kidneys behind (-y) it, however the file is stored."""
    for phantom in phantoms:
        centres = [
            (phantom.label.affine @ [*np.argwhere(phantom.label.array == value).mean(axis=0), 1])[:3]
            for value in (1, 2)
        ]
        assert centres[0][0] > 15
        assert centres[1][1] < centres[0][1] - 15


def test_no_brightness_band_finds_an_organ(phantoms):
    for phantom in phantoms:
        for value in (1, 2):
            assert best_band_dice(phantom.image.array, phantom.label.array == value) < 0.72


def test_a_neighbour_of_the_same_brightness_touches_the_liver():
    """Just outside the liver's border lie many voxels within the liver's own brightness range."""
    for seed in SEEDS:
        phantom = generate(seed)
        liver = phantom.label.array == 1
        low, high = np.quantile(phantom.image.array[liver], (0.1, 0.9))
        rim = ndimage.binary_dilation(liver, iterations=2) & ~liver
        values = phantom.image.array[rim]
        assert ((values > low) & (values < high)).mean() > 0.1


def test_border_voxels_are_mixtures():
    """Partial volume and blur: a step from air to fat passes through values in between."""
    phantom = generate(0, modality="ct")
    between = (phantom.image.array > -850) & (phantom.image.array < -250)
    assert between.sum() > 500


def test_ct_is_in_hounsfield_units_and_mr_is_not():
    ct, mr = (generate(2, modality=modality).image.array for modality in ("ct", "mr"))
    assert ct.min() < -900
    assert 200 < ct.max() <= 2000
    assert mr.min() >= 0


def test_a_hard_scan_says_why_and_is_harder():
    assert generate(1).hard is None
    assert generate(1, hard=True).hard in DIFFICULTIES
    seen = {generate(seed, hard=True).hard for seed in range(3)}
    assert seen == set(DIFFICULTIES)

    ordinary, noisy, faint = (generate(7, modality="ct", hard=hard) for hard in (False, "strong noise", "low contrast"))
    liver = ordinary.label.array == 1
    core = ndimage.binary_erosion(liver, iterations=2)
    assert noisy.image.array[core].std() > 1.5 * ordinary.image.array[core].std()
    kidney = ndimage.binary_erosion(ordinary.label.array == 2, iterations=1)

    def gap(phantom):
        return abs(phantom.image.array[kidney].mean() - phantom.image.array[core].mean())

    assert gap(faint) < 0.6 * gap(ordinary)


def test_other_classes_in_another_order():
    phantom = generate(1, classes=("kidney", "spleen", "liver"))
    usual = generate(1)
    np.testing.assert_array_equal(phantom.label.array == 3, usual.label.array == 1)
    np.testing.assert_array_equal(phantom.label.array == 1, usual.label.array == 2)
    assert (phantom.label.array == 2).sum() > 100


@pytest.mark.parametrize(
    ("arguments", "word"),
    [({"modality": "us"}, "us"), ({"hard": "rain"}, "rain"), ({"classes": ("tail",)}, "tail")],
)
def test_a_wrong_argument_is_named_in_the_message(arguments, word):
    with pytest.raises(ValueError, match=word):
        generate(0, **arguments)


def test_write_study_writes_pairs_that_other_programs_read(tmp_path):
    cases = write_study(tmp_path / "images", tmp_path / "truth", 3, seed=5, hard=2)
    assert [case.id for case in cases] == ["case_001", "case_002", "case_003"]
    assert sum(case.hard is not None for case in cases) == 2
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == [f"{c.id}.nii.gz" for c in cases]
    for case in cases:
        image, label = nib.load(case.image), nib.load(case.label)
        expected = generate(case.seed, hard=case.hard or False)
        assert image.shape == label.shape
        np.testing.assert_allclose(image.affine, label.affine, atol=1e-5)
        np.testing.assert_allclose(image.affine, expected.image.affine, atol=1e-3)
        np.testing.assert_array_equal(np.asarray(image.dataobj), expected.image.array)
        np.testing.assert_array_equal(np.asarray(label.dataobj), expected.label.array)


def test_the_building_blocks():
    field = smooth_field((20, 30, 10), (4, 5, 4), np.random.default_rng(0))
    assert field.shape == (20, 30, 10)
    assert abs(field.mean()) < 1e-3
    assert np.abs(np.diff(field, axis=0)).max() < 1.5
    np.testing.assert_allclose(rotation(0, 0, 90) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    mask = np.zeros((5, 5, 5), bool)
    mask[0, 0, 0] = mask[2:4, 2:4, 2:4] = True
    assert largest_part(mask).sum() == 8
