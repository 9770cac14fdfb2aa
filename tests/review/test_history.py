from __future__ import annotations

import threading

import pytest

from fewlabel.errors import Refusal
from fewlabel.review import history as module
from fewlabel.review.history import History, Outlook
from fewlabel.workspace import Workspace, read_json


@pytest.fixture
def path(tmp_path):
    return Workspace(tmp_path / "state").history


def test_what_was_entered_is_there_after_a_restart(path):
    History(path).add("a", False, mean=0.5, flags=[], strategy="random")
    History(path).add("b", False, mean=None)
    first, second = History(path).entries()
    assert (first["case"], first["mean"], first["first"], first["strategy"]) == ("a", 0.5, True, "random")
    assert (second["case"], second["mean"]) == ("b", None)
    assert first["time"].endswith("Z")


def test_only_the_first_submission_of_a_case_is_the_first(path):
    history = History(path)
    entries = [history.add(*each) for each in (("a", False), ("b", True), ("a", True), ("a", False), ("c", False))]
    assert [entry["first"] for entry in entries] == [True, False, False, False, True]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"entries": [1], "notes": []}', '{"entries": []}', "\udcff"])
def test_a_damaged_file_is_started_anew_with_a_note(path, content):
    path.write_bytes(content.encode(errors="surrogateescape"))
    history = History(path)
    assert history.entries() == []
    history.add("a", False)
    assert [entry["case"] for entry in History(path).entries()] == ["a"]
    assert "damaged" in History(path).notes()[0]


def test_it_does_not_grow_without_end_and_keeps_first_submissions_longest(path, monkeypatch):
    monkeypatch.setattr(module, "MOST", 3)
    history = History(path)
    for case in ("a", "a", "b", "c", "d"):
        history.add(case, False)
    assert [(entry["case"], entry["first"]) for entry in history.entries()] == [("b", True), ("c", True), ("d", True)]


def test_an_entry_is_completed_later(path):
    history = History(path)
    entry = history.add("a", False, mean=None)
    history.add("b", False, mean=None)
    history.complete(entry, mean=0.75)
    assert [each["mean"] for each in history.entries()] == [0.75, None]
    history.complete({"case": "gone", "time": ""}, mean=1.0)
    assert len(history.entries()) == 2


def test_two_threads_lose_nothing(path):
    history = History(path)
    add = [threading.Thread(target=lambda: [history.add("a", False) for _ in range(20)]) for _ in range(2)]
    for thread in add:
        thread.start()
    for thread in add:
        thread.join()
    assert len(history.entries()) == 40


def test_a_full_disk_leaves_the_old_file(path, monkeypatch):
    history = History(path)
    history.add("a", False)

    def full(*_):
        raise Refusal("No space left.", 507)

    monkeypatch.setattr(module, "write_json", full)
    with pytest.raises(Refusal):
        history.add("b", False)
    assert [entry["case"] for entry in history.entries()] == ["a"]


def test_not_a_number_becomes_null(path):
    History(path).add("a", False, mean=float("nan"))
    assert read_json(path)["entries"][0]["mean"] is None


def test_the_outlook_follows_the_file(path):
    outlook = Outlook(path)
    assert outlook() == {}
    history = History(path)
    history.add("a", False, mean=0.5, labels=2)
    assert "1 of at least 4" in outlook()["advice"]
    assert outlook() is outlook()
    for number in (4, 8, 16):
        history.add(f"case {number}", False, mean=0.5, labels=number)
    assert outlook()["gain"] == 0
    assert "points" not in outlook()
    path.write_text("{")
    assert "gain" not in outlook()
