"""The steps around an exported network, which need no MONAI: against MONAI's own, on many grids."""

from __future__ import annotations

import nibabel.orientations as orientations
import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose
from scipy.spatial.transform import Rotation

from fewlabel.data.transforms import normalisation, resampling
from fewlabel.export.table import export_model
from fewlabel.inference.predict import restoring, sliding_window
from fewlabel.plan import Plan
from fewlabel.published import load_published

STEPS = (0.45, 0.55, 0.85, 0.9, 0.9006, 1.1, 1.8, 2.2, 3.4)


@pytest.fixture
def example(publish, tmp_path, scripts):
    return scripts(export_model("torchscript", publish(), tmp_path / "export"))


def a_grid(seed):
    """Voxels and affine of a scan; every third without a tilt. Rounded to float32, as files hold it."""
    chance = np.random.default_rng(seed)
    tilt = Rotation.from_rotvec(chance.normal(size=3) * (0.3 if seed % 3 else 0)).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = (tilt @ np.diag(chance.choice(STEPS, 3) * chance.choice([-1, 1], 3)))[:, chance.permutation(3)]
    affine[:3, 3] = chance.normal(size=3) * 80
    return chance.normal(size=chance.integers(4, 24, 3)).astype(np.float32), affine.astype(np.float32).astype(float)


@pytest.mark.parametrize("first", range(0, 240, 60))
def test_the_working_grid_and_what_lies_on_it_are_monai_s_there_and_back(example, first):
    onto, working_grid = example.onto, example.working_grid
    plan = Plan((1.1, 0.9, 1.7), (16, 16, 16), "meanstd", None, "unet", 1, ("a",))
    steps = Compose(resampling(plan, ("image",)))
    for seed in range(first, first + 60):
        voxels, affine = a_grid(seed)
        theirs = steps({"image": MetaTensor(torch.from_numpy(voxels)[None], affine=torch.from_numpy(affine))})
        turn = orientations.io_orientation(affine)
        turned = orientations.apply_orientation(voxels, turn)
        matrix, shape = working_grid(
            example.MODEL, affine @ orientations.inv_ornt_aff(turn, voxels.shape), turned.shape
        )
        ours = onto(turned, matrix, shape)
        assert ours.shape == theirs["image"].shape[1:], seed
        np.testing.assert_allclose(ours, theirs["image"][0].numpy(), rtol=0, atol=1e-6, err_msg=str(seed))
        theirs["pred"] = theirs["image"].clone()
        restored = restoring(steps)(theirs)["pred"][0].numpy()
        back = orientations.ornt_transform(orientations.axcodes2ornt("RAS"), turn)
        ours = orientations.apply_orientation(onto(ours, np.linalg.inv(matrix), turned.shape), back)
        np.testing.assert_allclose(ours, restored, rtol=0, atol=1e-6, err_msg=str(seed))


def test_a_side_that_ends_midway_between_two_whole_numbers_is_rounded_as_monai_rounds_it(example):
    affine, shape = np.diag([0.75, 0.75, 0.75, 1.0]), (8, 6, 4)  # 4.5, 3.5 and 2.5 voxels, exactly
    plan = Plan((1.5, 1.5, 1.5), (16, 16, 16), "meanstd", None, "unet", 1, ("a",))
    theirs = Compose(resampling(plan, ("image",)))(
        {"image": MetaTensor(torch.zeros(1, *shape), affine=torch.from_numpy(affine))}
    )
    _, ours = example.working_grid({**example.MODEL, "spacing": [1.5, 1.5, 1.5]}, affine, shape)
    assert ours == tuple(theirs["image"].shape[1:]) == (4, 4, 2)


@pytest.mark.parametrize(("name", "window"), [("meanstd", None), ("ct", (-175.0, 250.0))])
def test_intensities_are_monai_s_to_the_last_bit(example, name, window):
    volume = np.random.default_rng(0).normal(scale=300, size=(9, 8, 7)).astype(np.float32)
    volume[:3] = 0
    plan = Plan((1.0, 1.0, 1.0), (16, 16, 16), name, window, "unet", 1, ("a",))
    theirs = Compose(normalisation(plan))({"image": torch.from_numpy(volume.copy())[None]})["image"][0]
    normalised = example.predicted.__globals__["normalised"]
    ours = normalised({"normalisation": name, "window": window}, volume)
    np.testing.assert_array_equal(ours, np.asarray(theirs))


@pytest.mark.parametrize("shape", [(16, 24, 16), (5, 30, 17), (40, 9, 33)])
@torch.no_grad()
def test_windows_are_blended_as_monai_does_to_the_last_bit(example, publish, shape):
    published = load_published(publish().model)
    volume = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    theirs = sliding_window(published.plan)(torch.from_numpy(volume)[None, None], published.network)[0].numpy()
    blended = example.predicted.__globals__["blended"]
    np.testing.assert_array_equal(blended(example.MODEL["windows"], 3, volume), theirs)


def test_a_scan_of_one_value_but_zero_is_not_divided_by_nothing(example):
    normalised = example.predicted.__globals__["normalised"]
    volume = np.zeros((3, 4, 5), np.float32)
    assert np.array_equal(normalised({"normalisation": "meanstd"}, volume), volume)
    volume[1] = 7
    assert np.isfinite(normalised({"normalisation": "meanstd"}, volume)).all()
