from __future__ import annotations

import nibabel
import numpy as np
import pytest
import torch
from monai.transforms import Randomizable
from scipy import ndimage

from fewlabel.data.transforms import Preprocessing, class_locations, labelled_view, pad_to_patch, unlabelled_view
from fewlabel.plan import Plan
from fewlabel.volumes.reading import UnreadableVolume, write_volume

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 2, ("a", "b"))
LARGE = Plan((1.0, 1.0, 1.0), (32, 32, 32), "meanstd", None, "unet_small", 2, ("a", "b"))
CT = Plan((1.0, 1.0, 1.0), (16, 16, 16), "ct", (-100.0, 100.0), "unet_small", 2, ("a", "b"))


def turned(angle, spacing, order=(0, 1, 2), signs=(1, 1, 1), origin=(-20.0, 15.0, 7.0)):
    """An oblique affine with permuted and flipped axes."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    affine = np.eye(4)
    affine[:3, :3] = (turn @ np.diag(signs))[:, order] @ np.diag(spacing)
    affine[:3, 3] = origin
    return affine


AFFINES = {
    "plain": turned(0, (1, 1, 1)),
    "flipped": turned(0, (1, 1, 1), signs=(-1, -1, 1)),
    "permuted": turned(0, (1, 1.2, 0.9), order=(2, 0, 1)),
    "anisotropic": turned(0, (0.8, 0.8, 3)),
    "oblique": turned(0.3, (1.1, 0.9, 1.5), order=(1, 2, 0), signs=(1, -1, -1)),
}


def positions(shape, affine):
    """RAS position of every voxel, (3, i, j, k)."""
    return np.einsum("ab,bijk->aijk", affine[:3, :3], np.indices(shape)) + affine[:3, 3].reshape(3, 1, 1, 1)


def smooth(shape, seed=0, sigma=2.0):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return (noise / noise.std()).astype(np.float32)


def similarity(first, second):
    return float(np.corrcoef(np.ravel(first), np.ravel(second))[0, 1])


@pytest.mark.parametrize("name", AFFINES)
def test_preprocessing_gives_ras_at_the_working_spacing_with_every_point_where_it_was(tmp_path, name):
    affine, shape = AFFINES[name], (22, 26, 20)
    middle = (affine @ [11.5, 12, 9.5, 1])[:3]
    distance = np.linalg.norm(positions(shape, affine) - middle.reshape(3, 1, 1, 1), axis=0)
    image = (10 + 100 * np.exp(-(distance**2) / 40)).astype(np.float32)
    write_volume(tmp_path / "a.nii.gz", image, affine)
    write_volume(tmp_path / "label.nii.gz", (image > 60).astype(np.uint8), affine)
    keys = {"image": tmp_path / "a.nii.gz", "label": tmp_path / "label.nii.gz"}
    data = Preprocessing(PLAN, ("image", "label"))(keys)
    for key in keys:
        result = data[key].affine.numpy()
        assert nibabel.aff2axcodes(result) == ("R", "A", "S")
        assert nibabel.affines.voxel_sizes(result) == pytest.approx([1, 1, 1])
        weight = (data[key][0] - data[key].min()).numpy() ** 4
        found = (positions(weight.shape, result) * weight).sum((1, 2, 3)) / weight.sum()
        assert found == pytest.approx(middle, abs=0.4)
        assert data[key].dtype == torch.float32
    assert data["image"].shape == data["label"].shape
    assert set(data["label"].unique().tolist()) == {0, 1}


def test_each_volume_gets_zero_mean_and_unit_deviation_of_what_is_not_zero(tmp_path):
    image = smooth((16, 16, 16)) * 50 + 400
    image[:4] = 0
    write_volume(tmp_path / "a.nrrd", image, np.eye(4))
    result = Preprocessing(PLAN)({"image": tmp_path / "a.nrrd"})["image"].numpy()[0]
    result = result[result != 0]
    assert result.mean() == pytest.approx(0, abs=1e-3)
    assert result.std() == pytest.approx(1, abs=1e-3)


def test_hounsfield_units_get_the_same_value_in_every_scan(tmp_path):
    for number, other in enumerate((-1000, 3000)):
        image = np.full((8, 8, 8), other, np.float32)
        image[2:6, 2:6, 2:6] = [[[-100, 0, 100, 50]]]
        write_volume(tmp_path / f"{number}.nii", image, np.eye(4))
        result = Preprocessing(CT)({"image": tmp_path / f"{number}.nii"})["image"][0, 3, 3, 2:6]
        assert result.tolist() == pytest.approx([0.26894, 0.5, 0.73106, 0.62246], abs=1e-4)


@pytest.mark.parametrize("which", ["text", "cut", "constant", "absent", "label"])
def test_a_bad_file_says_why_and_not_that_a_transform_failed(tmp_path, which):
    write_volume(tmp_path / "good.nii", smooth((8, 8, 8)), np.eye(4))
    write_volume(tmp_path / "label.nii", np.zeros((8, 8, 8), np.uint8), np.eye(4))
    bad = tmp_path / "bad.nii"
    content = {"text": b"hello", "cut": (tmp_path / "good.nii").read_bytes()[:700], "label": b"x"}
    if which in content:
        bad.write_bytes(content[which])
    elif which == "constant":
        write_volume(bad, np.ones((8, 8, 8), np.float32), np.eye(4))
    keys = {"image": bad, "label": tmp_path / "label.nii"}
    if which == "label":
        keys = {"image": tmp_path / "good.nii", "label": bad}
    with pytest.raises(UnreadableVolume, match=r"bad\.nii"):
        Preprocessing(PLAN, ("image", "label"))(keys)


@pytest.mark.parametrize("other", ["shape", "origin"])
def test_a_label_on_another_grid_is_refused_in_words(tmp_path, other):
    affine = turned(0, (1, 1, 1), origin=(5, 0, 0)) if other == "origin" else np.eye(4)
    write_volume(tmp_path / "image.nii", smooth((8, 8, 8)), np.eye(4))
    write_volume(tmp_path / "label.nii", np.zeros((8, 8, 9 if other == "shape" else 8), np.uint8), affine)
    with pytest.raises(UnreadableVolume, match="another grid"):
        Preprocessing(PLAN, ("image", "label"))({"image": tmp_path / "image.nii", "label": tmp_path / "label.nii"})


def test_image_and_label_keep_one_shape_where_their_affines_differ_by_rounding(tmp_path):
    sharp = Plan((0.5, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 2, ("a",))
    array = smooth((11, 9, 9)) > 0  # 11.5 voxels at the working spacing: 11 or 12 by rounding
    for name, spacing, dtype in (("image", 0.52501, np.float32), ("label", 0.52499, np.uint8)):
        write_volume(tmp_path / f"{name}.nrrd", array.astype(dtype), np.diag([spacing, 1, 1, 1]))
    data = Preprocessing(sharp, ("image", "label"))({key: tmp_path / f"{key}.nrrd" for key in ("image", "label")})
    assert data["image"].shape == data["label"].shape


def volume(shape=(24, 26, 28)):
    """Two classes of one brightness each on a background, as tensors 1HWD, preprocessed."""
    field = smooth(shape, sigma=3)
    label = np.digitize(field, [0.5, 1.2]).astype(np.float32)
    data = {"image": torch.from_numpy(label * 1.5 - 1)[None], "label": torch.from_numpy(label)[None]}
    return class_locations(PLAN)(pad_to_patch(PLAN, ("image", "label"))(data))


def crops(view, data, count, seed=0):
    view.set_random_state(seed)
    results = [view(dict(data)) for _ in range(count)]
    return [result[0] if isinstance(result, list) else result for result in results]


def test_image_and_label_of_a_crop_stay_aligned_and_labels_stay_whole_numbers():
    for crop in crops(labelled_view(PLAN), volume(), 30):
        assert set(crop) == {"image", "label"}
        assert crop["image"].shape == crop["label"].shape == (1, 16, 16, 16)
        assert set(crop["label"].unique().tolist()) <= {0, 1, 2}
        assert similarity(crop["image"], crop["label"]) > 0.85


def test_crops_are_augmented():
    results = crops(labelled_view(PLAN), volume((16, 16, 16)), 6)
    assert len({tuple(np.unique(crop["image"].numpy())) for crop in results}) == 6
    assert len({crop["label"].numpy().tobytes() for crop in results}) > 2


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_nothing_is_flipped(axis):
    ramp = (
        torch.arange(36.0).reshape([-1 if number == axis else 1 for number in range(3)]).expand(36, 36, 36)[None] / 10
    )
    label = torch.zeros_like(ramp)
    label[:, 18, 18, 18] = 1
    labelled = class_locations(LARGE)({"image": ramp, "label": label})
    views = crops(labelled_view(LARGE), labelled, 10) + crops(unlabelled_view(LARGE), {"image": ramp}, 10)
    for crop in views:
        for key in set(crop) - {"label"}:
            assert similarity(crop[key][0].numpy(), ramp[0, 2:34, 2:34, 2:34]) > 0.5


def test_every_class_is_in_the_middle_of_about_as_many_crops_however_small_it_is():
    label = torch.zeros(1, 48, 48, 48)
    label[:, 10:30, 10:30, 10:30] = 1
    label[:, 38:41, 38:41, 38:41] = 2
    data = class_locations(PLAN)({"image": torch.randn(1, 48, 48, 48), "label": label})
    found = [{int(value) for value in crop["label"].unique()} for crop in crops(labelled_view(PLAN), data, 60)]
    assert 12 <= sum(2 in classes for classes in found) <= 40
    assert sum(1 in classes for classes in found) >= 20


@pytest.mark.parametrize("value", [0, 1, 2])
def test_a_label_that_is_empty_or_all_one_class_gives_crops(value):
    label = torch.full((1, 20, 20, 20), float(value))
    data = class_locations(PLAN)({"image": torch.randn(1, 20, 20, 20), "label": label})
    for crop in crops(labelled_view(PLAN), data, 4):
        assert (crop["label"] == value).all()


def test_weak_and_strong_are_the_same_crop_with_different_intensities():
    image = torch.from_numpy(smooth((40, 40, 40), sigma=1.5))[None]
    inner = (slice(3, -3),) * 3
    different = 0
    for crop in crops(unlabelled_view(LARGE), {"image": image}, 20):
        assert set(crop) == {"weak", "strong"}
        weak, strong = crop["weak"][0].numpy(), crop["strong"][0].numpy()
        assert weak.shape == strong.shape == LARGE.patch
        different += not np.allclose(weak, strong, atol=1e-3)
        here = similarity(weak[inner], strong[inner])
        for axis in range(3):
            for shift in (-2, 2):
                assert here > similarity(weak[inner], np.roll(strong, shift, axis)[inner]) + 0.1
    assert different >= 18


def test_unlabelled_crops_come_from_all_over_the_volume():
    image = torch.zeros(1, 48, 16, 16)
    image[0] = torch.arange(48.0).reshape(-1, 1, 1)
    middles = [float(crop["weak"].median()) for crop in crops(unlabelled_view(PLAN), {"image": image}, 40)]
    assert min(middles) < 14
    assert max(middles) > 33


@pytest.mark.parametrize("labelled", [True, False])
def test_the_volume_in_memory_is_not_changed_by_its_crops(labelled):
    data = volume() if labelled else {"image": torch.from_numpy(smooth((16, 16, 16)))[None]}
    before = {key: data[key].clone() for key in ("image", "label") if key in data}
    crops(labelled_view(PLAN) if labelled else unlabelled_view(PLAN), data, 40)
    for key, value in before.items():
        assert torch.equal(value, data[key])


@pytest.mark.parametrize("labelled", [True, False])
def test_the_same_seed_gives_the_same_crops_whatever_else_draws_numbers(labelled):
    data = volume() if labelled else {"image": volume()["image"]}
    results = []
    for other in (1, 2):
        torch.manual_seed(other)
        np.random.seed(other)
        Randomizable().set_random_state(other)
        results.append(crops(labelled_view(PLAN) if labelled else unlabelled_view(PLAN), data, 8, seed=7))
    for first, second in zip(*results, strict=True):
        assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("patch", [(8, 8, 16), (8, 16, 8), (32, 32, 8)])
def test_small_and_flat_crops_can_be_augmented(patch):
    plan = Plan((1.0, 1.0, 1.0), patch, "meanstd", None, "unet_small", 2, ("a",))
    data = pad_to_patch(plan, ("image",))({"image": torch.randn(1, 30, 30, 1)})
    assert {crop["strong"].shape for crop in crops(unlabelled_view(plan), data, 10)} == {(1, *patch)}


def test_volumes_smaller_than_a_crop_are_padded_with_background_as_inference_does():
    data = pad_to_patch(PLAN, ("image", "label"))(
        {"image": torch.ones(1, 4, 20, 16), "label": torch.ones(1, 4, 20, 16)}
    )
    for value in data.values():
        assert value.shape == (1, 16, 20, 16)
        assert value[:, 6:10].min() == 1
        assert value[:, :6].abs().max() == value[:, 10:].abs().max() == 0


def test_each_axis_has_the_spacing_of_the_plan_for_it(tmp_path):
    plan = Plan((2.0, 1.0, 0.5), (16, 16, 16), "meanstd", None, "unet_small", 2, ("a",))
    write_volume(tmp_path / "a.nii", smooth((20, 20, 20)), np.eye(4))
    result = Preprocessing(plan)({"image": tmp_path / "a.nii"})["image"]
    assert nibabel.affines.voxel_sizes(result.affine.numpy()) == pytest.approx([2.0, 1.0, 0.5])
    assert result.shape[1] < result.shape[2] < result.shape[3]
