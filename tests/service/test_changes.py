"""Skips, and submissions that are taken back."""

import os

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.selection.leases import PUT_OFF
from fewlabel.study import Study
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import read_json, write_json

# --- skipping


def test_a_skipped_case_comes_back_after_a_day_or_when_asked(service):
    service.study.leases.give(["a"])
    answer = service.ask("POST", "skip/a", json={"reason": " too dark "})
    assert answer == {"id": "a", "skipped_until": 1e9 + PUT_OFF}
    case = service.cases()["a"]
    assert (case["state"], case["skipped"], case["skip_reason"]) == ("unlabelled", True, "too dark")
    assert service.ask("DELETE", "skip/a") == {"id": "a"}
    case = service.cases()["a"]
    assert (case["skipped"], case["skip_reason"]) == (False, None)
    service.ask("POST", "skip/b")
    assert service.cases()["b"]["skip_reason"] is None
    service.now += PUT_OFF + 1
    assert service.cases()["b"]["skipped"] is False
    assert service.ask("DELETE", "skip/b") == {"id": "b"}


def test_the_strategies_know_of_a_skip_and_of_its_end_over_a_restart(service):
    service.ask("POST", "skip/a", json={"reason": "dark"})
    assert service.study.strategies()["first"]({}, service.store)["id"] == "b"
    again = Study(str(service.study.studies), {})
    again.leases.clock = lambda: service.now
    assert again.leases.reason("a") == "dark"
    service.ask("DELETE", "skip/a")
    assert service.study.strategies()["first"]({}, service.store)["id"] == "a"
    assert read_json(service.workspace.leases)["reasons"] == {}


def test_what_cannot_be_skipped_is_refused(service):
    service.submit("a")
    assert "'a' has a label" in service.refused("POST", "skip/a", 409, json={"reason": "x"})
    for method in ("POST", "DELETE"):
        assert "No image 'zzz'" in service.refused(method, "skip/zzz", 404)
    assert "reason" in service.refused("POST", "skip/b", 422, json={"reason": "x" * 501})
    assert "reason" in service.refused("POST", "skip/b", 422, json={"reason": 5})
    assert "JSON" in service.refused("POST", "skip/b", 422, content="{", headers={"Content-Type": "application/json"})
    assert service.cases()["b"]["skipped"] is False


# --- taking back


def test_undo_restores_the_earlier_label_exactly_and_only_once(service):
    service.submit("a", 1)
    earlier, info = service.label("a"), service.store.get_label_info("a", "final")
    sidecar = read_json(service.workspace.labels / "a.json")
    service.submit("a", 2)
    assert service.label("a") != earlier
    counts = service.counts()
    assert service.ask("POST", "undo/a") == {"id": "a", "state": "submitted"}
    assert service.label("a") == earlier
    assert service.store.get_label_info("a", "final") == info
    assert read_json(service.workspace.labels / "a.json") == sidecar
    assert service.counts() == counts
    assert "only the last one" in service.refused("POST", "undo/a", 409)
    assert service.label("a") == earlier


def test_undo_of_a_first_submission_makes_the_case_unlabelled(service):
    service.submit("a")
    service.submit("b")
    assert service.ask("POST", "undo/a") == {"id": "a", "state": "unlabelled"}
    assert service.counts() == {"cases": 5, "submitted": 1, "validation": 0, "in_work": 0, "unlabelled": 4}
    assert service.store.get_label_uri("a", "final") == ""
    assert not list(service.study.studies.rglob("labels/final/a*"))
    assert not (service.workspace.labels / "a.json").exists()
    assert "no submitted label" in service.refused("POST", "undo/a", 409)
    assert service.study.workspace.classes() == list(service.classes)


def test_classes_that_were_learned_from_a_label_are_forgotten_with_it(service):
    service.submit("a", names=("wrong", "names"))
    service.ask("POST", "undo/a")
    assert service.get("study")["classes"] == []
    service.submit("a")
    assert [each["name"] for each in service.get("study")["classes"]] == list(service.classes)


def test_a_label_that_came_by_hand_in_another_format_is_restored(service):
    service.submit("b")
    array = np.zeros(service.shape, np.uint8)
    write_volume(service.study.studies / "labels" / "final" / "a.nrrd", array, service.affine)
    service.store.refresh()
    earlier = service.label("a")
    service.submit("a")
    assert service.label("a")[0] == "a.nii.gz"
    service.ask("POST", "undo/a")
    assert service.label("a") == earlier
    assert not list(service.study.studies.rglob("labels/final/a.nii.gz"))
    service.store.refresh()
    assert service.label("a") == earlier


def test_a_validation_case_stays_one(service):
    service.submit("a", 1)
    service.submit("a", 2)
    write_json(service.workspace.pools, {"validation": ["a"], "trained": []})
    assert service.ask("POST", "undo/a")["state"] == "validation"
    service.store.remove_label("a", "final")
    service.submit("a")
    assert service.ask("POST", "undo/a")["state"] == "unlabelled"
    service.submit("a")
    assert service.cases()["a"]["state"] == "validation"
    assert read_json(service.workspace.pools) == {"validation": ["a"], "trained": []}


def test_undo_survives_a_restart(service):
    service.submit("a", 1)
    earlier = service.label("a")
    service.submit("a", 2)
    again = Study(str(service.study.studies), {})
    again.datastore().undo_label("a")
    assert service.label("a") == earlier


def test_what_cannot_be_taken_back_is_refused_and_stays(service):
    assert "No image 'zzz'" in service.refused("POST", "undo/zzz", 404)
    assert "no submitted label" in service.refused("POST", "undo/a", 409)
    service.submit("a", 1)
    service.submit("a", 2)
    path = service.study.studies / "labels" / "final" / "a.nii.gz"
    write_volume(path, np.ones(service.shape, np.uint8), service.affine)
    by_hand = path.read_bytes()
    assert "changed by hand" in service.refused("POST", "undo/a", 409)
    assert path.read_bytes() == by_hand
    service.store.remove_label("a", "final")
    assert not list(service.workspace.undo.iterdir())


def test_a_submission_that_is_refused_leaves_the_undo_of_the_one_before(service):
    service.submit("a", 1)
    earlier = service.label("a")
    service.submit("a", 2)
    with pytest.raises(Refusal):
        service.submit("a", 1, names=("other", "names"))
    service.ask("POST", "undo/a")
    assert service.label("a") == earlier


def test_a_disk_that_is_full_for_the_undo_does_not_stop_a_submission(service, monkeypatch):
    service.submit("a", 1)
    replace = os.replace

    def refuse(source, target):
        if f"{os.sep}undo{os.sep}" in str(target):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr("fewlabel.workspace.os.replace", refuse)
    service.submit("a", 2)
    later = service.label("a")
    service.refused("POST", "undo/a", 409)
    assert service.label("a") == later


def test_a_server_that_is_killed_between_a_label_and_its_undo_takes_nothing_wrong_back(service, monkeypatch):
    service.submit("a", 1)
    service.submit("a", 2)

    def die(*arguments):
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("fewlabel.datastore.undo.write_json", die)
        with pytest.raises(SystemExit):
            service.submit("a", 0)
    later = service.label("a")
    service.refused("POST", "undo/a", 409)
    assert service.label("a") == later
