"""What becomes of label values: Slicer's own export, which the stock plugin uses, beside ours, on the same nodes.

Each test says what the stock export really gives here; if Slicer changes that, the test will say so.
"""

import numpy as np
import pytest

from FewLabelLib.label.labels import LabelClass, UnknownSegments, label_map

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

CLASSES = [LabelClass("liver", 1, (200, 30, 0)), LabelClass("tumour", 2, (0, 160, 90)), LabelClass("vessel", 5)]
SHAPE = (12, 20, 24)


@pytest.fixture
def node(scene, shown, write, truth):
    """The segmentation node of the values 1, 2 and 5."""
    scene.show_segmentation(shown, write("label.nii.gz", truth), CLASSES)
    return scene.segmentation


@pytest.fixture
def ours(scene, shown, node):
    """Gives the label map that would be submitted."""
    return lambda **options: label_map(scene.segments(shown), CLASSES, SHAPE, **options)


@pytest.fixture
def stock(slicer, scene, shown, node):
    """Exports as Slicer does: all segments, those with these ids, or the visible ones."""
    logic = slicer.modules.segmentations.logic()

    def export(which="all", reference=True, colors=None):
        target = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode")
        volume = shown if reference else None
        if which == "all":
            done = logic.ExportAllSegmentsToLabelmapNode(node, target, slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY)
        elif which == "visible":
            done = logic.ExportVisibleSegmentsToLabelmapNode(node, target, volume)
        elif colors is not None:
            extent = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
            done = logic.ExportSegmentsToLabelmapNode(node, which, target, volume, extent, colors)
        else:
            done = logic.ExportSegmentsToLabelmapNode(node, which, target, volume)
        assert done
        return slicer.util.arrayFromVolume(target).copy()

    return export


def ids(node):
    return list(node.GetSegmentation().GetSegmentIDs())


def identity(node, name):
    return node.GetSegmentation().GetSegmentIdBySegmentName(name)


def without(array, value):
    return np.where(array == value, 0, array).astype(np.uint8)


def renumbered(truth):
    """5 as 3: what was a vessel is the third."""
    return np.array([0, 1, 2, 0, 0, 3])[truth]


def test_segments_exported_by_their_ids(node, ours, stock, truth):
    np.testing.assert_array_equal(stock(ids(node)), renumbered(truth))  # fails: 5 becomes 3
    np.testing.assert_array_equal(ours().array, truth)


def test_segments_exported_without_a_reference_volume(slicer, node, ours, stock, truth):
    for name in ("liver", "tumour", "vessel"):  # Slicer keeps only the box around what it has imported
        node.GetSegmentation().SeparateSegmentLabelmap(identity(node, name))
        image = node.GetSegmentation().GetSegment(identity(node, name)).GetRepresentation("Binary labelmap")
        box = [0] * 6
        slicer.vtkOrientedImageDataResample.CalculateEffectiveExtent(image, box)
        slicer.vtkOrientedImageDataResample.CopyImage(image, image, box)
    assert stock(ids(node), reference=False).shape != SHAPE  # fails: another grid than the image's
    np.testing.assert_array_equal(stock(ids(node)), renumbered(truth))
    np.testing.assert_array_equal(ours().array, truth)


def test_one_segment_hidden(node, ours, stock, truth):
    node.GetDisplayNode().SetSegmentVisibility(identity(node, "liver"), False)
    exported = stock("visible")
    assert set(np.unique(exported[truth == 1])) == {0}  # fails: the liver is missing,
    assert set(np.unique(exported[truth == 2])) == {1}  # and the tumour is stored as liver
    np.testing.assert_array_equal(ours().array, truth)


def test_all_segments_exported(ours, stock, truth):
    np.testing.assert_array_equal(stock("all"), renumbered(truth))  # fails: 5 becomes 3
    np.testing.assert_array_equal(ours().array, truth)


def test_an_empty_segment_first_in_the_list(node, ours, stock, truth):
    segmentation = node.GetSegmentation()
    segmentation.SetSegmentIndex(segmentation.AddEmptySegment("", "Segment_1"), 0)
    np.testing.assert_array_equal(stock(ids(node)), np.array([0, 2, 3, 0, 0, 4])[truth])  # fails: all shifted by one
    np.testing.assert_array_equal(ours().array, truth)


def test_a_colour_table_of_the_classes(slicer, node, ours, stock, truth):
    np.testing.assert_array_equal(stock(ids(node), colors=color_table(slicer)), truth)  # the one export that is right
    np.testing.assert_array_equal(ours().array, truth)


def test_a_renamed_segment(slicer, node, ours, stock, truth):
    node.GetSegmentation().GetSegment(identity(node, "tumour")).SetName("lesion")
    exported = stock(ids(node), colors=color_table(slicer))
    assert exported[truth == 2].min() > 5  # fails: a value that no class has
    with pytest.raises(UnknownSegments) as caught:
        ours()
    assert caught.value.suggestions == {"lesion": "tumour"}
    np.testing.assert_array_equal(ours(mapping={"lesion": "tumour"}).array, truth)


def test_a_deleted_segment(node, ours, stock, truth):
    node.GetSegmentation().RemoveSegment(identity(node, "liver"))
    assert set(np.unique(stock(ids(node))[truth == 2])) == {1}  # fails: the tumour is stored as liver
    result = ours()
    np.testing.assert_array_equal(result.array, without(truth, 1))
    assert result.missing == ["liver"]


def test_rows_that_were_moved(node, ours, stock, truth):
    node.GetSegmentation().SetSegmentIndex(identity(node, "tumour"), 0)
    assert set(np.unique(stock(ids(node))[truth == 2])) == {1}  # fails: numbered by row
    np.testing.assert_array_equal(ours().array, truth)


def test_an_added_segment(slicer, node, shown, ours, stock, truth):
    mask = np.zeros(SHAPE, np.uint8)
    mask[0] = 1
    added = node.GetSegmentation().AddEmptySegment("", "cyst")
    slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, added, shown)
    assert set(np.unique(stock(ids(node))[0])) == {4}  # fails: a class that the server does not have
    with pytest.raises(UnknownSegments, match="'cyst'"):
        ours()
    np.testing.assert_array_equal(ours(mapping={"cyst": None}).array, truth)
    np.testing.assert_array_equal(ours(mapping={"cyst": "liver"}).array, np.where(mask, 1, truth))


def test_segments_that_overlap(slicer, node, shown, ours, stock, truth):
    both = np.isin(truth, (1, 2))
    slicer.util.updateSegmentBinaryLabelmapFromArray(both.astype(np.uint8), node, identity(node, "liver"), shown)
    node.GetSegmentation().SetSegmentIndex(identity(node, "liver"), 2)
    assert not (stock(ids(node)) == 1)[truth == 2].any()  # fails: the tumour is gone under the liver
    result = ours()
    np.testing.assert_array_equal(result.array, truth)
    assert result.overlaps == {("liver", "tumour"): int((truth == 2).sum())}


def test_voxels_are_those_that_slicer_itself_gives_segment_by_segment(slicer, scene, shown, node):
    for segment in scene.segments(shown):
        array = slicer.util.arrayFromSegmentBinaryLabelmap(node, identity(node, segment.name), shown)
        np.testing.assert_array_equal(segment.mask, array != 0)


def color_table(slicer):
    colors = slicer.vtkMRMLColorTableNode()
    colors.SetTypeToUser()
    colors.SetNumberOfColors(6)
    for entry in CLASSES:
        colors.SetColor(entry.value, entry.name, 1.0, 0.0, 0.0, 1.0)
    return slicer.mrmlScene.AddNode(colors)
