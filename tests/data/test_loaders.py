"""Batches of labelled and unlabelled crops from files, whatever is wrong with some of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fewlabel.data import transforms
from fewlabel.data.loaders import EmptyPool, PairedLoader, volume_loader
from fewlabel.plan import Plan
from fewlabel.training.trainer import dice_of_crops
from fewlabel.volumes.reading import write_volume

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 8), "meanstd", None, "unet_small", 2, ("a", "b"))


@pytest.fixture
def study(tmp_path):
    """Makes so many volumes of a size; the records of the labelled ones have a label."""

    def make(labelled, unlabelled, shape=(20, 18, 14), value=None):
        records = []
        for number in range(labelled + unlabelled):
            random = np.random.default_rng(number)
            image = random.normal(size=shape).astype(np.float32)
            label = np.zeros(shape, np.uint8) if value is None else np.full(shape, value, np.uint8)
            if value is None:
                label[4:8, 4:8, 4:8] = 1
                label[10:13, 10:13, 8:12] = 2
            write_volume(tmp_path / f"{number}.nii", image, np.eye(4))
            record = {"id": str(number), "image": str(tmp_path / f"{number}.nii")}
            if number < labelled:
                write_volume(tmp_path / f"label_{number}.nii", label, np.eye(4))
                record["label"] = str(tmp_path / f"label_{number}.nii")
            records.append(record)
        return records[:labelled], records[labelled:]

    return make


def test_batches_have_the_form_that_methods_expect(study, take):
    for batch in take(PairedLoader(*study(3, 4), PLAN), 3):
        assert set(batch) == {"labelled", "unlabelled"}
        assert set(batch["labelled"]) == {"image", "label"}
        assert set(batch["unlabelled"]) == {"weak", "strong"}
        for value in (*batch["labelled"].values(), *batch["unlabelled"].values()):
            assert type(value) is torch.Tensor
            assert value.shape == (2, 1, *PLAN.patch)
            assert value.isfinite().all()
        assert batch["labelled"]["label"].dtype == torch.int64
        assert batch["labelled"]["image"].dtype == torch.float32
        assert {value.dtype for value in batch["unlabelled"].values()} == {torch.float32}
        label = batch["labelled"]["label"]
        logits = torch.nn.functional.one_hot(label[:, 0], 3).movedim(-1, 1).float()
        assert dice_of_crops(logits, label) == pytest.approx(1) or label.max() == 0


@pytest.mark.parametrize(("labelled", "unlabelled"), [(1, 0), (1, 1), (3, 2)])
@pytest.mark.parametrize("shape", [(20, 18, 14), (5, 6, 7), (40, 40, 1)])
def test_any_number_and_size_of_volumes_gives_batches(study, labelled, unlabelled, shape, take):
    loader = PairedLoader(*study(labelled, unlabelled, shape), PLAN)
    for batch in take(loader, 3):
        assert batch["labelled"]["image"].shape == (2, 1, *PLAN.patch)
        assert (batch["unlabelled"] is None) == (unlabelled == 0)
    assert len(loader) == -(-(unlabelled or labelled) // 2)


@pytest.mark.parametrize("value", [0, 1, 2])
def test_empty_labels_and_labels_of_one_class_give_batches(study, value, take):
    for batch in take(PairedLoader(*study(1, 0, value=value), PLAN), 3):
        assert set(batch["labelled"]["label"].unique().tolist()) <= {0, value}
        assert (batch["labelled"]["label"] == value).any()


def test_the_same_seed_gives_the_same_batches_though_volumes_are_replaced(study, take):
    pools = study(2, 18)
    first, second, other = (take(PairedLoader(*pools, PLAN, seed), 10) for seed in (5, 5, 6))
    for one, two in zip(first, second, strict=True):
        for name in ("labelled", "unlabelled"):
            assert all(torch.equal(one[name][key], two[name][key]) for key in one[name])
    assert not torch.equal(first[0]["labelled"]["image"], other[0]["labelled"]["image"])
    assert not torch.equal(first[0]["unlabelled"]["weak"], other[0]["unlabelled"]["weak"])


def test_labels_of_unlabelled_volumes_are_never_opened(study, monkeypatch, take):
    labelled, unlabelled = study(1, 3)
    unlabelled = [{**record, "label": "/does/not/exist.nii"} for record in unlabelled]
    opened = []
    read_label = transforms.read_label
    monkeypatch.setattr(transforms, "read_label", lambda path: opened.append(path) or read_label(path))
    loader = PairedLoader(labelled, unlabelled, PLAN)
    take(loader, 3)
    assert opened == [labelled[0]["label"]]
    assert loader.unlabelled.read == {record["id"] for record in unlabelled}


def test_a_damaged_scan_in_either_pool_is_left_out_and_reported(study, take):
    labelled, unlabelled = study(3, 3)
    for record in (labelled[1], unlabelled[0]):
        with open(record["image"], "r+b") as file:
            file.truncate(500)
    reported = {}
    loader = PairedLoader(labelled, unlabelled, PLAN, report=lambda case, reason: reported.update({case: reason}))
    take(loader, 4)
    assert set(reported) == {"1", "3"}
    assert "1.nii is cut short" in reported["1"]


def test_a_label_on_another_grid_is_left_out_and_reported(study, take):
    labelled, _ = study(2, 0)
    write_volume(labelled[0]["label"], np.zeros((20, 18, 15), np.uint8), np.eye(4))
    reported = {}
    take(PairedLoader(labelled, [], PLAN, report=lambda case, reason: reported.update({case: reason})), 2)
    assert "another grid" in reported["0"]


def test_without_a_readable_pool_the_labels_still_train(study, take):
    labelled, unlabelled = study(2, 3)
    unlabelled = [{**record, "image": record["image"] + ".gone.nii"} for record in unlabelled]
    reported = []
    for batch in take(PairedLoader(labelled, unlabelled, PLAN, report=lambda case, _: reported.append(case)), 3):
        assert batch["unlabelled"] is None
    assert sorted(reported) == ["2", "3", "4"]


def test_without_a_readable_label_it_says_why_and_stops_its_threads(study, take, reading_threads):
    labelled, unlabelled = study(2, 1)
    labelled = [{**record, "image": record["image"] + ".gone.nii"} for record in labelled]
    with pytest.raises(EmptyPool, match=r"0\.nii\.gone\.nii does not exist") as caught:
        take(PairedLoader(labelled, unlabelled, PLAN), 1)
    assert "1.nii.gone.nii" in str(caught.value)
    assert not reading_threads()


def test_no_thread_is_left_when_training_ends_or_fails(study, reading_threads):
    pools = study(2, 20)
    iterator = iter(PairedLoader(*pools, PLAN))
    next(iterator)
    assert reading_threads()
    iterator.close()
    assert not reading_threads()

    def training():
        for number, _ in enumerate(PairedLoader(*pools, PLAN)):
            if number == 2:
                raise RuntimeError("diverged")

    try:
        training()
    except RuntimeError as caught:
        error = caught.with_traceback(None)
    assert str(error) == "diverged"
    assert not reading_threads()


def test_volumes_in_memory_are_plain_tensors_and_large_enough_for_a_crop(study):
    labelled, unlabelled = study(1, 1, (5, 30, 6))
    data = volume_loader(PLAN, True)(labelled[0])
    assert set(data) == {"image", "label", "label_cls_indices"}
    assert type(data["image"]) is type(data["label"]) is torch.Tensor
    assert data["image"].shape == data["label"].shape == (1, 16, 30, 8)
    assert set(volume_loader(PLAN, False)(unlabelled[0])) == {"image", "grid"}
