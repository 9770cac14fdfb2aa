"""What is set in Slicer's slice views, without windows: their MRML nodes are real."""

import numpy as np
import pytest
import SimpleITK

from FewLabelLib.errors import Unusable
from FewLabelLib.label.labels import LabelClass

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

SHAPE = (12, 20, 24)
VIEWS = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}


@pytest.fixture
def views(slicer):
    """Composite nodes and slice nodes by the name of their view, as Slicer's layouts make them."""
    composites, slices = {}, {}
    slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(slicer.mrmlScene)
    for name, orientation in VIEWS.items():
        for kind, nodes in (("vtkMRMLSliceCompositeNode", composites), ("vtkMRMLSliceNode", slices)):
            node = slicer.mrmlScene.CreateNodeByClass(kind)  # with the orientations
            node.UnRegister(None)
            node.SetName(name)
            node.SetLayoutName(name)
            nodes[name] = slicer.mrmlScene.AddNode(node)
        slices[name].SetOrientation(orientation)
    yield composites, slices
    for node in (*composites.values(), *slices.values()):  # singletons: they outlive the closing of a scene
        slicer.mrmlScene.RemoveNode(node)


@pytest.fixture
def uncertainty(write):
    return write("uncertainty.nii.gz", np.linspace(0, 1, np.prod(SHAPE), dtype=np.float32).reshape(SHAPE))


def test_a_loaded_image_is_the_background_of_every_view(views, scene, shown):
    assert {node.GetBackgroundVolumeID() for node in views[0].values()} == {shown.GetID()}


def test_uncertainty_is_laid_over_the_image_in_heat_colours(views, scene, shown, uncertainty):
    scene.show_uncertainty(shown, uncertainty)
    for node in views[0].values():
        assert node.GetForegroundVolumeID() == scene.uncertainty.GetID()
        assert node.GetForegroundOpacity() == 0.5
        assert node.GetBackgroundVolumeID() == shown.GetID()
    display = scene.uncertainty.GetDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0, 1)
    assert display.GetApplyThreshold()
    assert display.GetLowerThreshold() > 0  # what is sure hides nothing
    table = display.GetColorNode().GetLookupTable()
    colors = [np.array(table.GetTableValue(step)[:3]) for step in (0, 60, 128, 255)]
    assert np.all(np.diff([color.sum() for color in colors]) > 0)
    np.testing.assert_array_equal(colors[0], 0)
    np.testing.assert_array_equal(colors[-1], 1)


def test_a_view_of_another_layout_gets_the_overlay_once_it_is_touched(slicer, views, scene, shown, uncertainty):
    scene.show_uncertainty(shown, uncertainty)
    ours, foreign = (slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceCompositeNode", name) for name in "AB")
    ours.SetBackgroundVolumeID(shown.GetID())  # Slicer gives new views what the others have behind
    scene.views.set_overlay(True, 0.25)
    assert ours.GetForegroundVolumeID() == scene.uncertainty.GetID()
    assert ours.GetForegroundOpacity() == 0.25
    assert foreign.GetForegroundVolumeID() is None


def test_the_overlay_can_be_hidden_and_its_opacity_is_remembered(views, scene, shown, uncertainty):
    composites = views[0].values()
    scene.show_uncertainty(shown, uncertainty)
    scene.views.set_overlay(True, 0.8)
    assert {node.GetForegroundOpacity() for node in composites} == {0.8}
    scene.views.set_overlay(False, 0.8)
    assert {node.GetForegroundOpacity() for node in composites} == {0}
    scene.show_uncertainty(shown, uncertainty)  # of the next case
    assert {node.GetForegroundOpacity() for node in composites} == {0}
    scene.views.set_overlay(True, 0.8)
    assert {node.GetForegroundOpacity() for node in composites} == {0.8}


def test_taking_the_overlay_away_leaves_what_somebody_else_laid_over(slicer, views, scene, shown, uncertainty):
    scene.show_uncertainty(shown, uncertainty)
    other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    views[0]["Red"].SetForegroundVolumeID(other.GetID())
    scene.show_uncertainty(shown, None)
    assert {name: node.GetForegroundVolumeID() for name, node in views[0].items()} == {
        "Red": other.GetID(),
        "Green": None,
        "Yellow": None,
    }
    assert scene.uncertainty is None


def test_each_view_jumps_to_the_point_of_its_orientation(views, scene, shown):
    points = {"axial": [1.0, 2.0, 3.0], "coronal": [4.0, 5.0, 6.0], "sagittal": [7.0, 8.0, 9.0]}
    scene.jump_to(shown, points)
    for name, orientation in VIEWS.items():
        matrix = views[1][name].GetSliceToRAS()
        origin = [matrix.GetElement(row, 3) for row in range(3)]
        np.testing.assert_allclose(origin, points[orientation.lower()])


def test_the_crosshair_goes_to_the_first_point_and_views_without_one_stay(slicer, views, scene, shown):
    crosshair = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLCrosshairNode")
    before = views[1]["Green"].GetSliceToRAS().GetElement(1, 3)
    scene.jump_to(shown, {"axial": [1.0, 2.0, 3.0]})
    assert views[1]["Green"].GetSliceToRAS().GetElement(1, 3) == before
    np.testing.assert_allclose(crosshair.GetCrosshairRAS(), (1, 2, 3))


def test_places_of_an_image_that_was_moved_are_where_it_is_now(slicer, views, scene, shown):
    transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = 10, 20, 30
    slicer.util.updateTransformMatrixFromArray(transform, matrix)
    shown.SetAndObserveTransformNodeID(transform.GetID())
    scene.jump_to(shown, {"axial": [1.0, 2.0, 3.0]})
    to_ras = views[1]["Red"].GetSliceToRAS()
    np.testing.assert_allclose([to_ras.GetElement(row, 3) for row in range(3)], (11, 22, 33))


def test_all_works_without_any_view(scene, shown, uncertainty):
    scene.show_uncertainty(shown, uncertainty)
    scene.views.set_overlay(False, 1)
    scene.jump_to(shown, {"axial": [1.0, 2.0, 3.0]})
    scene.jump_to(shown, {})


# --- clearing


def test_clearing_takes_away_all_that_was_loaded_here_and_nothing_else(slicer, views, scene, write, uncertainty):
    kept = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "somebody's")
    array = np.zeros(SHAPE, np.int16)

    def nodes():
        every = [slicer.mrmlScene.GetNthNode(number) for number in range(slicer.mrmlScene.GetNumberOfNodes())]
        return sorted(node.GetID() for node in every if not node.GetSingletonTag())

    scene.views.show(kept)
    before = nodes()
    for _ in range(2):
        handle = scene.load_volume(write("image.nii.gz", array))
        scene.show_segmentation(handle, None, [LabelClass("liver", 1)])
        scene.show_uncertainty(handle, uncertainty)
        second = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeDisplayNode")
        handle.AddAndObserveDisplayNodeID(second.GetID())  # as volume rendering does
    scene.clear()
    assert nodes() == before
    assert scene.volume is None
    scene.clear()


