"""Proposals for a whole pool: the label map of inference, and the score of the case."""

import dataclasses

import numpy as np
import pytest
import torch

from fewlabel.inference.predict import segment
from fewlabel.networks import find
from fewlabel.plan import Plan
from fewlabel.predictions.entry import load_proposal
from fewlabel.predictions.propose import Proposer
from fewlabel.predictions.store import PredictionStore
from fewlabel.published import load_published, save_published
from fewlabel.volumes.reading import UnreadableVolume, write_volume

PLAN = Plan((1.5, 1.5, 1.5), (16, 16, 16), "meanstd", None, "unet_small", 1, ("organ", "tumour"))
SHAPE = (14, 11, 9)
AFFINE = np.diag([-1.0, 1.5, 2.0, 1.0])


@pytest.fixture(params=["unet_small", "unet_small+unet_small"])
def model(request, tmp_path):
    """Path of a published model: a network, or the mean of two."""
    torch.manual_seed(3)
    plan = dataclasses.replace(PLAN, network=request.param)
    save_published(tmp_path / "model.pt", find(request.param)(3), plan, {"version": 3})
    return tmp_path / "model.pt"


@pytest.fixture
def scan(tmp_path):
    image = np.random.default_rng(1).normal(size=SHAPE).astype(np.float32)
    write_volume(tmp_path / "a.nii.gz", image, AFFINE)
    return tmp_path / "a.nii.gz"


def test_a_proposal_is_the_label_map_and_certainty_of_inference_voxel_by_voxel(model, scan):
    loaded = load_published(model)
    labels, meta = segment(loaded.network, loaded.plan, scan)
    proposer = Proposer(model, "cpu")
    found = proposer("a", scan)
    assert np.array_equal(found.labels, labels.numpy())
    assert len(np.unique(found.labels)) > 1
    assert found.head.probability == pytest.approx(meta["confidence"], abs=1e-5)
    assert found.head.shape == SHAPE
    assert found.head.volume == pytest.approx([float((labels == value).sum()) * 0.003 for value in (1, 2)])
    assert 0 < found.head.score <= 1
    assert found.picture.shape[0] == 2
    assert 0 < found.picture[1].max() <= 2
    assert proposer.made(found.head)
    assert (found.head.version, found.head.published) == (3, loaded.card["time"])


def test_it_comes_back_from_the_store_of_every_plan_and_not_for_another_scan(model, scan, tmp_path):
    store = PredictionStore(tmp_path / "proposed", None)
    made = Proposer(model, "cpu")("a", scan)
    assert store.put(made)
    for opened in (store, PredictionStore(tmp_path / "proposed", None)):
        found = opened.proposal("a", made.head.source)
        assert found.head == made.head
        assert np.array_equal(found.labels, made.labels)
        head, picture = opened.picture("a", made.head.source)
        assert head == made.head
        assert np.array_equal(picture, made.picture)
        assert opened.picture("a", (1, 1)) is None
        assert opened.proposal("a", (1, 1)) is opened.proposal("b", made.head.source) is None
    file = next((tmp_path / "proposed").glob("*.npz"))
    file.write_bytes(file.read_bytes()[:200])
    assert load_proposal(file) is store.proposal("a", made.head.source) is None


def test_one_of_an_earlier_version_has_no_picture_and_is_used_all_the_same(model, scan, tmp_path):
    store, made = PredictionStore(tmp_path / "proposed", None), Proposer(model, "cpu")("a", scan)
    assert store.put(dataclasses.replace(made, picture=None))
    assert np.array_equal(store.proposal("a", made.head.source).labels, made.labels)
    assert store.picture("a", made.head.source) is None


def test_it_can_be_ended_at_a_crop_and_says_what_it_cannot_read(model, scan, tmp_path):
    def beat():
        raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        Proposer(model, "cpu", beat)("a", scan)
    (tmp_path / "bad.nii.gz").write_bytes(b"nothing")
    with pytest.raises(UnreadableVolume):
        Proposer(model, "cpu")("bad", tmp_path / "bad.nii.gz")
