import nibabel
import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.export.bundle_run import run_bundle
from fewlabel.export.table import differing_voxels, export_model
from fewlabel.inference.predict import segment
from fewlabel.published import load_published
from fewlabel.volumes.reading import read_label, read_volume, same_grid

ANGLE = np.radians(25)
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE), 0], [np.sin(ANGLE), np.cos(ANGLE), 0], [0, 0, 1]])


@pytest.mark.slow
def test_the_bundle_run_by_a_stranger_gives_the_same_label_map_on_the_same_grid(publish, volume, tmp_path):
    workspace = publish()
    bundle = export_model("bundle", workspace, tmp_path / "a bundle")
    image = volume(tmp_path / "scan.nii.gz")
    different, voxels = differing_voxels("bundle", workspace, bundle, image)
    assert (different, voxels) == (0, 14 * 40 * 33)


def segmented_by_both(workspace, bundle, image):
    """The label map that a bundle writes of a scan, run by itself, and the array that the server gives of it."""
    labels = bundle.with_name("labels")
    run_bundle(bundle, image.parent, labels)
    model = load_published(workspace.model)
    return read_label(next(labels.rglob("*.nii.gz"))), segment(model.network, model.plan, image)[0].numpy()


@pytest.mark.slow
def test_the_bundle_takes_the_form_that_itk_shows_and_the_server_takes(publish, volume, tmp_path):
    workspace = publish()
    bundle = export_model("bundle", workspace, tmp_path / "bundle")
    (tmp_path / "images").mkdir()
    path = volume(tmp_path / "images" / "scan.nii.gz")
    image = nibabel.load(path)
    image.set_qform(image.affine, code=1)
    turned = image.affine.copy()
    turned[:3, :3] = TURN @ turned[:3, :3]
    image.set_sform(turned, code=4)
    nibabel.save(image, tmp_path / "images" / "two forms.nii.gz")
    path.unlink()
    two_forms = tmp_path / "images" / "two forms.nii.gz"
    written, served = segmented_by_both(workspace, bundle, two_forms)
    np.testing.assert_array_equal(written.array, served)
    assert same_grid(written, read_volume(two_forms))
    assert written.array.any()


@pytest.mark.slow
def test_the_bundle_normalises_ct_as_the_server_does_and_keeps_the_geometry(publish, volume, tmp_path):
    workspace = publish(normalisation="ct", bounds=(-175.0, 250.0))
    bundle = export_model("bundle", workspace, tmp_path / "bundle")
    (tmp_path / "images").mkdir()
    image = volume(tmp_path / "images" / "scan.nii.gz", -1000.0, 900.0)
    written, served = segmented_by_both(workspace, bundle, image)
    np.testing.assert_array_equal(written.array, served)
    np.testing.assert_allclose(written.affine, nibabel.load(image).affine, atol=1e-4)
    assert set(np.unique(written.array)) <= {0, 1, 2}
    assert len(np.unique(written.array)) > 1


def test_an_image_that_cannot_be_read_is_reported(publish, tmp_path):
    workspace = publish()
    (tmp_path / "scan.nii.gz").write_bytes(b"no image")
    for name in ("scan.nii.gz", "missing.nii.gz"):
        with pytest.raises(Refusal, match=name):
            differing_voxels("bundle", workspace, tmp_path / "bundle", tmp_path / name)


@pytest.mark.slow
def test_a_bundle_that_does_not_run_is_reported_with_its_last_words(publish, volume, tmp_path):
    bundle = export_model("bundle", publish(), tmp_path / "bundle")
    (bundle / "models" / "model.pt").unlink()
    with pytest.raises(Refusal, match="does not run"):
        differing_voxels("bundle", publish(), bundle, volume(tmp_path / "scan.nii.gz"))
