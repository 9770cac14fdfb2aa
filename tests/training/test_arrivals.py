"""Labels that come, change or go, seen by a process that does not store them."""

from __future__ import annotations

import numpy as np
import pytest

from fewlabel.datastore.store import StudyDatastore
from fewlabel.training import arrivals as arrivals_module
from fewlabel.training.arrivals import Arrivals, in_order, known_labels
from fewlabel.volumes.reading import write_volume

AFFINE = np.diag([1.0, 1.0, 1.5, 1.0])


@pytest.fixture
def seen(make_study, clock, monkeypatch):
    """A study with one label; what a background process sees of it, five seconds later at each look."""
    study = make_study(5)
    study.label("a")
    store = StudyDatastore(str(study.folder), study.workspace, auto_reload=False, read_only=True)
    monkeypatch.setattr(arrivals_module, "time", clock)
    study.arrivals = Arrivals(store, study.workspace)

    def changed():
        clock.now += 5
        return study.arrivals.changed()

    study.changed = changed
    return study


def test_nothing_has_changed_where_nothing_was_done(seen):
    assert not seen.changed()
    assert not seen.changed()


def test_a_label_that_comes_is_seen_with_the_next_look(seen):
    seen.label("c")
    assert not seen.arrivals.changed(), "not before it is time"
    assert seen.changed()
    assert seen.arrivals.take_in() == (["c"], [])
    assert not seen.changed()


def test_one_that_came_before_the_first_look_is_seen_too(make_study, clock, monkeypatch):
    study = make_study(3)
    study.label("a")
    store = StudyDatastore(str(study.folder), study.workspace, auto_reload=False, read_only=True)
    study.label("b")
    monkeypatch.setattr(arrivals_module, "time", clock)
    arrivals = Arrivals(store, study.workspace)
    clock.now += 5
    assert arrivals.changed()
    assert arrivals.take_in()[0] == ["b"]


def test_a_label_that_is_replaced_is_new(seen):
    seen.label("a", array=np.ones((20, 18, 16), np.uint8))
    assert seen.changed()
    assert seen.arrivals.take_in() == (["a"], [])


def test_a_label_whose_file_is_overwritten_is_new(seen):
    """As by a program that opens it and saves: its folder does not change."""
    seen.changed()
    file = seen.label_file("a")
    other = seen.folder.parent / "other.nii.gz"
    write_volume(other, np.ones((20, 18, 16), np.uint8), AFFINE)
    with file.open("r+b") as opened:
        opened.truncate(0)
        opened.write(other.read_bytes())
    assert seen.changed()
    assert seen.arrivals.take_in() == (["a"], [])


def test_a_change_is_reported_until_it_is_taken_in(seen):
    """Who asks first, scoring say, does not take it from who asks next."""
    seen.label("c")
    assert seen.changed()
    assert seen.changed()
    assert seen.arrivals.changed(), "between two looks too"
    seen.arrivals.take_in()
    assert not seen.arrivals.changed()
    assert not seen.changed()


def test_a_label_that_is_taken_back_is_gone(seen):
    seen.label("b")
    seen.changed()
    seen.arrivals.take_in()
    seen.store.remove_label("b", "final")
    assert seen.changed()
    assert seen.arrivals.take_in() == ([], ["b"])


def test_handing_out_a_case_is_no_change(seen):
    seen.store.update_image_info("b", {"strategy": {"random": {"ts": 1}}})
    seen.store.entries.save()
    assert not seen.changed()


def test_server_and_training_know_the_same_labels(seen):
    seen.label("bc")
    assert seen.changed()
    seen.arrivals.take_in()
    assert known_labels(seen.store) == seen.arrivals.known
    assert set(seen.arrivals.known) == {"a", "b", "c"}


def test_looking_at_many_labels_takes_a_twentieth_of_the_time_at_most(seen, clock, monkeypatch):
    looks = []

    def slow(arrivals):
        looks.append(clock.now)
        clock.now += 2
        return {}

    monkeypatch.setattr(Arrivals, "_look_at_files", slow)
    for clock.now in range(100, 300):
        seen.arrivals.changed()
    assert looks == [100, 142, 184, 226, 268]


def test_labels_are_in_the_order_in_which_they_were_submitted(make_study, monkeypatch):
    study = make_study(4)
    for second, name in enumerate("dbca"):
        monkeypatch.setattr("fewlabel.datastore.incoming_labels.time.time", lambda second=second: 1000.0 + second)
        study.label(name)
    assert in_order(study.store) == list("dbca")


def test_an_accepted_proposal_can_never_validate(seen):
    """It is a model's answer, and would flatter every model that resembles it."""
    seen.accept("b")
    assert "b" in seen.store.get_labeled_images()
    assert in_order(seen.store) == ["a"]


def test_an_accepted_label_is_no_news_where_it_is_not_trained_on(seen):
    before = known_labels(seen.store, accepted=False)
    seen.accept("b")
    assert known_labels(seen.store, accepted=False) == before
    assert known_labels(seen.store).keys() == {*before, "b"}
