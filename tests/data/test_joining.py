"""Volumes that come and go in a stream of crops."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from itertools import islice

import pytest

from fewlabel.data.joining import JoiningStream
from fewlabel.data.loaders import CropStream, EmptyPool
from fewlabel.volumes.reading import UnreadableVolume


class View:
    """Gives the volume itself instead of a crop."""

    def set_random_state(self, seed):
        pass

    def __call__(self, volume):
        return volume


def records(names):
    return [{"id": name, "image": f"{name}.nii"} for name in names]


@pytest.fixture
def make_stream():
    """Callable (names, bad, resident) giving a stream; ``read`` counts how often each volume was read."""

    def make(names, bad="", resident=16):
        read = Counter()

        def load(record):
            read[record["id"]] += 1
            if record["id"] in bad:
                raise UnreadableVolume(f"{record['id']} cannot be read.")
            return {"from": record["id"]}

        stream = JoiningStream.of(CropStream(records(names), load, View(), seed=0, resident=resident))
        stream.counted = read
        return stream

    return make


def draw(stream, count):
    with closing(iter(stream)) as crops:
        return Counter(crop["from"] for crop in islice(crops, count))


def test_all_volumes_are_drawn_evenly(make_stream):
    drawn = draw(make_stream("abcd"), 800)
    assert set(drawn) == set("abcd")
    assert min(drawn.values()) > 140


def test_a_new_volume_joins_at_once_and_gives_half_of_the_crops_at_first(make_stream):
    stream = make_stream("abcd")
    draw(stream, 50)
    stream.change(records("abcde"), new="e")
    assert draw(stream, 100)["e"] == pytest.approx(50, abs=20)


def test_after_its_first_hundred_crops_it_is_drawn_as_the_others(make_stream):
    stream = make_stream("abcd")
    draw(stream, 50)
    stream.change(records("abcde"), new="e")
    draw(stream, 400)
    assert draw(stream, 1000)["e"] == pytest.approx(200, abs=60)


def test_a_volume_that_leaves_gives_no_crop_any_more(make_stream):
    stream = make_stream("abcd")
    draw(stream, 50)
    stream.change(records("abd"))
    assert "c" not in draw(stream, 200)


def test_a_changed_volume_is_read_again_and_the_others_are_not(make_stream):
    stream = make_stream("abcd")
    draw(stream, 50)
    stream.change(records("abcd"), new="b")
    draw(stream, 50)
    assert stream.counted == {"a": 1, "b": 2, "c": 1, "d": 1}


def test_passes_that_begin_anew_read_nothing_again(make_stream):
    stream = make_stream("abcd")
    for _ in range(5):
        draw(stream, 20)
    assert set(stream.counted.values()) == {1}


def test_a_pool_larger_than_memory_is_gone_through(make_stream):
    names = [f"v{number}" for number in range(30)]
    stream = make_stream(names, resident=4)
    assert set(draw(stream, 600)) == set(names)
    assert len(stream.held) == 4


def test_a_new_volume_joins_a_full_memory_too(make_stream):
    stream = make_stream([f"v{number}" for number in range(30)], resident=4)
    draw(stream, 50)
    stream.change([*stream.records, *records("n")], new=["n"])
    assert draw(stream, 20)["n"] > 0


def test_an_unreadable_volume_is_left_out_until_it_changes(make_stream):
    stream = make_stream("abc", bad="b")
    assert set(draw(stream, 100)) == {"a", "c"}
    assert stream.counted["b"] == 1
    stream.change(records("abc"), new="b")
    draw(stream, 50)
    assert stream.counted["b"] == 2


def test_a_pool_without_any_usable_volume_says_why(make_stream):
    with pytest.raises(EmptyPool, match="a cannot be read"):
        draw(make_stream("a", bad="a"), 1)


def test_all_volumes_may_leave(make_stream):
    stream = make_stream("ab")
    draw(stream, 10)
    stream.change([])
    with pytest.raises(EmptyPool):
        draw(stream, 1)
