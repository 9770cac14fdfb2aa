"""Segments to label map: the table of what Slicer's own export does, row by row, and that ours keeps every value.

A segmentation of the values 1, 2 and 5 stands for what is imported; "stock" says what Slicer's plain export, and with
it the stock MONAI Label plugin, makes of it.
"""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.extra.numpy import arrays

from FewLabelLib.label.labels import LabelClass, Segment, UnknownSegments, Unusable, label_map, learned, split

SHAPE = (12, 20, 24)
CLASSES = [LabelClass("liver", 1, (200, 0, 0)), LabelClass("tumour", 2), LabelClass("vessel", 5)]


@pytest.fixture
def truth():
    array = np.zeros(SHAPE, np.uint8)
    array[2:8, 3:15, 4:20] = 1
    array[4:6, 5:9, 6:12] = 2
    array[9:11, 1:4, 2:22] = 5
    return array


@pytest.fixture
def segments(truth):
    return split(truth, CLASSES)[0]


def without(array, value):
    return np.where(array == value, 0, array).astype(np.uint8)


def named(segments, name):
    return next(segment for segment in segments if segment.name == name)


def changed(segment, **values):
    return Segment(**{**vars(segment), **values})


def stock_export(segments):
    """What Slicer's export without a colour table gives: 1, 2, 3, ... over the visible segments, in their order."""
    array = np.zeros(SHAPE, np.uint8)
    for value, segment in enumerate((segment for segment in segments if segment.visible), 1):
        array[segment.mask] = value
    return array


def test_values_with_a_gap_are_kept_where_the_stock_export_closes_it(segments, truth):
    assert set(np.unique(stock_export(segments))) == {0, 1, 2, 3}  # vessel 5 became 3
    result = label_map(segments, CLASSES, SHAPE)
    np.testing.assert_array_equal(result.array, truth)
    assert result.array.dtype == np.uint8
    assert result.label_info[2] == {"name": "vessel", "idx": 5}


def test_the_result_has_the_whole_grid_of_the_image_where_the_stock_export_without_reference_crops(segments):
    only = [named(segments, "tumour")]
    assert label_map(only, CLASSES, SHAPE).array.shape == SHAPE


def test_a_hidden_segment_is_submitted_where_the_stock_export_of_visible_ones_drops_it(segments, truth):
    hidden = [changed(segment, visible=segment.name != "liver") for segment in segments]
    assert stock_export(hidden)[truth == 2].max() == 1  # and tumour is stored as liver
    np.testing.assert_array_equal(label_map(hidden, CLASSES, SHAPE).array, truth)


def test_all_segments_exported_at_once_keep_their_values(segments, truth):
    np.testing.assert_array_equal(label_map(segments, CLASSES, SHAPE).array, truth)


def test_an_empty_segment_first_in_the_list_shifts_nothing_where_the_stock_export_does(segments, truth):
    empty = Segment("Segment_1", np.zeros(SHAPE, bool))
    assert set(np.unique(stock_export([empty, *segments]))) == {0, 2, 3, 4}
    np.testing.assert_array_equal(label_map([empty, *segments], CLASSES, SHAPE).array, truth)


def test_a_deleted_liver_does_not_make_the_tumour_liver_where_the_stock_plugin_does(segments, truth):
    left = [segment for segment in segments if segment.name != "liver"]
    assert set(np.unique(stock_export(left)[truth == 2])) == {1}
    result = label_map(left, CLASSES, SHAPE)
    np.testing.assert_array_equal(result.array, without(truth, 1))
    assert result.missing == ["liver"]
    assert "'liver'" in result.notes[0]


def test_a_renamed_segment_is_named_and_suggested_where_a_colour_table_gives_it_a_value_past_its_end(segments, truth):
    renamed = [changed(segment, name="lesion") if segment.name == "tumour" else segment for segment in segments]
    with pytest.raises(UnknownSegments, match="'lesion'") as caught:
        label_map(renamed, CLASSES, SHAPE)
    assert caught.value.suggestions == {"lesion": "tumour"}
    mapped = label_map(renamed, CLASSES, SHAPE, mapping={"lesion": "tumour"})
    np.testing.assert_array_equal(mapped.array, truth)


def test_two_segments_that_changed_names_are_stored_by_their_names(segments, truth):
    swap = {"liver": "tumour", "tumour": "liver"}
    swapped = [changed(segment, name=swap.get(segment.name, segment.name)) for segment in segments]
    expected = np.array([0, 2, 1, 0, 0, 5], np.uint8)[truth]
    np.testing.assert_array_equal(label_map(swapped, CLASSES, SHAPE).array, expected)


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 2, 0), (0, 2, 1)])
def test_moving_rows_of_the_list_changes_nothing_where_the_stock_export_numbers_by_row(segments, truth, order):
    moved = [segments[index] for index in order]
    assert (stock_export(moved) != stock_export(segments)).any()
    np.testing.assert_array_equal(label_map(moved, CLASSES, SHAPE).array, truth)


