"""Accepting a stored proposal: what is stored, of which kind, and when it is refused."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.files import stamp
from fewlabel.inference.segment import FewLabelInfer
from fewlabel.service.label_all import label_all_of
from fewlabel.volumes.reading import read_label, write_volume


@pytest.fixture
def pool(service):
    """A service with a model (version 3) and a proposal for every scan."""
    service.submit("e", kind="drawn")
    service.publish()
    label_all(service)
    return service


def label_all(service):
    service.ask("POST", "label_all", 202)
    for thread in threading.enumerate():
        if thread.name == "label all":
            thread.join(600)
    assert service.get("label_all")["state"] == "done"


def proposed(service, case):
    return label_all_of(service.study).store.proposal(case, stamp(service.store.get_image_uri(case)))


def files(service):
    folder = service.study.studies / "labels"
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("case", ["a", "b"])
def test_the_label_is_the_proposal_voxel_by_voxel_and_of_the_kind_accepted(pool, case):
    answer = pool.ask("POST", f"accept/{case}", json={"version": 3, "client_id": "anna"})
    assert answer == {"id": case, "state": "submitted", "kind": "accepted", "notes": []}
    stored = read_label(pool.store.get_label_uri(case, "final"))
    assert np.array_equal(stored.array, proposed(pool, case).labels)
    assert stored.array.any()
    assert np.allclose(stored.affine, pool.affine)
    row = pool.cases()[case]
    assert (row["kind"], row["kind_unknown"], row["proposal"]) == ("accepted", False, None)
    info = pool.store.get_label_info(case, "final")
    assert [each["name"] for each in info["label_info"]] == list(pool.classes)
    entry = pool.get("history")["entries"][-1]
    assert (entry["case"], entry["kind"], entry["mean"], entry["changed"]) == (case, "accepted", 1.0, 0)


def test_it_equals_what_infer_gives(pool):
    image = pool.store.get_image_uri("a")
    pool.ask("POST", "accept/a", json={"version": 3})
    again = FewLabelInfer(pool.workspace, "cpu")
    assert np.array_equal(
        again.predict(again.published("cpu"), Path(image), "cpu").labels,
        read_label(pool.store.get_label_uri("a", "final")).array,
    )


def test_nothing_is_predicted_for_it(pool, monkeypatch):
    def fail(*_):
        raise AssertionError("a person would wait for this")

    monkeypatch.setattr(FewLabelInfer, "predict", fail)
    pool.ask("POST", "accept/a", json={"version": 3})
    assert pool.get("history")["entries"][-1]["changed"] == 0


def test_it_is_taken_back_like_any_submission_and_can_be_accepted_again(pool):
    before = files(pool)
    pool.ask("POST", "accept/a", json={"version": 3})
    assert pool.ask("POST", "undo/a") == {"id": "a", "state": "unlabelled"}
    after = files(pool)
    assert after.keys() == before.keys()
    assert pool.cases()["a"]["proposal"]["version"] == 3
    assert pool.ask("POST", "accept/a", json={"version": 3})["kind"] == "accepted"


def test_a_proposal_of_another_version_than_was_shown_is_refused(pool):
    pool.publish(version=4)
    label_all(pool)
    before = files(pool)
    assert "is now of version 4 of the model, not 3" in pool.refused("POST", "accept/a", 409, json={"version": 3})
    assert files(pool) == before
    assert pool.ask("POST", "accept/a", json={"version": 4})["kind"] == "accepted"


def test_one_of_an_older_model_is_accepted_if_it_was_shown(pool):
    pool.publish(version=4)
    assert pool.cases()["a"]["proposal"]["newest"] is False
    assert pool.ask("POST", "accept/a", json={"version": 3})["kind"] == "accepted"
    pool.study.reviewer.wait()
    assert np.array_equal(read_label(pool.store.get_label_uri("a", "final")).array, proposed(pool, "a").labels)


def test_what_cannot_be_accepted_is_refused_and_nothing_is_stored(pool):
    before = files(pool)
    assert "has a label already" in pool.refused("POST", "accept/e", 409, json={"version": 3})
    assert "No image 'zzz'" in pool.refused("POST", "accept/zzz", 404, json={"version": 3})
    assert "version" in pool.refused("POST", "accept/a", 422, json={})
    other = np.random.default_rng(9).normal(size=pool.shape).astype(np.float32)
    write_volume(pool.store.get_image_uri("c"), other, pool.affine)
    assert "no stored proposal for 'c'" in pool.refused("POST", "accept/c", 409, json={"version": 3})
    assert files(pool) == before


def test_values_follow_the_names_of_the_study_s_classes(pool):
    pool.workspace.set_classes(["tumour", "organ"])
    pool.ask("POST", "accept/a", json={"version": 3})
    table = np.array([0, 2, 1], np.uint8)
    stored = read_label(pool.store.get_label_uri("a", "final")).array
    assert np.array_equal(stored, table[proposed(pool, "a").labels])
    assert pool.cases()["a"]["kind"] == "accepted"


def test_a_full_disk_stores_nothing_and_leaves_no_file(pool, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def full(*_, **__):
        raise Refusal("Could not write it.", 507)

    monkeypatch.setattr(pool.store, "save_label", full)
    left = set(os.listdir(tmp_path))
    assert "Could not write it" in pool.refused("POST", "accept/a", 507, json={"version": 3})
    assert set(os.listdir(tmp_path)) == left
    assert pool.cases()["a"]["state"] == "unlabelled"


def test_a_rejected_one_comes_back_last(pool):
    pool.ask("POST", "skip/a", json={"reason": "the proposal was rejected"})
    assert pool.study.strategies()["first"]({}, pool.store)["id"] == "b"
    row = pool.cases()["a"]
    assert (row["skipped"], row["proposal"]["version"]) == (True, 3)