def test_edits_can_be_read_after_somebody_closed_the_scene_but_not_submitted(slicer, scene, shown):
    scene.show_segmentation(shown, None, [LabelClass("liver", 1)])
    identity = scene.segmentation.GetSegmentation().GetNthSegmentID(0)
    array = np.zeros(SHAPE, np.uint8)
    array[1, 2, 3] = 1
    slicer.util.updateSegmentBinaryLabelmapFromArray(array, scene.segmentation, identity, shown)
    slicer.mrmlScene.Clear(0)
    np.testing.assert_array_equal(scene.segments(shown)[0].mask, array != 0)
    assert scene.geometry(shown).shape == SHAPE
    with pytest.raises(Unusable, match="not in the scene any more"):
        scene.harden_transforms(shown)
    scene.clear()


def test_an_image_is_shown_with_a_window_of_nearly_all_its_values_that_slicer_need_not_search(scene, write):
    array = np.random.default_rng(0).uniform(-200, 600, (40, 50, 60)).astype(np.int16)
    array[0, 0, 0] = 30_000  # a speck of metal
    display = scene.load_volume(write("image.nii.gz", array)).GetDisplayNode()
    low, high = np.percentile(array, (0.1, 99.9))
    assert not display.GetAutoWindowLevel()
    assert display.GetWindowLevelMin() == pytest.approx(low, abs=5)
    assert display.GetWindowLevelMax() == pytest.approx(high, abs=5)
    assert display.GetColorNodeID() == "vtkMRMLColorTableNodeGrey"


def test_an_image_without_any_contrast_is_shown_too(scene, write):
    display = scene.load_volume(write("image.nii.gz", np.full((4, 5, 6), 7, np.int16))).GetDisplayNode()
    assert display.GetWindow() > 0
    assert display.GetWindowLevelMin() == pytest.approx(7)


@pytest.mark.parametrize("missing", [np.nan, np.inf, -np.inf])
def test_voxels_without_a_number_leave_the_window_as_it_is(scene, write, missing):
    array = np.random.default_rng(0).normal(0, 1, (20, 20, 20)).astype(np.float32)
    usual = scene.load_volume(write("whole.nii.gz", array)).GetDisplayNode()
    low, high = usual.GetWindowLevelMin(), usual.GetWindowLevelMax()
    array[:, 0] = missing
    display = scene.load_volume(write("holes.nii.gz", array)).GetDisplayNode()
    assert display.GetWindowLevelMin() == pytest.approx(low, abs=0.5)
    assert display.GetWindowLevelMax() == pytest.approx(high, abs=0.5)


def test_an_image_of_colours_is_left_to_slicer(scene, tmp_path):
    image = SimpleITK.GetImageFromArray(np.zeros((4, 5, 6, 3), np.uint8), isVector=True)
    SimpleITK.WriteImage(image, str(tmp_path / "colours.nrrd"))
    node = scene.load_volume(tmp_path / "colours.nrrd")
    assert node.GetImageData().GetNumberOfScalarComponents() == 3
    assert scene.geometry(node).shape == (4, 5, 6)
