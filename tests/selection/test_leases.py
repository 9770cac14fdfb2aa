"""Who has which case, and what was put off: for how long, over a restart, and separately."""

from __future__ import annotations

import threading

import pytest

from fewlabel.selection.leases import LEASE, PUT_OFF, Leases
from fewlabel.workspace import read_json


@pytest.fixture
def open_leases(tmp_path, clock):
    """Callable: the leases as a server has them after its start."""
    return lambda: Leases(tmp_path / "served.json", clock)


def test_a_case_is_in_somebodys_hands_for_an_hour_over_a_restart(open_leases, clock):
    open_leases().give(["a", "b"])
    clock.now += LEASE - 1
    leases = open_leases()
    assert leases.recent("a") == leases.recent("b") == clock.now - LEASE + 1
    assert leases.recent("c") == 0
    clock.now += 1
    assert leases.recent("a") == 0


def test_a_skipped_case_is_in_nobodys_hands_and_put_off_for_a_day_with_its_reason(open_leases, clock):
    leases = open_leases()
    leases.give(["a"])
    leases.skip("a", "blurred")
    for each in (leases, open_leases()):
        assert each.recent("a") == 0
        assert each.skipped("a") == clock.now
        assert each.reason("a") == "blurred"
    clock.now += PUT_OFF
    assert leases.skipped("a") == 0
    assert leases.reason("a") == ""


def test_a_skip_that_was_taken_back_is_forgotten_and_no_other(open_leases):
    leases = open_leases()
    leases.skip("a", "blurred")
    leases.skip("b")
    leases.unskip("a")
    leases.unskip("never skipped")
    for each in (leases, open_leases()):
        assert each.skipped("a") == 0
        assert each.reason("a") == ""
        assert each.skipped("b")


def test_what_is_over_is_not_kept_on_disk(open_leases, clock, tmp_path):
    leases = open_leases()
    leases.give(["a"])
    leases.skip("b", "blurred")
    clock.now += PUT_OFF
    leases.give(["c"])
    assert read_json(tmp_path / "served.json") == {
        "given": {"c": clock.now},
        "skipped": {},
        "reasons": {},
        "refused": {"b": 1},
    }


@pytest.mark.parametrize("content", ["[]", "{", '{"given": [1], "skipped": {"a": "long ago"}, "reasons": 5}'])
def test_a_damaged_file_is_as_none(open_leases, tmp_path, content):
    (tmp_path / "served.json").write_text(content)
    leases = open_leases()
    assert leases.recent("a") == leases.skipped("a") == 0
    leases.give(["a"])
    assert open_leases().recent("a")


def test_two_people_are_written_down_one_after_the_other(open_leases, monkeypatch):
    leases, inside, go_on, together = open_leases(), threading.Event(), threading.Event(), []

    def keep():
        together.append(leases._lock.locked())
        inside.set()
        assert go_on.wait(60)

    monkeypatch.setattr(leases, "_keep", keep)
    first, second = (threading.Thread(target=leases.give, args=([case],)) for case in "ab")
    first.start()
    assert inside.wait(60)
    second.start()
    assert leases.recent("b") == 0
    go_on.set()
    for thread in (first, second):
        thread.join(60)
    assert together == [True, True]


def test_a_case_that_was_offered_again_and_skipped_again_is_given_up_until_somebody_asks_for_it(open_leases, clock):
    leases = open_leases()
    leases.give(["a"])
    leases.skip("a", "blurred")
    leases.skip("a", "blurred")  # the same skip, sent twice
    assert not leases.is_given_up("a")
    leases.give(["a"])
    leases.skip("a", "blurred")
    clock.now += 3 * PUT_OFF
    for each in (leases, open_leases()):
        assert each.is_given_up("a")
        assert each.skipped("a")
        assert each.reason("a") == "blurred"
    leases.give(["b"])  # which writes the file
    assert open_leases().is_given_up("a")
    leases.unskip("a")
    assert not open_leases().is_given_up("a")
    assert not open_leases().skipped("a")
