"""Endless crops of a pool: which volumes are read, kept in memory, seen and left out."""

from __future__ import annotations

import gc
import weakref
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.transforms import Compose

from fewlabel.data.streams import CropStream, EmptyPool
from fewlabel.volumes.reading import UnreadableVolume

RESIDENT = 4


class Held(dict):
    """A volume that can be weakly referenced."""


class Shelf:
    """Volumes that are nothing but their id; counts what is read and what is alive."""

    def __init__(self, bad=()):
        self.bad = set(bad)
        self.reads: list[str] = []
        self.alive: weakref.WeakSet = weakref.WeakSet()
        self.most = 0

    def __call__(self, record):
        self.reads.append(record["id"])
        if record["id"] in self.bad:
            raise UnreadableVolume(f"{record['id']} is damaged.")
        volume = Held(id=record["id"], token=Token())
        self.alive.add(volume["token"])
        self.most = max(self.most, len(self.alive))
        return volume


class Token:
    """Lives as long as its volume."""


def stream(shelf, count, seed=0, report=None):
    records = [{"id": f"case_{number}"} for number in range(count)]
    view = Compose([lambda volume: {"id": volume["id"]}])
    return CropStream(records, shelf, view, seed, resident=RESIDENT, report=report)


@pytest.mark.parametrize("count", [1, 2, RESIDENT, RESIDENT + 1, 50])
def test_every_volume_of_a_pool_is_seen_and_about_as_often(count, take):
    seen = Counter(crop["id"] for crop in take(stream(Shelf(), count), 4 * count * 20))
    assert len(seen) == count
    assert min(seen.values()) >= 15


@pytest.mark.parametrize("count", [1, RESIDENT, RESIDENT + 1, 200])
def test_only_the_resident_volumes_and_the_one_read_ahead_are_in_memory(count):
    shelf = Shelf()
    iterator = iter(stream(shelf, count))
    for _ in range(300):
        next(iterator)
    assert shelf.most <= RESIDENT + 1
    iterator.close()
    del iterator
    gc.collect()
    assert not shelf.alive


@pytest.mark.parametrize("count", [1, 3, RESIDENT])
def test_a_pool_that_fits_into_memory_is_read_once(count, take):
    shelf = Shelf()
    take(stream(shelf, count), 100)
    assert sorted(shelf.reads) == sorted({*shelf.reads})
    assert len(shelf.reads) == count


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(0, 3), st.sets(st.integers(0, 11)))
def test_the_order_depends_on_the_seed_alone(take, count, seed, bad):
    bad = {f"case_{number}" for number in bad if number < count - 1}
    first, second = (take(stream(Shelf(bad), count, seed), 60) for _ in range(2))
    assert first == second


def test_other_seeds_give_another_order(take):
    assert take(stream(Shelf(), 30, 1), 40) != take(stream(Shelf(), 30, 2), 40)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.sets(st.integers(0, 11)))
def test_bad_volumes_are_left_out_reported_once_and_the_rest_is_seen(take, count, bad):
    bad = {f"case_{number}" for number in bad if number < count}
    good = {f"case_{number}" for number in range(count)} - bad
    reported = []
    crops = stream(Shelf(bad), count, report=lambda case, reason: reported.append((case, reason)))
    if not good:
        with pytest.raises(EmptyPool, match="is damaged"):
            take(crops, 1)
    else:
        assert {crop["id"] for crop in take(crops, 600)} == good
        assert crops.read == good
    assert sorted(reported) == sorted((case, f"{case} is damaged.") for case in bad)
    assert crops.bad == dict(reported)


def test_a_volume_that_gets_bad_later_is_left_out_from_then_on():
    shelf = Shelf()
    crops = stream(shelf, 10)
    iterator = iter(crops)
    for _ in range(100):
        next(iterator)
    shelf.bad.add("case_3")
    for _ in range(100):
        next(iterator)
    assert {next(iterator)["id"] for _ in range(300)} == {f"case_{number}" for number in range(10)} - {"case_3"}
    iterator.close()


def test_where_every_volume_gets_bad_later_those_in_memory_still_serve():
    shelf = Shelf()
    iterator = iter(stream(shelf, 10))
    for _ in range(20):
        next(iterator)
    shelf.bad |= {f"case_{number}" for number in range(10)}
    assert len({next(iterator)["id"] for _ in range(300)}) >= RESIDENT
    iterator.close()


def test_the_first_crop_waits_for_one_volume_only():
    shelf = Shelf()
    iterator = iter(stream(shelf, 50))
    next(iterator)
    assert len(shelf.reads) <= 2
    for _ in range(RESIDENT):
        next(iterator)
    assert len(shelf.reads) >= RESIDENT
    iterator.close()


def test_a_full_set_is_renewed_by_one_volume_after_every_few_crops(take):
    shelf = Shelf()
    take(stream(shelf, 50), RESIDENT + 4 * 20)
    assert len(shelf.reads) == pytest.approx(RESIDENT + 20, abs=2)


def test_an_empty_pool_says_so():
    with pytest.raises(EmptyPool):
        next(iter(stream(Shelf(), 0)))


def test_a_fault_in_the_code_is_not_taken_for_a_bad_volume(take, reading_threads):
    def load(record):
        raise KeyError("a fault")

    with pytest.raises(KeyError):
        take(stream(load, 3), 1)
    assert not reading_threads()
