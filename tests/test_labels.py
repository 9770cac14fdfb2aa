import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fewlabel.labels import InvalidNames, UnknownClass, check_names, names_from_label_info, remap

CLASSES = ["liver", "tumour"]
MAP = np.array([[[0, 1, 2], [2, 0, 1]]])


def entries(**values: object) -> list[dict[str, object]]:
    return [{"name": name, "idx": value} for name, value in values.items()]


def test_names_decide_and_values_follow():
    result, notes = remap(MAP, entries(tumour=1, liver=2), CLASSES)
    np.testing.assert_array_equal(result, [[[0, 2, 1], [1, 0, 2]]])
    assert result.dtype == np.uint8
    assert notes == []


def test_values_of_any_size_are_followed():
    result, _ = remap(np.array([0, 40, 200]), entries(tumour=40, liver=200), CLASSES)
    np.testing.assert_array_equal(result, [0, 2, 1])


def test_without_names_the_values_are_the_study_s_own():
    for label_info in (None, []):
        np.testing.assert_array_equal(remap(MAP, label_info, CLASSES)[0], MAP)


def test_an_unknown_name_is_refused_with_the_known_ones_and_what_to_do():
    with pytest.raises(UnknownClass, match=r"spleen.*liver, tumour.*rename or remove.*--conf labels"):
        remap(MAP, entries(liver=1, tumour=2, spleen=3), CLASSES)


@pytest.mark.parametrize("label_info", [None, entries(liver=1)])
def test_a_value_without_a_name_is_refused_with_the_known_names(label_info):
    with pytest.raises(UnknownClass, match=r"7.*liver, tumour.*submit again"):
        remap(np.array([0, 1, 7]), label_info, CLASSES)


@pytest.mark.parametrize("label_info", [None, entries(liver=1), entries(background=0)])
def test_an_empty_map_is_legal_with_a_note(label_info):
    result, notes = remap(np.zeros((2, 3, 4), int), label_info, CLASSES)
    assert not result.any()
    assert "empty" in notes[-1]


def test_a_missing_class_is_legal_with_a_note():
    for label_info in (entries(tumour=1), entries(tumour=1, liver=2)):
        result, notes = remap(np.array([0, 1]), label_info, CLASSES)
        np.testing.assert_array_equal(result, [0, 2])
        assert notes == ["Not in this label: liver."]


@pytest.mark.parametrize("name", ["Liver", " liver ", "LIVER"])
def test_case_and_surrounding_blanks_do_not_matter(name):
    result, notes = remap(MAP, [{"name": name, "idx": 2}, {"name": "tumour", "idx": 1}], CLASSES)
    np.testing.assert_array_equal(result, [[[0, 2, 1], [1, 0, 2]]])
    assert len(notes) == (name.strip() != "liver")
    assert all("'liver'" in note for note in notes)


@pytest.mark.parametrize("name", ["background", "Background", " BACKGROUND "])
@pytest.mark.parametrize("value", [0, 3])
def test_background_is_no_class_and_stays_zero(name, value):
    label_info = [{"name": name, "idx": value}, *entries(liver=1, tumour=2)]
    result, notes = remap(np.array([0, 1, 2, value]), label_info, CLASSES)
    np.testing.assert_array_equal(result, [0, 1, 2, 0])
    assert notes == []
    assert names_from_label_info(label_info) == CLASSES


@pytest.mark.parametrize("key", ["idx", "id"])
@pytest.mark.parametrize("kind", [str, float, int])
def test_values_may_be_given_as_text_and_under_the_older_key(key, kind):
    label_info = [{"name": "tumour", key: kind(1)}, {"name": "liver", key: kind(2)}]
    np.testing.assert_array_equal(remap(MAP, label_info, CLASSES)[0], [[[0, 2, 1], [1, 0, 2]]])


def test_without_a_value_the_position_in_the_list_counts():
    assert names_from_label_info([{"name": "tumour"}, {"name": "liver", "idx": None}]) == ["tumour", "liver"]


def test_names_come_in_the_order_of_their_values():
    assert names_from_label_info(entries(b=3, a=1, c=2)) == ["a", "c", "b"]
    assert names_from_label_info(None) == []


@pytest.mark.parametrize(
    ("label_info", "words"),
    [
        ([{"name": "liver", "idx": 1}, {"name": "LIVER", "idx": 2}], "twice"),
        ([{"name": "liver", "idx": 1}, {"name": "tumour", "idx": 1}], "twice"),
        ([{"name": "liver", "idx": "one"}], "whole number"),
        ([{"name": "liver", "idx": 1.5}], "whole number"),
        ([{"name": "liver", "idx": 0}], "whole number"),
        ([{"name": "liver", "idx": -1}], "whole number"),
        ([{"name": "liver", "idx": float("nan")}], "whole number"),
        ([{"name": "liver", "idx": [1]}], "whole number"),
        ([{"name": " ", "idx": 1}], "no name"),
        ([{"idx": 1}], "no name"),
        (["liver"], "no name"),
        ({"liver": 1}, "list"),
        ("liver", "list"),
    ],
)
def test_a_label_info_that_cannot_be_understood_is_refused(label_info, words):
    with pytest.raises(UnknownClass, match=words):
        remap(MAP, label_info, CLASSES)
    with pytest.raises(UnknownClass, match=words):
        names_from_label_info(label_info)


def test_segments_that_slicer_left_out_of_the_map_do_not_shift_the_others():
    # Slicer's stock module drops a background segment, numbers the map from 1, and still counts it in idx.
    result, notes = remap(MAP, entries(tumour=2, liver=3), CLASSES)
    np.testing.assert_array_equal(result, [[[0, 2, 1], [1, 0, 2]]])
    assert "1 = tumour, 2 = liver" in notes[0]
    with pytest.raises(UnknownClass, match="value"):
        remap(np.array([0, 1, 7]), entries(tumour=2, liver=3), CLASSES)


@given(
    order=st.permutations(["a", "b", "c", "d"]),
    values=st.lists(st.integers(1, 255), min_size=4, max_size=4, unique=True),
    voxels=st.lists(st.integers(0, 4), max_size=30),
)
def test_any_numbering_of_the_same_names_gives_the_same_map(order, values, voxels):
    classes = ["a", "b", "c", "d"]
    number = dict(zip(order, values, strict=True))
    sent = np.array([number[classes[voxel - 1]] if voxel else 0 for voxel in voxels], dtype=int)
    result, _ = remap(sent, entries(**number), classes)
    np.testing.assert_array_equal(result, voxels)


def test_good_names_are_stripped_and_kept_in_order():
    assert check_names([" tumour", "Liver (left)", "Gefäß"]) == ["tumour", "Liver (left)", "Gefäß"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "at least one"),
        (["liver", " "], "characters"),
        (["liver", "Liver "], "twice"),
        (["Background"], "always value 0"),
        (["a,b"], "characters"),
        (["a;b"], "characters"),
        (["a/b"], "characters"),
        (["a\nb"], "characters"),
        (["x" * 101], "characters"),
        ([f"class {number}" for number in range(256)], "at most 255"),
    ],
)
def test_names_that_cannot_be_used_are_refused(names, words):
    with pytest.raises(InvalidNames, match=words):
        check_names(names)
