from __future__ import annotations

import os

import numpy as np
import pytest

from fewlabel.inference import recent as module
from fewlabel.inference.recent import Prediction, RecentPredictions

CARD = {"version": 1, "time": 100}


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(b"image")
    return path


def prediction(seed=0):
    labels = np.random.default_rng(seed).integers(0, 3, (4, 5, 6)).astype(np.uint8)
    return Prediction(labels, np.diag([1.0, 2, 3, 1]), (0.9, 0.8), ("a note",))


def test_a_prediction_comes_back_as_it_was(image):
    recent, kept = RecentPredictions(), prediction()
    recent.keep(image, CARD, kept)
    assert recent.has(image, CARD)
    found = recent.get(image, CARD)
    np.testing.assert_array_equal(found.labels, kept.labels)
    np.testing.assert_array_equal(found.affine, kept.affine)
    assert (found.confidence, found.notes) == (kept.confidence, kept.notes)


def test_a_view_of_another_memory_order_comes_back_as_it_was(image):
    recent, kept = RecentPredictions(), prediction()
    turned = Prediction(kept.labels.transpose(2, 0, 1)[::-1], kept.affine, kept.confidence)
    recent.keep(image, CARD, turned)
    np.testing.assert_array_equal(recent.get(image, CARD).labels, turned.labels)


@pytest.mark.parametrize("card", [{"version": 2, "time": 100}, {"version": 1, "time": 101}, {}])
def test_another_model_has_predicted_nothing_yet(image, card):
    recent = RecentPredictions()
    recent.keep(image, CARD, prediction())
    assert not recent.has(image, card)
    assert recent.get(image, card) is None


def test_an_image_that_changed_has_no_prediction(image):
    recent = RecentPredictions()
    recent.keep(image, CARD, prediction())
    image.write_bytes(b"another image")
    os.utime(image, (1, 1))
    assert recent.get(image, CARD) is None


def test_only_a_few_are_kept_and_none_that_is_large(tmp_path, monkeypatch):
    recent, paths = RecentPredictions(), [tmp_path / f"{number}.nii" for number in range(20)]
    for path in paths:
        path.write_bytes(b"image")
        recent.keep(path, CARD, prediction())
    assert [recent.has(path, CARD) for path in paths] == [False] * 12 + [True] * 8
    monkeypatch.setattr(module, "_MOST_BYTES", 10)
    recent.keep(paths[0], CARD, prediction())
    assert not recent.has(paths[0], CARD)
