"""Which crops a batch holds, shown by a view that gives each of them a number of its own."""

from __future__ import annotations

import itertools

import pytest
import torch
from monai.transforms import Compose

from fewlabel.data import loaders, transforms
from fewlabel.data.loaders import PairedLoader
from fewlabel.plan import Plan

PLAN = Plan((1.0, 1.0, 1.0), (4, 4, 4), "meanstd", None, "unet_small", 3, ("a",))


@pytest.fixture
def batches(monkeypatch, take):
    """Callable (count): batches of two labelled and two unlabelled scans, of which no file is there."""
    numbers = itertools.count(1)

    def numbered(*keys):
        def crop(volume):
            number = float(next(numbers))
            return {key: torch.full((1, *PLAN.patch), number) for key in keys}

        return Compose([crop])

    monkeypatch.setattr(loaders, "volume_loader", lambda plan, labelled: dict)
    monkeypatch.setattr(transforms, "labelled_view", lambda plan, augmentation: numbered("image", "label"))
    monkeypatch.setattr(transforms, "unlabelled_view", lambda plan, views, augmentation: numbered("weak", "strong"))

    pools = ([{"id": f"{kind}{number}"} for number in range(2)] for kind in ("labelled", "unlabelled"))
    loader = PairedLoader(*pools, PLAN)
    return lambda count: take(loader, count)


def test_what_lies_side_by_side_in_a_batch_is_of_one_crop(batches):
    for batch in batches(4):
        for name, keys in (("labelled", ("image", "label")), ("unlabelled", ("weak", "strong"))):
            first, second = (batch[name][key][:, 0, 0, 0, 0].tolist() for key in keys)
            assert first == second


def test_no_crop_is_seen_twice(batches):
    seen = [
        number
        for batch in batches(4)
        for key, crops in (*batch["labelled"].items(), *batch["unlabelled"].items())
        if key in ("image", "weak")
        for number in crops[:, 0, 0, 0, 0].tolist()
    ]
    assert len(seen) == len(set(seen)) == 4 * 2 * PLAN.batch
