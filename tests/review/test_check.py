"""Planted mistakes are named; labels that differ from the model for any other reason are left in peace."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

SHAPE = (40, 50, 40)
DICE = (0.7, 0.9)


def grid(*, turn=(0, 0, 0), spacing=(1, 1, 1), order=(0, 1, 2), signs=(1, 1, 1)):
    affine = np.eye(4)
    affine[:3, :3] = (Rotation.from_euler("xyz", turn, degrees=True).as_matrix() @ np.diag(signs))[:, order]
    affine[:3, :3] *= spacing
    affine[:3, 3] = (-30, 12, 80)
    return affine


AFFINES = {
    "plain": grid(),
    "stored from right to left": grid(signs=(-1, 1, 1)),
    "oblique and anisotropic": grid(turn=(15, -10, 20), spacing=(0.8, 0.8, 3.0), signs=(-1, -1, 1)),
    "sagittal and oblique": grid(turn=(-8, 12, 5), spacing=(2.5, 0.9, 0.9), order=(1, 2, 0), signs=(1, -1, 1)),
}


def ball(centre, radii):
    away = [(i - c) / r for i, c, r in zip(np.indices(SHAPE), centre, radii, strict=True)]
    return np.square(away).sum(0) <= 1


def two_organs():
    label = ball((24, 27, 22), (11, 13, 9)).astype(np.uint8)
    label[ball((10, 17, 13), (5, 6, 6))] = 2
    return label


def one_in_the_other():
    label = ball((22, 26, 17), (11, 14, 10)).astype(np.uint8)
    label[ball((17, 22, 14), (4, 5, 4))] = 2
    return label


def pipe_and_plate():
    label = np.zeros(SHAPE, np.uint8)
    label[8:14, 8:40, 10:16] = 1
    label[14:30, 28:40, 10:30] = 2
    return label


SHAPES = {"two organs": two_organs(), "one in the other": one_in_the_other(), "pipe and plate": pipe_and_plate()}


@pytest.fixture(params=SHAPES)
def shape(request):
    return SHAPES[request.param]


@pytest.fixture(params=AFFINES)
def affine(request):
    return AFFINES[request.param]


def inwards(label, axis, share=0.25):
    """An offset along an axis by a share of the extent, towards the middle of the grid."""
    layers = np.nonzero(label)[axis]
    length = int(np.ceil(share * (np.ptp(layers) + 1)))
    offset = [0, 0, 0]
    offset[axis] = length if layers.mean() < label.shape[axis] / 2 else -length
    return offset


# --- planted mistakes


@pytest.mark.parametrize("dice", DICE)
def test_exchanged_classes_are_flagged(tools, shape, affine, dice):
    (flag,) = tools.flags(np.array([0, 2, 1], np.uint8)[shape], tools.predict(shape, dice), affine)
    assert flag["kind"] == "swapped"
    assert "'class 1' where the model sees 'class 2'" in flag["reason"]
    assert flag["gain"] >= 0.25


@pytest.mark.parametrize("dice", DICE)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_label_moved_by_a_quarter_of_its_extent_is_flagged(tools, shape, affine, dice, axis):
    label = tools.shift(shape, inwards(shape, axis))
    assert tools.kinds(label, tools.predict(shape, dice), affine) == ["shifted"]


@pytest.mark.parametrize("dice", DICE)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_mirrored_label_is_flagged_with_the_axis_of_the_body(tools, affine, dice, axis):
    label = SHAPES["two organs"]
    (flag,) = tools.flags(np.flip(label, axis), tools.predict(label, dice), affine)
    body = int(np.abs(affine[:3, axis]).argmax())
    assert flag["kind"] == "mirrored"
    assert ("left-right", "front-back", "head-feet")[body] in flag["reason"]


@pytest.mark.parametrize("way", ["bent", "ragged", "eroded", "grown", "cut", "false alarm"])
def test_mistakes_are_seen_whatever_the_model_does_badly(tools, way):
    label = SHAPES["two organs"]
    prediction = tools.predict(label, 0.75, way=way)
    assert tools.kinds(np.array([0, 2, 1], np.uint8)[label], prediction) == ["swapped"]
    assert tools.kinds(label[::-1], prediction) == ["mirrored"]
    assert tools.kinds(tools.shift(label, inwards(label, 1, 0.3)), prediction) == ["shifted"]


def test_a_shift_is_reported_in_millimetres_and_words_as_seen_from_the_model(tools):
    label = SHAPES["two organs"]
    moved = tools.shift(label, (0, 0, 8))
    (flag,) = tools.flags(moved, label, np.diag([1, 1, 2.0, 1]))
    assert "shifted by 16 mm towards the head (superior)" in flag["reason"]
    (flag,) = tools.flags(moved, label, np.diag([1, 1, -2.0, 1]))
    assert "shifted by 16 mm towards the feet (inferior)" in flag["reason"]
    (flag,) = tools.flags(tools.shift(label, (-7, 9, 0)), label)
    assert "towards the left and 9.0 mm towards the front (anterior)" in flag["reason"]


def test_three_classes_named_in_a_circle_are_flagged(tools):
    label = two_organs()
    label[30:38, 40:48, 30:38] = 3
    (flag,) = tools.flags(np.array([0, 2, 3, 1], np.uint8)[label], label)
    assert flag["kind"] == "swapped"
    assert all(f"'class {value}' where" in flag["reason"] for value in (1, 2, 3))


def test_a_structure_under_the_name_of_another_that_is_not_there_is_flagged(tools):
    label = (two_organs() == 1).astype(np.uint8)
    (flag,) = tools.flags(label * 2, label)
    assert flag["kind"] == "swapped"
    assert "'class 2' where the model sees 'class 1'" in flag["reason"]


def test_a_forgotten_class_is_flagged_and_a_class_that_the_model_is_not_sure_of_is_not(tools, shape):
    label, prediction = np.where(shape == 2, 0, shape).astype(np.uint8), tools.predict(shape, 0.8)
    (flag,) = tools.flags(label, prediction)
    assert flag["kind"] == "missing"
    assert flag["reason"].startswith("'class 2' is missing")
    assert not tools.flags(label, prediction, confidence=0.7)
    assert not tools.flags(label, np.where(prediction == 2, 0, prediction), classes=2)


def test_a_few_voxels_of_a_class_make_no_missing_one(tools):
    label = (two_organs() == 1).astype(np.uint8)
    prediction = label.copy()
    prediction[3:6, 3:6, 3:6] = 2
    assert not tools.flags(label, prediction)


def test_an_empty_label_and_one_that_lies_elsewhere_are_flagged(tools):
    label, other = SHAPES["two organs"], np.zeros(SHAPE, np.uint8)
    assert tools.kinds(other, label) == ["empty"]
    other[36:39, 2:40, 36:39] = 1
    assert tools.kinds(other, label) == ["elsewhere"]
    for unlike in (np.zeros_like(label), other):
        assert not tools.flags(unlike, label, confidence=0.7)


# --- correct labels


@pytest.mark.parametrize("way", ["bent", "ragged", "eroded", "grown", "cut", "false alarm"])
@pytest.mark.parametrize("dice", [0.5, 0.65, 0.8, 0.95])
def test_correct_labels_of_generated_scans_are_not_flagged(tools, phantoms, way, dice):
    for seed, (label, affine) in enumerate(phantoms):
        assert not tools.flags(label, tools.predict(label, dice, seed, way), affine)


def test_a_prediction_that_is_a_little_off_by_itself_is_no_reason(tools, shape):
    for axis in range(3):
        prediction = tools.shift(tools.predict(shape, 0.9), inwards(shape, axis, 0.1))
        assert not tools.flags(shape, prediction)


def test_a_structure_that_grew_is_no_mistake(tools):
    normal, swollen = ball((20, 25, 20), (8, 8, 8)), ball((24, 25, 20), (13, 8, 8))
    assert not tools.flags(swollen.astype(np.uint8), normal.astype(np.uint8))


@pytest.mark.parametrize("mistake", ["swap", "mirror", "shift", "missing", "empty"])
@pytest.mark.parametrize("trust", [{"validation": 0.5}, {"validation": None, "confidence": 0.7}])
def test_a_model_that_is_not_good_enough_has_no_opinion(tools, mistake, trust):
    label = SHAPES["two organs"]
    wrong = {
        "swap": np.array([0, 2, 1], np.uint8)[label],
        "mirror": label[::-1],
        "shift": tools.shift(label, (10, 0, 0)),
        "missing": np.where(label == 2, 0, label),
        "empty": np.zeros_like(label),
    }[mistake]
    assert tools.flags(wrong, label)
    assert not tools.flags(wrong, label, **trust)


def test_a_model_that_was_not_validated_but_is_confident_has_an_opinion(tools):
    label = SHAPES["two organs"]
    assert tools.kinds(np.flip(label, 0), label, validation=None) == ["mirrored"]


def test_where_the_model_sees_nothing_it_says_nothing(tools):
    label = SHAPES["two organs"]
    assert not tools.flags(label, np.zeros_like(label))
    assert not tools.flags(np.zeros_like(label), np.zeros_like(label), classes=2)


@pytest.mark.data
def test_false_alarms_on_the_hippocampus_are_at_most_two_percent(tools, hippocampus):
    dice = (0.6, 0.7, 0.8, 0.9)
    flagged = []
    for number, (label, affine) in enumerate(hippocampus):
        way = tools.ways[number % len(tools.ways)]
        prediction = tools.predict(label, dice[number % len(dice)], number, way)
        flagged.append(bool(tools.flags(label, prediction, affine)))
    assert len(flagged) == 120
    assert np.mean(flagged) <= 0.02


@pytest.mark.data
@pytest.mark.parametrize("kind", ["swapped", "mirrored", "shifted"])
def test_mistakes_planted_into_hippocampus_labels_are_flagged(tools, hippocampus, kind):
    for number, (label, affine) in enumerate(hippocampus[::8]):
        axis = number % 3
        wrong = {
            "swapped": np.array([0, 2, 1], np.uint8)[label],
            "mirrored": np.flip(label, axis),
            "shifted": tools.shift(label, inwards(label, axis)),
        }[kind]
        assert tools.kinds(wrong, tools.predict(label, 0.8, number), affine) == [kind]
