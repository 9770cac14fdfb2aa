import nibabel
import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.export.bundle_run import run_bundle
from fewlabel.export.table import differing_voxels, export_model
from fewlabel.volumes.reading import read_label, read_volume, same_grid

ANGLE = np.radians(25)
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])


def oblique_volume(path, low=0.0, high=300.0):
    """Noise with blobs on an anisotropic grid, turned, with flipped and swapped axes."""
    affine = np.eye(4)
    affine[:3, :3] = (TURN @ np.diag([-0.8, 1.3, 2.6]))[:, [2, 0, 1]]
    affine[:3, 3] = [12, -30, 55]
    noise = np.random.default_rng(0).normal(size=(14, 40, 33))
    blobs = np.add.outer(np.sin(np.arange(14) / 2), np.add.outer(np.sin(np.arange(40) / 5), np.cos(np.arange(33) / 4)))
    array = np.clip(low + (high - low) * (blobs + 3 + 0.2 * noise) / 6, low, high)
    nibabel.save(nibabel.Nifti1Image(array.astype(np.int16), affine), path)
    return path


def test_the_bundle_run_by_a_stranger_gives_the_same_label_map_on_the_same_grid(publish, tmp_path):
    workspace = publish()
    bundle = export_model("bundle", workspace, tmp_path / "a bundle")
    image = oblique_volume(tmp_path / "scan.nii.gz")
    different, voxels = differing_voxels("bundle", workspace, bundle, image)
    assert (different, voxels) == (0, 14 * 40 * 33)


def test_the_bundle_takes_the_form_that_itk_shows_and_the_server_takes(publish, tmp_path):
    workspace = publish()
    bundle = export_model("bundle", workspace, tmp_path / "bundle")
    (tmp_path / "images").mkdir()
    path = oblique_volume(tmp_path / "images" / "scan.nii.gz")
    image = nibabel.load(path)
    image.set_qform(image.affine, code=1)
    turned = image.affine.copy()
    turned[:3, :3] = TURN @ turned[:3, :3]
    image.set_sform(turned, code=4)
    nibabel.save(image, tmp_path / "images" / "two forms.nii.gz")
    path.unlink()
    two_forms = tmp_path / "images" / "two forms.nii.gz"
    assert differing_voxels("bundle", workspace, bundle, two_forms) == (0, 14 * 40 * 33)
    run_bundle(bundle, tmp_path / "images", tmp_path / "labels")
    written = read_label(next((tmp_path / "labels").rglob("*.nii.gz")))
    assert same_grid(written, read_volume(two_forms))
    assert written.array.any()


@pytest.mark.slow
def test_the_bundle_normalises_ct_as_the_server_does_and_keeps_the_geometry(publish, tmp_path):
    workspace = publish(normalisation="ct", bounds=(-175.0, 250.0))
    bundle = export_model("bundle", workspace, tmp_path / "bundle")
    (tmp_path / "images").mkdir()
    image = oblique_volume(tmp_path / "images" / "scan.nii.gz", -1000.0, 900.0)
    assert differing_voxels("bundle", workspace, bundle, image)[0] == 0
    run_bundle(bundle, tmp_path / "images", tmp_path / "labels")
    written = nibabel.load(next((tmp_path / "labels").rglob("*.nii.gz")))
    np.testing.assert_allclose(written.affine, nibabel.load(image).affine, atol=1e-4)
    assert set(np.unique(written.dataobj)) <= {0, 1, 2}
    assert len(np.unique(written.dataobj)) > 1


def test_an_image_that_cannot_be_read_is_told(publish, tmp_path):
    workspace = publish()
    (tmp_path / "scan.nii.gz").write_bytes(b"no image")
    for name in ("scan.nii.gz", "missing.nii.gz"):
        with pytest.raises(Refusal, match=name):
            differing_voxels("bundle", workspace, tmp_path / "bundle", tmp_path / name)


@pytest.mark.slow
def test_a_bundle_that_does_not_run_is_told_with_its_last_words(publish, tmp_path):
    bundle = export_model("bundle", publish(), tmp_path / "bundle")
    (bundle / "models" / "model.pt").unlink()
    with pytest.raises(Refusal, match="does not run"):
        differing_voxels("bundle", publish(), bundle, oblique_volume(tmp_path / "scan.nii.gz"))
