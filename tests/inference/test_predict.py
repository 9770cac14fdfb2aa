from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from fewlabel.inference.predict import probabilities, segment
from fewlabel.plan import Plan
from fewlabel.volumes.reading import UnreadableVolume, read_volume, write_volume

PLAN = Plan((1.0, 1.0, 1.0), (16, 24, 16), "ct", (-100.0, 100.0), "unet_small", 2, ("bright",))


class Threshold(torch.nn.Module):
    """Says ``bright`` where the preprocessed image is above ``level``; soft, as trained networks are."""

    def __init__(self, level: float) -> None:
        super().__init__()
        self.level = level

    def forward(self, image):
        logit = (image - self.level) * 20
        return torch.cat([-logit, logit], 1)


def oblique(angles, spacing, order=(0, 1, 2), signs=(1, 1, 1)):
    affine = np.eye(4)
    affine[:3, :3] = (Rotation.from_euler("xyz", angles).as_matrix() @ np.diag(signs))[:, order] @ np.diag(spacing)
    affine[:3, 3] = (-31.5, 12.25, 100)
    return affine


def blobs(shape, affine, size=5.0):
    """Smooth in mm, whatever the spacing: -200 to 200 around 0."""
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    field = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=shape), size / spacing, mode="nearest")
    return (80 * (field - field.mean()) / field.std()).astype(np.float32)


def dice(first, second):
    return 2 * np.logical_and(first, second).sum() / (first.sum() + second.sum())


CASES = {
    "plain": ((40, 36, 30), oblique((0, 0, 0), (1, 1, 1))),
    "flipped": ((40, 36, 30), oblique((0, 0, 0), (1, 1, 1), signs=(-1, -1, 1))),
    "permuted": ((40, 36, 30), oblique((0, 0, 0), (0.9, 1.1, 1.3), order=(2, 0, 1))),
    "anisotropic": ((48, 48, 20), oblique((0, 0, 0), (0.8, 0.8, 2.5))),
    "rotated": ((40, 36, 30), oblique((0.2, -0.3, 0.4), (1.2, 0.9, 1))),
    "rotated and anisotropic": ((20, 48, 44), oblique((0.3, 0.1, -0.2), (2.5, 0.8, 0.8), (2, 1, 0), (1, -1, 1))),
    "smaller than a crop": ((12, 14, 10), oblique((0.1, 0, 0), (1, 1, 1))),
}


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("name", CASES)
def test_a_label_map_lies_exactly_on_the_file_and_where_the_network_saw_it(tmp_path, name, extension):
    shape, affine = CASES[name]
    image = blobs(shape, affine)
    path = tmp_path / f"a{extension}"
    write_volume(path, image, affine)
    labels, meta = segment(Threshold(0.5), PLAN, path)
    assert labels.dtype == torch.uint8
    assert type(labels) is torch.Tensor
    assert labels.shape == shape
    np.testing.assert_allclose(meta["affine"], read_volume(path).affine, atol=1e-4)
    assert dice(labels.numpy() == 1, image > 0) >= 0.97


def test_each_volume_is_scaled_by_its_own_mean(tmp_path):
    shape, affine = CASES["rotated"]
    image = blobs(shape, affine) * 3 + 1000
    write_volume(tmp_path / "a.nii", image, affine)
    plan = Plan((1.0, 1.0, 1.0), (16, 24, 16), "meanstd", None, "unet_small", 2, ("bright",))
    labels, _ = segment(Threshold(0.0), plan, tmp_path / "a.nii")
    assert dice(labels.numpy() == 1, image > image.mean()) >= 0.97