def test_an_added_segment_must_be_explained_where_the_stock_plugin_stores_it_as_a_new_value(segments, truth):
    mask = np.zeros(SHAPE, bool)
    mask[0] = True
    added = [*segments, Segment("cyst", mask)]
    with pytest.raises(UnknownSegments) as caught:
        label_map(added, CLASSES, SHAPE)
    assert caught.value.suggestions == {"cyst": None}
    for word in ("'cyst'", "liver", "tumour", "vessel"):
        assert word in str(caught.value)
    left_out = label_map(added, CLASSES, SHAPE, mapping={"cyst": None})
    np.testing.assert_array_equal(left_out.array, truth)
    assert "'cyst' was left out" in left_out.notes[0]
    joined = label_map(added, CLASSES, SHAPE, mapping={"cyst": "liver"})
    np.testing.assert_array_equal(joined.array, np.where(mask, 1, truth))


def test_an_unknown_segment_without_a_voxel_is_no_obstacle(segments, truth):
    result = label_map([*segments, Segment("Segment_9", np.zeros(SHAPE, bool))], CLASSES, SHAPE)
    np.testing.assert_array_equal(result.array, truth)


def test_where_segments_overlap_the_class_listed_later_is_stored_and_the_voxels_are_counted(truth):
    whole_liver = Segment("liver", (truth == 1) | (truth == 2))
    tumour = Segment("tumour", truth == 2)
    for both in ([whole_liver, tumour], [tumour, whole_liver]):
        result = label_map(both, CLASSES, SHAPE)
        np.testing.assert_array_equal(result.array, without(truth, 5))
        assert result.overlaps == {("liver", "tumour"): int((truth == 2).sum())}
    over = label_map([whole_liver, tumour], CLASSES, SHAPE, order=["tumour", "liver"])
    assert set(np.unique(over.array)) == {0, 1}
    assert over.missing == ["tumour", "vessel"]


def test_segments_that_share_a_layer_are_distinguished_by_its_values(truth):
    """Slicer keeps segments that do not overlap in one array."""
    layer = np.array([0, 7, 3, 0, 0, 9], np.int16)[truth]
    shared = [Segment("vessel", layer, 9), Segment("liver", layer, 7), Segment("tumour", layer, 3)]
    np.testing.assert_array_equal(label_map(shared, CLASSES, SHAPE).array, truth)


def test_two_segments_of_one_class_are_joined_and_this_is_said(truth):
    parts = [Segment("Liver ", (truth == 1) & (np.indices(SHAPE)[0] < 5)), Segment("liver", truth == 1)]
    result = label_map(parts, CLASSES, SHAPE)
    np.testing.assert_array_equal(result.array, (truth == 1).astype(np.uint8))
    assert any("joined as 'liver'" in note for note in result.notes)


def test_names_are_compared_without_case_and_blanks_as_the_server_does(segments, truth):
    loud = [changed(segment, name=f" {segment.name.upper()} ") for segment in segments]
    np.testing.assert_array_equal(label_map(loud, CLASSES, SHAPE).array, truth)


def test_a_segment_on_another_grid_is_refused_by_name(segments):
    cropped = Segment("liver", np.ones((10, 18, 20), bool))
    with pytest.raises(Unusable, match=r"'liver'.*10 x 18 x 20.*12 x 20 x 24"):
        label_map([cropped, *segments[1:]], CLASSES, SHAPE)


def test_a_mapping_to_a_class_that_does_not_exist_is_refused(segments):
    with pytest.raises(Unusable, match="'kidney' is not a class"):
        label_map(segments, CLASSES, SHAPE, mapping={"tumour": "kidney"})


def test_values_that_do_not_fit_into_a_byte_are_refused(segments):
    with pytest.raises(Unusable, match="1 to 255"):
        label_map(segments, [LabelClass("liver", 300)], SHAPE)


def test_an_empty_label_of_known_classes_is_legal():
    result = label_map([], CLASSES, SHAPE)
    assert not result.array.any()
    assert result.missing == ["liver", "tumour", "vessel"]


def test_a_server_without_classes_learns_them_in_the_order_of_the_segments(segments, truth):
    names = [segment.name for segment in segments]
    result = label_map([Segment("empty", np.zeros(SHAPE, bool)), *segments], [], SHAPE)
    assert [(entry.name, entry.value) for entry in result.classes] == [
        (name, value) for value, name in enumerate(names, 1)
    ]
    np.testing.assert_array_equal(result.array, np.array([0, 1, 2, 0, 0, 3], np.uint8)[truth])
    with pytest.raises(Unusable, match="nothing to submit"):
        learned([Segment("empty", np.zeros(SHAPE, bool))])


def test_splitting_gives_every_class_a_segment_and_names_values_of_none(truth):
    truth[0, 0, 0] = 9
    segments, strange = split(truth, [*CLASSES, LabelClass("kidney", 7)])
    assert [segment.name for segment in segments] == ["liver", "tumour", "vessel", "kidney"]
    assert not segments[3].mask.any()
    assert segments[0].color == (200, 0, 0)
    assert strange == [9]


@given(arrays(np.uint8, (3, 4, 5), elements=some.sampled_from([0, 1, 2, 5])), some.permutations(range(3)))
def test_splitting_and_joining_in_any_order_gives_the_same_voxels(array, order):
    segments = split(array, CLASSES)[0]
    np.testing.assert_array_equal(label_map([segments[index] for index in order], CLASSES, (3, 4, 5)).array, array)


def test_where_segments_overlap_a_locked_one_wins_whatever_its_value():
    everywhere = np.ones(SHAPE, bool)
    both = [Segment("liver", everywhere, locked=True), Segment("tumour", everywhere)]
    assert (label_map(both, [LabelClass("liver", 1), LabelClass("tumour", 2)], SHAPE).array == 1).all()
