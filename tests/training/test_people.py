"""A training waits while somebody asks the server for something."""

from __future__ import annotations

import os
import threading
import time

from fewlabel.training.people import People, is_asked, wait_for_people


def test_nobody_asks_unless_somebody_does(tmp_path):
    people = People(tmp_path / "ask")
    assert not is_asked(people.file)
    with people.ask():
        assert is_asked(people.file)
    assert not is_asked(people.file)


def test_the_last_of_two_lets_the_training_go_on(tmp_path):
    people = People(tmp_path / "ask")
    with people.ask():
        with people.ask():
            pass
        assert is_asked(people.file)
    assert not is_asked(people.file)


def test_an_answer_that_fails_lets_it_go_on_too(tmp_path):
    people = People(tmp_path / "ask")
    try:
        with people.ask():
            raise ValueError
    except ValueError:
        pass
    assert not is_asked(people.file)


def test_a_server_that_died_asks_for_nothing(tmp_path):
    file = tmp_path / "ask"
    file.touch()
    os.utime(file, (time.time() - 3600,) * 2)
    assert not is_asked(file)


def test_a_folder_that_cannot_be_written_keeps_nobody_from_an_answer(tmp_path):
    people = People(tmp_path / "missing" / "ask")
    with people.ask():
        assert not is_asked(people.file)


def test_who_waits_goes_on_when_nobody_asks(tmp_path):
    people, went_on = People(tmp_path / "ask"), threading.Event()
    with people.ask():
        waiting = threading.Thread(target=lambda: (wait_for_people(people.file), went_on.set()))
        waiting.start()
        assert not went_on.wait(0.3)
    assert went_on.wait(30)
    waiting.join()
