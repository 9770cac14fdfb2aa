"""Segments in a real segmentation node: what they carry, when they change, where they are."""

from itertools import pairwise

import numpy as np
import pytest

from FewLabelLib.errors import Unusable
from FewLabelLib.label.labels import LabelClass, Segment, label_map

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

CLASSES = [LabelClass("vessel", 5, (10, 20, 30)), LabelClass("liver", 1, (200, 30, 0)), LabelClass("kidney", 7)]
SHAPE = (12, 20, 24)


@pytest.fixture
def node(scene, shown, write, truth):
    scene.show_segmentation(shown, write("label.nii.gz", truth), CLASSES)
    return scene.segmentation


@pytest.fixture
def paint(slicer, scene, shown):
    """Paints voxels of a segment as the Segment Editor does: through its labelmap, which overwrites the others."""

    def paint(name, *indices):
        node = scene.segmentation
        identity = node.GetSegmentation().GetSegmentIdBySegmentName(name)
        array = slicer.util.arrayFromSegmentBinaryLabelmap(node, identity, shown)
        for index in indices:
            array[index] = 1
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, node, identity, shown)

    return paint


def moved(slicer, *columns):
    """A linear transform node: shift in mm, and scale."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    matrix = np.eye(4)
    matrix[:3, 3] = columns
    slicer.util.updateTransformMatrixFromArray(node, matrix)
    return node


def test_segments_carry_name_origin_colour_and_order_of_the_classes_empty_ones_too(scene, shown, node, truth):
    segments = scene.segments(shown)
    assert [(s.name, s.origin, s.color) for s in segments] == [(c.name, c.name, c.color) for c in CLASSES]
    assert not segments[2].mask.any()
    np.testing.assert_array_equal(segments[0].mask, truth == 5)


def test_values_of_no_class_are_not_shown(scene, shown, node, truth):
    segments = scene.segments(shown)
    assert not np.any([segment.mask for segment in segments], axis=0)[truth == 2].any()
    assert set(np.unique(segments[0].array)) == {0, 1, 5}  # nor are they in the layer, where painting would find them


def test_without_a_file_every_class_is_an_empty_segment(scene, shown, paint):
    scene.show_segmentation(shown, None, CLASSES)
    assert [segment.mask.any() for segment in scene.segments(shown)] == [False, False, False]
    paint("kidney", (0, 0, 0))
    assert [segment.mask.sum() for segment in scene.segments(shown)] == [0, 0, 1]


def test_without_classes_there_is_an_empty_list_to_which_segments_can_be_added(scene, shown, paint):
    scene.show_segmentation(shown, None, [])
    assert scene.segments(shown) == []
    scene.segmentation.GetSegmentation().AddEmptySegment("", "spleen")
    paint("spleen", (1, 2, 3))
    (segment,) = scene.segments(shown)
    assert (segment.name, segment.origin, segment.mask.sum()) == ("spleen", "", 1)
    assert segment.mask[1, 2, 3]


def test_the_origin_of_a_renamed_segment_is_known(scene, shown, node):
    node.GetSegmentation().GetNthSegment(1).SetName("Leber")
    assert [(s.name, s.origin) for s in scene.segments(shown)][1] == ("Leber", "liver")


def test_segments_read_are_copies(scene, shown, node):
    for segment in scene.segments(shown):
        segment.array[:] = 0
    assert scene.segments(shown)[0].mask.any()


def test_segments_of_a_draft_come_back_with_hidden_and_overlapping_ones(scene, shown):
    whole, part = np.zeros((2, *SHAPE), bool)
    whole[2:9, 3:15], part[4:6, 5:9] = True, True
    parts = [
        Segment("tumour", part, None, False, "tumour", (1, 2, 3)),
        Segment("liver", whole, None, True, "", (4, 5, 6)),
        Segment("nothing", np.zeros(SHAPE, bool)),
    ]
    scene.replace_segments(shown, parts)
    back = scene.segments(shown)
    for before, after in zip(parts, back, strict=True):
        np.testing.assert_array_equal(after.mask, before.mask)
        for name in ("name", "visible", "origin", "color"):
            assert getattr(after, name) == getattr(before, name)


def test_more_than_255_segments_are_distinguished(scene, shown):
    parts = []
    for number in range(300):
        mask = np.zeros(SHAPE, bool)
        mask[number // 100, number // 10 % 10, number % 10] = True
        parts.append(Segment(f"part {number}", mask))
    scene.replace_segments(shown, parts)
    for before, after in zip(parts, scene.segments(shown), strict=True):
        np.testing.assert_array_equal(after.mask, before.mask)


# --- changes


def test_the_revision_stays_while_nothing_is_done(scene, shown, node):
    before = scene.revision(shown)
    scene.segments(shown)
    node.GetDisplayNode().SetSegmentVisibility(node.GetSegmentation().GetNthSegmentID(0), False)
    assert scene.revision(shown) == before


def test_the_revision_changes_with_every_kind_of_edit(slicer, scene, shown, node, paint):
    segmentation, seen = node.GetSegmentation(), [scene.revision(shown)]

    def at_its_position():
        array = slicer.util.arrayFromSegmentInternalBinaryLabelmap(node, segmentation.GetNthSegmentID(0))
        array[0, 0, 0] = segmentation.GetNthSegment(0).GetLabelValue()
        segmentation.GetNthSegment(0).GetRepresentation("Binary labelmap").Modified()

    transform = moved(slicer, 5, 0, 0)
    for edit in (
        lambda: paint("liver", (0, 0, 0)),
        at_its_position,
        lambda: segmentation.GetNthSegment(0).SetName("artery"),
        lambda: segmentation.GetNthSegment(0).SetColor(0.5, 0.5, 0.5),
        lambda: segmentation.AddEmptySegment("", "new"),
        lambda: segmentation.SetSegmentIndex(segmentation.GetNthSegmentID(2), 0),
        lambda: segmentation.RemoveSegment(segmentation.GetNthSegmentID(0)),
        lambda: node.SetAndObserveTransformNodeID(transform.GetID()),
        lambda: slicer.util.updateTransformMatrixFromArray(transform, np.diag([1, 1, 2, 1.0])),
        lambda: node.SetAndObserveTransformNodeID(None),
    ):
        edit()
        seen.append(scene.revision(shown))
    assert all(now != before for before, now in pairwise(seen))


# --- position


def test_a_transform_of_the_segmentation_is_hardened_exactly(slicer, scene, shown, node, truth, affines):
    shift = affines["oblique"][:3, :3] @ [2, 0, -1]  # in mm: two voxels along i, one back along k
    node.SetAndObserveTransformNodeID(moved(slicer, *shift).GetID())
    expected = np.zeros_like(truth)
    expected[:-1, :, 2:] = truth[1:, :, :-2]
    known = np.isin(expected, (1, 5))
    drafted = label_map(scene.segments(shown), CLASSES, SHAPE).array  # before: a draft sees it where it is seen
    scene.harden_transforms(shown)
    assert node.GetParentTransformNode() is None
    for array in (drafted, label_map(scene.segments(shown), CLASSES, SHAPE).array):
        np.testing.assert_array_equal(array, np.where(known, expected, 0))


def test_a_turned_segmentation_covers_what_it_covered_on_the_screen(slicer, scene, shown, node, truth):
    turn = moved(slicer, 0, 0, 0)
    matrix = np.eye(4)
    matrix[:2, :2] = [[0.995, -0.0998], [0.0998, 0.995]]
    slicer.util.updateTransformMatrixFromArray(turn, matrix)
    node.SetAndObserveTransformNodeID(turn.GetID())
    before = scene.segments(shown)[1].mask
    scene.harden_transforms(shown)
    after = scene.segments(shown)[1].mask
    assert before.any()
    np.testing.assert_array_equal(before, after)


def test_a_transform_that_the_image_is_under_too_changes_no_voxel(slicer, scene, shown, node, truth):
    turn = moved(slicer, 40, -7.3, 11)
    for each in (shown, node):
        each.SetAndObserveTransformNodeID(turn.GetID())
    scene.harden_transforms(shown)
    np.testing.assert_array_equal(scene.segments(shown)[0].mask, truth == 5)


def test_what_is_shown_over_a_moved_image_moves_with_it(slicer, scene, shown, write, truth):
    turn = moved(slicer, 40, -7.3, 11)
    shown.SetAndObserveTransformNodeID(turn.GetID())
    scene.show_segmentation(shown, write("label.nii.gz", truth), CLASSES)
    scene.show_uncertainty(shown, write("uncertainty.nii.gz", truth.astype(np.float32)))
    assert {scene.segmentation.GetTransformNodeID(), scene.uncertainty.GetTransformNodeID()} == {turn.GetID()}
    np.testing.assert_array_equal(scene.segments(shown)[0].mask, truth == 5)


def test_a_segmentation_whose_image_alone_was_moved_is_taken_where_it_is_seen(
    slicer, scene, shown, node, truth, affines
):
    shift = affines["oblique"][:3, :3] @ [0, 1, 0]
    shown.SetAndObserveTransformNodeID(moved(slicer, *shift).GetID())
    scene.harden_transforms(shown)
    np.testing.assert_array_equal(scene.segments(shown)[0].mask[:, :-1], (truth == 5)[:, 1:])


def test_a_warped_segmentation_is_refused(slicer, scene, shown, node):
    warp = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLBSplineTransformNode")
    import vtk

    grid = vtk.vtkThinPlateSplineTransform()
    warp.SetAndObserveTransformToParent(grid)
    node.SetAndObserveTransformNodeID(warp.GetID())
    with pytest.raises(Unusable, match="not linear"):
        scene.harden_transforms(shown)


def test_segments_on_a_finer_grid_are_brought_to_the_images(slicer, scene, shown, node, truth, affines):
    from FewLabelLib.slicer import segmentation

    matrix = affines["oblique"] @ np.diag([0.5, 1, 1, 1])
    matrix[:3, 3] -= affines["oblique"][:3, 0] / 4
    finer = segmentation.oriented(np.repeat((truth == 1).astype(np.uint8), 2, axis=2), matrix)
    node.GetSegmentation().GetNthSegment(1).AddRepresentation("Binary labelmap", finer)
    np.testing.assert_array_equal(scene.segments(shown)[1].mask, truth == 1)
