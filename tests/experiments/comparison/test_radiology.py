import nibabel
import numpy as np
import pytest
import torch

from experiments.comparison import radiology
from experiments.comparison.radiology import Radiology
from experiments.demo.phantom_anatomy import rotation
from fewlabel.volumes.reading import write_volume

SPACING = (1.4, 2.0, 3.1)


def oblique(flips=(1, 1, 1), order=(0, 1, 2), degrees=(8, -5, 12)):
    """Affine of an anisotropic grid that lies askew, its axes flipped and exchanged."""
    affine = np.eye(4)
    affine[:3, :3] = ((rotation(*degrees) * SPACING) * flips)[:, order]
    affine[:3, 3] = -20, 13, 7
    return affine


GRIDS = {
    "straight": np.diag([*SPACING, 1.0]),
    "flipped": np.diag([-1.4, -2.0, 3.1, 1.0]),
    "oblique": oblique(),
    "oblique and flipped": oblique((-1, 1, -1)),
    "oblique, flipped and exchanged": oblique((-1, -1, 1), (1, 2, 0)),
}


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(radiology, "_CROP", (32, 32, 32))


@pytest.fixture
def scan(tmp_path):
    """Callable (affine, extension) writing an image with a bright block off its centre, and the block as its label."""

    def write(affine=GRIDS["straight"], extension=".nii.gz"):
        block = np.zeros((20, 17, 14), np.uint8)
        block[3:12, 2:9, 6:12] = 1
        noise = np.random.default_rng(0).normal(0, 1, block.shape)
        files = tmp_path / f"image{extension}", tmp_path / f"label{extension}"
        write_volume(files[0], (100 + noise + 100 * block).astype(np.float32), affine)
        write_volume(files[1], block, affine)
        return *files, block

    return write


class Threshold(torch.nn.Module):
    """Instead of a trained network: bright voxels (the image comes scaled to -1..1) are class 1."""

    def forward(self, image):
        return torch.cat([-image, image], 1)


@pytest.mark.parametrize("extension", [".nii.gz", ".nrrd"])
@pytest.mark.parametrize("grid", GRIDS)
def test_the_label_map_is_on_the_grid_of_the_image(small, scan, grid, extension):
    image, _, block = scan(GRIDS[grid], extension)
    recipe = Radiology(2, "cpu")
    recipe.network = Threshold()
    found = recipe.segment(image)
    assert found.dtype == torch.uint8
    assert tuple(found.shape) == block.shape
    both = np.logical_and(found.numpy(), block).sum()
    assert 2 * both / (found.numpy().sum() + block.sum()) > 0.85


def test_the_grids_of_these_tests_are_what_they_are_called():
    codes = {name: "".join(nibabel.aff2axcodes(affine)) for name, affine in GRIDS.items()}
    assert codes == {
        "straight": "RAS",
        "flipped": "LPS",
        "oblique": "RAS",
        "oblique and flipped": "LAI",
        "oblique, flipped and exchanged": "PSL",
    }


def test_training_changes_the_weights_and_tells_how_far_it_is(small, scan):
    image, label, _ = scan()
    torch.manual_seed(0)
    recipe, messages = Radiology(2, "cpu"), []
    before = {name: value.clone() for name, value in recipe.network.named_parameters()}
    steps, seconds = recipe.train([(image, label)] * 2, steps=2, seconds=1e6, tell=messages.append)
    assert steps == 2
    assert seconds > 0
    assert messages == [0.5, 1.0]
    for name, value in recipe.network.named_parameters():
        assert torch.isfinite(value).all()
        assert not torch.equal(value, before[name]), name


def test_training_ends_with_its_seconds_too(small, scan):
    image, label, _ = scan()
    messages = []
    steps, _ = Radiology(2, "cpu").train([(image, label)], steps=10**9, seconds=1e-9, tell=messages.append)
    assert steps == 1
    assert messages == [1.0]
