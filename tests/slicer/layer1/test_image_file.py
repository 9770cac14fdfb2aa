"""Images are read as Slicer itself reads them, only faster."""

import nibabel
import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

KINDS = ("plain", "anisotropic", "flipped", "mirrored", "oblique", "swapped")


def read_twice(slicer, path):
    """Volume nodes: read by us, and by Slicer's own storage node."""
    from FewLabelLib.slicer.image_file import read_into

    ours, slicers = slicer.vtkMRMLScalarVolumeNode(), slicer.vtkMRMLScalarVolumeNode()
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetFileName(str(path))
    storage.SetSingleFile(True)
    assert storage.ReadData(slicers)
    read_into(ours, path)
    return ours, slicers


def contents(node):
    from FewLabelLib.slicer import segmentation

    return segmentation.voxels(node.GetImageData()), segmentation.geometry_of(node).ijk_to_ras


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_voxels_and_grid_are_those_that_slicers_reader_gives(slicer, write, affines, kind, dtype):
    array = np.random.default_rng(0).uniform(0, 200, (5, 6, 7)).astype(dtype)
    ours, slicers = (contents(node) for node in read_twice(slicer, write("image.nii", array, affines[kind])))
    assert ours[0].dtype == slicers[0].dtype == dtype
    np.testing.assert_array_equal(ours[0], slicers[0])
    np.testing.assert_allclose(ours[1], slicers[1], atol=1e-4)


def test_scaled_values_are_those_that_slicers_reader_gives(slicer, tmp_path):
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), np.eye(4))
    image.header.set_slope_inter(0.5, 10)
    nibabel.save(image, tmp_path / "image.nii")
    ours, slicers = (contents(node)[0] for node in read_twice(slicer, tmp_path / "image.nii"))
    np.testing.assert_array_equal(ours, slicers)
    assert ours.max() == 0.5 * 59 + 10
