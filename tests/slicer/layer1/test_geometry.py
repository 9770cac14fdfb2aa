"""Grids of images and labels in Slicer against those that nibabel and SimpleITK read from the same files."""

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK

from FewLabelLib.errors import Unusable
from FewLabelLib.label.label_file import write_label

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
GRIDS = ("plain", "anisotropic", "flipped", "mirrored", "oblique", "swapped")


def affine_of(image):
    """Voxel to RAS mm of a SimpleITK image."""
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) @ np.diag(image.GetSpacing())
    matrix[:3, 3] = image.GetOrigin()
    return LPS @ matrix


@pytest.fixture(params=GRIDS)
def matrix(request):
    affines = request.getfixturevalue("affines")
    return affines[request.param]


@pytest.fixture(params=[".nii.gz", ".nrrd"])
def image(request, write, matrix, tmp_path):
    """Path of an image of int16."""
    array = np.random.default_rng(1).integers(-900, 900, (4, 5, 6), np.int16)
    path = write("image.nii.gz", array, matrix)
    if request.param == ".nrrd":
        path = tmp_path / "image.nrrd"
        SimpleITK.WriteImage(SimpleITK.ReadImage(str(tmp_path / "image.nii.gz")), str(path))
    return path


def test_an_image_has_the_grid_that_nibabel_and_simpleitk_read(scene, image, matrix, tmp_path):
    geometry = scene.geometry(scene.load_volume(image))
    assert geometry.shape == (4, 5, 6)
    np.testing.assert_allclose(geometry.ijk_to_ras, matrix, atol=1e-5)
    np.testing.assert_allclose(geometry.ijk_to_ras, nibabel.load(tmp_path / "image.nii.gz").affine, atol=1e-5)
    np.testing.assert_allclose(geometry.ijk_to_ras, affine_of(SimpleITK.ReadImage(str(image))), atol=1e-5)


def test_an_image_has_the_voxels_that_nibabel_and_simpleitk_read(scene, image, tmp_path):
    from FewLabelLib.slicer import segmentation

    handle = scene.load_volume(image)
    shown = segmentation.oriented(
        segmentation.voxels(handle.GetImageData()), segmentation.geometry_of(handle).ijk_to_ras
    )
    array = segmentation.on_grid(shown, scene.geometry(handle))
    np.testing.assert_array_equal(array, np.asarray(nibabel.load(tmp_path / "image.nii.gz").dataobj).T)
    np.testing.assert_array_equal(array, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(image))))


def test_a_submitted_label_has_the_grid_of_its_image(scene, image, tmp_path):
    array = np.random.default_rng(2).integers(0, 3, (4, 5, 6)).astype(np.uint8)
    path = write_label(tmp_path / "label.nrrd", array, scene.geometry(scene.load_volume(image)))
    read, original = SimpleITK.ReadImage(str(path)), SimpleITK.ReadImage(str(image))
    np.testing.assert_allclose(read.GetOrigin(), original.GetOrigin(), atol=1e-5)
    np.testing.assert_allclose(read.GetDirection(), original.GetDirection(), atol=1e-6)
    np.testing.assert_allclose(read.GetSpacing(), original.GetSpacing(), atol=1e-6)
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(read), array)
    np.testing.assert_array_equal(nrrd.read(str(path))[0].T, array)


def test_a_label_shown_on_a_grid_comes_back_voxel_by_voxel(scene, image, write, matrix):
    from FewLabelLib.label.labels import LabelClass, label_map

    classes = [LabelClass("liver", 1), LabelClass("tumour", 2)]
    array = np.random.default_rng(3).integers(0, 3, (4, 5, 6)).astype(np.uint8)
    handle = scene.load_volume(image)
    scene.show_segmentation(handle, write("label.nii.gz", array, matrix), classes)
    np.testing.assert_array_equal(label_map(scene.segments(handle), classes, (4, 5, 6)).array, array)


def test_a_left_handed_image_which_slicer_mirrors_is_labelled_on_the_grid_of_its_file(scene, write, affines):
    from FewLabelLib.label.labels import LabelClass, Segment
    from FewLabelLib.slicer import segmentation

    image = write("image.nii.gz", np.zeros((4, 5, 6), np.int16) + np.arange(6, dtype=np.int16), affines["mirrored"])
    handle = scene.load_volume(image)
    inside = segmentation.geometry_of(handle)
    assert inside.ijk_to_ras[2, 2] == -affines["mirrored"][2, 2]  # Slicer's own doing
    array = np.zeros((4, 5, 6), np.uint8)
    array[3, 1, 2] = 1  # in the last slice of the file
    scene.show_segmentation(handle, write("label.nii.gz", array, affines["mirrored"]), [LabelClass("liver", 1)])
    np.testing.assert_array_equal(scene.segments(handle)[0].mask, array == 1)
    scene.replace_segments(handle, [Segment("liver", array == 1)])
    np.testing.assert_array_equal(scene.segments(handle)[0].mask, array == 1)
    layer = scene.segmentation.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap")
    assert segmentation.voxels(layer)[0, 1, 2] == 1  # the first slice in Slicer


def test_images_with_numbers_in_their_names_are_not_joined(scene, tmp_path):
    for number in (1, 2, 3):
        image = SimpleITK.GetImageFromArray(np.full((1, 5, 6), number, np.int16))
        SimpleITK.WriteImage(image, str(tmp_path / f"case_{number:03d}.nrrd"))
    handle = scene.load_volume(tmp_path / "case_002.nrrd")
    assert scene.geometry(handle).shape == (1, 5, 6)
    assert handle.GetImageData().GetScalarRange() == (2, 2)


def test_a_file_that_is_no_image_is_refused_by_name_and_leaves_nothing(slicer, scene, tmp_path):
    (tmp_path / "broken.nrrd").write_bytes(b"not an image")
    with pytest.raises(Unusable, match=r"broken\.nrrd"):
        scene.load_volume(tmp_path / "broken.nrrd")
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLVolumeNode") == 0


def test_a_label_on_another_grid_is_brought_to_the_images(scene, shown, write, truth, affines):
    from FewLabelLib.label.labels import LabelClass

    finer = np.repeat(truth, 2, axis=2)  # two voxels where the image has one
    matrix = affines["oblique"] @ np.diag([0.5, 1, 1, 1])
    matrix[:3, 3] -= affines["oblique"][:3, 0] / 4
    scene.show_segmentation(shown, write("finer.nii.gz", finer, matrix), [LabelClass("liver", 1)])
    np.testing.assert_array_equal(scene.segments(shown)[0].mask, truth == 1)


def test_a_label_that_lies_elsewhere_is_refused(scene, shown, write, truth, affines):
    far = affines["oblique"].copy()
    far[:3, 3] += 1000
    with pytest.raises(Unusable, match="does not overlap the image"):
        scene.show_segmentation(shown, write("far.nii.gz", truth, far), [])
