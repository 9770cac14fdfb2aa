"""What is kept, what is given back, and what is never used: another plan, grid, list of classes, or an old guess."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from fewlabel.errors import Refusal
from fewlabel.plan import Plan
from fewlabel.predictions import entry as entry_module
from fewlabel.predictions.entry import Head, Prediction, plan_key
from fewlabel.predictions.store import MOST_AGE, PredictionStore, try_to_put

PLAN = Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 2, ("liver", "kidney"))
GRID = (6, 5, 4), np.diag([1.0, 1.0, 2.0, 1.0])
SOURCE = (5, 7)
OTHERS = {
    "spacing": {"spacing": (1.0, 1.0, 2.0)},
    "normalisation": {"normalisation": "ct", "bounds": (-100.0, 200.0)},
    "crop": {"patch": (32, 16, 16)},
    "network": {"network": "unet"},
    "classes": {"classes": ("liver", "spleen")},
    "order of the classes": {"classes": ("kidney", "liver")},
}


def prediction(case="a", version=1, plan=PLAN, seed=0, shape=GRID[0], affine=GRID[1]):
    random = np.random.default_rng(seed)
    maps = [random.integers(0, 3, shape).astype(np.uint8) for _ in range(4)]
    rows = tuple(tuple(float(value) for value in row) for row in affine)
    numbers = (0.75, 0.5), (1.5, 0.0)
    head = Head(case, version, plan_key(plan), plan.classes, shape, rows, SOURCE, *numbers)
    return Prediction(head, *maps, np.arange(8, dtype=np.float16))


@pytest.fixture
def store(tmp_path):
    """Callable (plan, gigabytes) opening the store in the same folder again."""
    return lambda plan=PLAN, gigabytes=1.0: PredictionStore(tmp_path / "predictions", plan, gigabytes)


def test_what_is_put_comes_back_also_after_opening_it_again(store):
    made = prediction()
    assert store().put(made)
    for opened in (store(), store(dataclasses.replace(PLAN, batch=4, reasons=("why",), network="unet_small+unet"))):
        found = opened.get("a", SOURCE)
        assert found.head == made.head
        for name in ("labels", "confidence", "entropy", "disagreement", "features"):
            assert np.array_equal(getattr(found, name), getattr(made, name))
            assert getattr(found, name).dtype == getattr(made, name).dtype
        guess = opened.guess("a", GRID, SOURCE)
        assert guess.dtype == torch.uint8
        assert np.array_equal(guess.numpy(), np.stack([made.labels, made.confidence]))
        assert opened.usable() == {"a"}


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_entries_of_another_plan_or_other_classes_are_never_used(store, other):
    store().put(prediction())
    opened = store(dataclasses.replace(PLAN, **OTHERS[other]))
    assert not opened.usable()
    assert opened.version("a") is opened.get("a", SOURCE) is opened.guess("a", GRID, SOURCE) is None
    with pytest.raises(ValueError, match="another plan"):
        opened.put(prediction("b"))


@pytest.mark.parametrize(
    "grid", [((6, 5, 5), GRID[1]), (GRID[0], np.eye(4)), (GRID[0], np.diag([-1.0, 1.0, 2.0, 1.0]))], ids=str
)
def test_a_guess_on_another_grid_is_not_used(store, grid):
    opened = store()
    opened.put(prediction())
    assert opened.guess("a", grid, SOURCE) is None
    assert opened.guess("a", GRID, SOURCE) is not None


@pytest.mark.parametrize("source", [(6, 7), (5, 8), None], ids=["later", "larger", "gone"])
def test_what_was_said_of_a_scan_that_was_replaced_by_another_is_not_used(store, source):
    opened = store()
    opened.put(prediction())
    assert opened.guess("a", GRID, source) is None
    assert opened.get("a", source) is None
    assert opened.get("a", SOURCE) is not None


def test_a_guess_is_used_up_to_the_stated_age_and_what_it_shows_stays(store):
    opened = store()
    opened.put(prediction(version=3))
    opened.begin(3 + MOST_AGE)
    assert opened.age("a") == MOST_AGE
    assert opened.version("a") == 3
    assert opened.guess("a", GRID, SOURCE) is not None
    opened.begin(3 + MOST_AGE + 1)
    assert not opened.usable()
    assert opened.version("a") is opened.guess("a", GRID, SOURCE) is None
    assert opened.get("a", SOURCE).head.version == 3


def test_an_older_prediction_that_comes_late_makes_no_other_younger(store):
    opened = store()
    opened.put(prediction("a", version=3))
    opened.put(prediction("b", version=9))
    opened.put(prediction("c", version=2))
    for each in (opened, store()):
        assert [each.age(case) for case in "abc"] == [6, 0, 7]


def test_a_newer_prediction_replaces_the_older_one(store, tmp_path):
    opened = store()
    opened.put(prediction(version=1, seed=1))
    opened.put(prediction(version=2, seed=2))
    assert opened.version("a") == 2
    assert np.array_equal(opened.get("a", SOURCE).labels, prediction(seed=2).labels)
    assert len(list((tmp_path / "predictions").iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not all of it", None])
def test_a_damaged_file_is_no_prediction(store, tmp_path, content):
    opened = store()
    opened.put(prediction())
    (path,) = (tmp_path / "predictions").iterdir()
    path.write_bytes(path.read_bytes()[:200] if content is None else content)
    assert opened.guess("a", GRID, SOURCE) is None
    assert opened.get("a", SOURCE) is None
    assert not store().usable()


def test_a_file_under_the_name_of_another_case_is_not_taken_for_it(store, tmp_path):
    opened = store()
    opened.put(prediction("a"))
    opened.put(prediction("b", seed=1))
    first, second = sorted((tmp_path / "predictions").iterdir())
    first.write_bytes(second.read_bytes())
    assert len(store().usable()) == 1


def test_the_stalest_go_when_the_share_of_the_disk_is_full_and_the_newest_never(store):
    size = 0
    opened = store()
    for number, version in enumerate((3, 1, 2)):
        opened.put(prediction(f"c{number}", version, seed=number))
        size = max(size, opened.bytes // (number + 1))
    small = store(gigabytes=3.5 * size / 2**30)
    assert small.put(prediction("c3", 3, seed=3))
    assert set(small.heads) == {"c0", "c2", "c3"}  # version 1 made room
    assert small.put(prediction("c4", 3, seed=4))
    assert set(small.heads) == {"c0", "c3", "c4"}
    assert not small.put(prediction("c5", 3, seed=5))  # nothing older is left
    assert set(small.heads) == {"c0", "c3", "c4"} == set(store().heads)


def test_entries_of_another_plan_go_first(store):
    store().put(prediction("a", 9))
    other = dataclasses.replace(PLAN, patch=(32, 32, 32))
    opened = store(other, gigabytes=1.5 * store().bytes / 2**30)
    assert opened.put(prediction("b", 1, other))
    assert set(opened.heads) == {"b"}
    assert not store().heads


def test_a_full_disk_is_no_reason_to_end_a_training_and_leaves_the_old_entry(store, monkeypatch):
    opened = store()
    opened.put(prediction(version=1))

    def full(path, write):
        raise Refusal("no space left", 507)

    monkeypatch.setattr(entry_module, "replace_file", full)
    assert not try_to_put(opened, prediction(version=2))
    assert opened.version("a") == 1


def test_what_a_killed_process_was_writing_is_removed_and_never_read(store, tmp_path):
    opened = store()
    opened.put(prediction())
    (path,) = (tmp_path / "predictions").iterdir()
    leftover = path.with_name(".writing-123.npz")
    leftover.write_bytes(path.read_bytes())
    again = store()
    assert set(again.heads) == {"a"}
    again.clear_leftovers()
    assert not leftover.exists()
    assert path.exists()
