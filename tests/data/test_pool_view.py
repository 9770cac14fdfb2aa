"""Crops of the pool with what is stored of them: from the same position, turned alike, each class as likely."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.transforms import Identityd

from fewlabel.data import transforms
from fewlabel.data.loaders import PairedLoader
from fewlabel.data.pool_view import Held, PoolView
from fewlabel.files import stamp
from fewlabel.plan import Plan
from fewlabel.volumes.reading import write_volume

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 2, ("a", "b"))
CACHED = frozenset({"strong", "pseudo_label", "confidence"})
GRID = (40, 40, 40), np.eye(4)
SOURCE = (3, 4)


class Known:
    """Stored guesses of some cases; counts what is read."""

    def __init__(self, **guesses):
        self.guesses, self.made, self.read = guesses, dict.fromkeys(guesses, 1), 0

    def usable(self):
        return self.guesses.keys()

    def version(self, case):
        return self.made.get(case)

    def guess(self, case, grid, source):
        self.read += 1
        self.source = source
        return self.guesses.get(case)


def scan():
    """Its intensity is its class, in smooth regions; class 2 is rare."""
    image = torch.zeros(1, *GRID[0])
    image[:, 8:30, 8:30, 8:30] = 1
    image[:, 24:27, 24:27, 24:27] = 2
    return image


def guess_of(image, confidence=204):
    return torch.cat([image, torch.full_like(image, confidence)]).to(torch.uint8)


@pytest.fixture
def plain(monkeypatch):
    """Crops whose intensities are left as they are."""
    for name in ("_weak_intensity", "_strong_intensity"):
        monkeypatch.setattr(transforms, name, lambda *given: [])


def crops(predictions, count, views=CACHED, image=None, case="c"):
    image = scan() if image is None else image
    view = PoolView(PLAN, views)
    view.set_random_state(0)
    held = Held(case, GRID, SOURCE, predictions, PLAN)
    return [view({"image": image, "held": held}) for _ in range(count)]


def test_pseudo_label_and_confidence_are_cut_and_turned_with_their_crop(plain):
    """Beside the borders of a class, where a turned image is interpolated, image and guess agree everywhere."""
    for crop in crops(Known(c=guess_of(scan())), 30):
        assert crop["strong"].shape == crop["pseudo_label"].shape == (1, *PLAN.patch)
        inside = (crop["strong"] - crop["strong"].round()).abs() < 1e-4
        assert torch.equal(crop["pseudo_label"][inside], crop["strong"][inside].round())
        assert inside.float().mean() > 0.5
        assert set(crop["pseudo_label"].unique().tolist()) <= {0.0, 1.0, 2.0}
        assert torch.allclose(crop["confidence"], torch.tensor(0.8))


def test_every_predicted_class_is_as_likely_in_the_middle_of_a_crop(monkeypatch, plain):
    monkeypatch.setattr(transforms, "_geometry", lambda keys: Identityd(keys=keys))
    middle = [int(crop["pseudo_label"][0, 8, 8, 8]) for crop in crops(Known(c=guess_of(scan())), 300)]
    share = torch.bincount(torch.tensor(middle), minlength=3) / len(middle)
    assert share.min() > 0.2  # of the scan's voxels the rarest has 0.0004


def test_without_a_guess_a_crop_comes_from_anywhere_and_nothing_of_it_is_believed(plain):
    for crop in crops(Known(), 5):
        assert (crop["confidence"] == 0).all()
        assert crop["pseudo_label"].shape == (1, *PLAN.patch)


def test_a_guess_that_was_made_again_is_read_again_and_no_other(plain):
    known = Known(c=guess_of(scan(), 100))
    held = Held("c", GRID, SOURCE, known, PLAN)
    first, again = held(), held()
    assert first is again
    assert known.read == 1
    known.guesses["c"], known.made["c"] = guess_of(scan(), 200), 2
    assert (held()[0][1] == 200).all()
    assert known.read == 2
    del known.guesses["c"], known.made["c"]
    assert held() is None


@pytest.mark.parametrize("views", [("strong",), ("weak", "strong"), tuple(CACHED)])
@pytest.mark.parametrize("known", [True, False])
def test_a_crop_has_the_views_that_were_asked_for_and_no_other(views, known):
    predictions = Known(c=guess_of(scan())) if known else Known()
    (crop,) = crops(predictions, 1, views=views)
    assert set(crop) == set(views)


@pytest.fixture
def pools(tmp_path):
    """Two labelled scans, and three without a label whose intensity is their class and their number in a corner."""
    records = []
    for number in range(5):
        image = scan()[0].numpy().astype(np.float32)
        write_volume(tmp_path / f"{number}.nii", image, np.eye(4))
        write_volume(tmp_path / f"label{number}.nii", image.astype(np.uint8), np.eye(4))
        records.append({"id": str(number), "image": str(tmp_path / f"{number}.nii")})
    labelled = [{**record, "label": str(tmp_path / f"label{record['id']}.nii")} for record in records[:2]]
    return labelled, records[2:]


def test_batches_hold_pseudo_labels_of_scans_that_have_one_and_of_no_others(pools, take):
    known = Known(**{"3": guess_of(scan())})
    loader = PairedLoader(*pools, PLAN, views=CACHED, predictions=known)
    for batch in take(loader, 6):
        assert set(batch["unlabelled"]) == CACHED
        assert batch["unlabelled"]["pseudo_label"].dtype == torch.int64
        assert (batch["unlabelled"]["confidence"] > 0).any()
    assert loader.unlabelled.read == {"3"}


def test_a_guess_is_asked_for_with_the_stamp_of_the_file_that_was_read(pools, take):
    known = Known(**{"3": guess_of(scan())})
    take(PairedLoader(*pools, PLAN, views=CACHED, predictions=known), 1)
    assert known.source == stamp(pools[1][1]["image"])


def test_until_anything_is_predicted_labels_alone_come(pools):
    known = Known()
    loader = PairedLoader(*pools, PLAN, views=CACHED, predictions=known)
    iterator = iter(loader)
    assert [next(iterator)["unlabelled"] for _ in range(3)] == [None] * 3
    assert not loader.unlabelled.read
    known.guesses["2"], known.made["2"] = guess_of(scan()), 1
    assert next(iterator)["unlabelled"] is not None
    iterator.close()


def test_a_pool_that_is_not_wanted_is_neither_read_nor_cropped_and_labelled_crops_are_the_same(pools, take):
    whole, idle = PairedLoader(*pools, PLAN), PairedLoader(*pools, PLAN)
    idle.pool_wanted = False
    first, second = take(whole, 4), take(idle, 4)
    assert not idle.unlabelled.read
    for one, other in zip(first, second, strict=True):
        assert other["unlabelled"] is None
        assert all(torch.equal(one["labelled"][key], other["labelled"][key]) for key in one["labelled"])