@pytest.mark.parametrize("spacing", [(2.0, 2.0, 2.0), (0.7, 1.0, 3.0)])
def test_another_working_spacing_still_ends_on_the_grid_of_the_file(tmp_path, spacing):
    shape, affine = CASES["rotated"]
    image = blobs(shape, affine)
    write_volume(tmp_path / "a.nii", image, affine)
    plan = Plan(spacing, (16, 16, 16), "ct", (-100.0, 100.0), "unet_small", 2, ("bright",))
    labels, _ = segment(Threshold(0.5), plan, tmp_path / "a.nii")
    assert labels.shape == shape
    assert dice(labels.numpy() == 1, image > 0) >= 0.9


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(*[st.integers(2, 17)] * 3),
    st.tuples(*[st.floats(-0.7, 0.7)] * 3),
    st.tuples(*[st.floats(0.4, 3)] * 3),
    st.sampled_from(list(itertools.permutations(range(3)))),
    st.tuples(*[st.sampled_from((-1, 1))] * 3),
)
def test_every_grid_is_restored(tmp_path_factory, shape, angles, spacing, order, signs):
    path = tmp_path_factory.mktemp("grid") / "a.nrrd"
    affine = oblique(angles, spacing, order, signs)
    write_volume(path, np.random.default_rng(0).normal(size=shape).astype(np.float32), affine)
    labels, meta = segment(Threshold(0.5), PLAN, path)
    assert labels.shape == shape
    np.testing.assert_allclose(meta["affine"], affine, atol=1e-4 * max(spacing))


def test_a_single_slice_can_be_segmented(tmp_path):
    image = blobs((40, 40, 3), np.eye(4))[..., :1]
    write_volume(tmp_path / "a.nii", image, np.eye(4))
    labels, _ = segment(Threshold(0.5), PLAN, tmp_path / "a.nii")
    assert dice(labels.numpy() == 1, image > 0) >= 0.97


def test_notes_of_the_reader_reach_the_caller(tmp_path):
    image = blobs((16, 16, 16), np.eye(4))
    image[0, 0, 0] = np.nan
    write_volume(tmp_path / "a.nii", image, np.eye(4))
    _, meta = segment(Threshold(0.5), PLAN, tmp_path / "a.nii")
    assert any("not finite" in note for note in meta["notes"])


def test_an_unusable_image_says_why(tmp_path):
    (tmp_path / "a.nii.gz").write_bytes(b"not an image")
    with pytest.raises(UnreadableVolume, match=r"a\.nii\.gz"):
        segment(Threshold(0.5), PLAN, tmp_path / "a.nii.gz")


@pytest.mark.parametrize("shape", [(16, 24, 16), (30, 20, 5), (3, 3, 40)])
def test_probabilities_add_up_to_one_and_need_no_gradient(shape):
    weight = torch.nn.Parameter(torch.ones(()))
    result = probabilities(lambda crops: torch.cat([crops * weight] * 3, 1), PLAN, torch.randn(1, *shape))
    assert result.shape == (3, *shape)
    assert not result.requires_grad
    torch.testing.assert_close(result.sum(0), torch.ones(shape))
    assert result.min() >= 0


def test_where_crops_meet_is_not_seen_in_the_result():
    image = torch.randn(1, 40, 50, 30)
    result = probabilities(Threshold(0.1), PLAN, image)
    torch.testing.assert_close(result, torch.softmax(Threshold(0.1)(image[None])[0], 0), atol=1e-5, rtol=1e-4)


class WrongAtItsBorder(torch.nn.Module):
    """Right within a crop and wrong in its outermost three voxels, where a network sees too little around it."""

    def forward(self, image):
        logit = torch.full_like(image, -3.0)
        logit[:, :, 3:-3, 3:-3, 3:-3] = 3.0
        return torch.cat([-logit, logit], 1)


def test_the_middle_of_a_crop_counts_more_than_its_border():
    """So that within a volume, away from its own border, the borders of the crops are outvoted."""
    result = probabilities(WrongAtItsBorder(), PLAN, torch.zeros(1, 40, 60, 40))
    assert (result[1, 4:-4, 4:-4, 4:-4] > 0.9).float().mean() > 0.9
