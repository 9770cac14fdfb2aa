"""The small picture of a prediction: which slice, which way round, and what is outlined."""

import io

import matplotlib.image
import numpy as np

from fewlabel.predictions.picture import draw, middle_slice

COLOURS = ((250, 0, 0), (0, 250, 0))


def ramp(shape):
    """Intensities that grow towards the patient's right and, faster, towards the front."""
    right, front, _ = np.indices(shape)
    return (right + 10.0 * front).astype(np.float32)


def pixels(png):
    return (matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3] * 255).round().astype(int)


def test_the_slice_shows_the_most_foreground_with_the_right_on_the_left_and_the_front_at_the_top():
    labels = np.zeros((8, 6, 4), np.uint8)
    labels[7, 5, 2] = 2  # right, front
    grey, classes = middle_slice(ramp(labels.shape), labels, (1, 1, 1))
    assert grey.shape == classes.shape == (6, 8)
    assert grey.dtype == np.uint8
    assert np.argwhere(classes == 2).tolist() == [[0, 0]]
    assert grey[0, 0] == 255
    assert grey[-1, -1] == 0


def test_pixels_are_square_and_few():
    labels = np.zeros((400, 100, 3), np.uint8)
    for spacing, shape in (((1, 1, 3), (32, 128)), ((0.5, 2, 3), (128, 128)), ((1, 8, 1), (128, 64))):
        assert middle_slice(ramp(labels.shape), labels, spacing)[0].shape == shape, spacing


def test_a_scan_without_contrast_and_without_a_prediction_is_shown_grey():
    grey, classes = middle_slice(np.ones((5, 5, 5), np.float32), np.zeros((5, 5, 5), np.uint8), (1, 1, 1))
    assert not classes.any()
    assert pixels(draw(np.stack([grey, classes]), COLOURS)).shape == (5, 5, 3)


def test_each_class_is_outlined_in_its_colour_and_the_scan_shows_inside():
    classes = np.zeros((9, 9), np.uint8)
    classes[1:6, 1:6], classes[6:8, 6:8] = 1, 2
    shown = pixels(draw(np.stack([np.full((9, 9), 100, np.uint8), classes]), COLOURS))
    first = np.all(shown == COLOURS[0], axis=2)
    assert first.sum() == 16
    assert not first[2:5, 2:5].any()
    assert np.all(shown == COLOURS[1], axis=2).sum() == 4
    assert np.all(shown == 100, axis=2).sum() == 81 - 20
