"""Label all: what it predicts, when it waits and ends, and what is known of each proposal."""

import threading
from pathlib import Path

import numpy as np
import pytest

from fewlabel.files import stamp
from fewlabel.inference import segment as segment_module
from fewlabel.predictions.propose import Proposer
from fewlabel.predictions.store import PredictionStore
from fewlabel.service import pool_filling
from fewlabel.service.label_all import LabelAll, label_all_of
from fewlabel.service.pool_filling import PoolFiller
from fewlabel.study import Study
from fewlabel.volumes.reading import read_label, write_volume
from fewlabel.workspace import read_json, write_json


def at_work():
    """Its threads."""
    return [thread for thread in threading.enumerate() if thread.name == "label all"]


def wait(service):
    """Until the thread has ended; the answer then."""
    for thread in at_work():
        thread.join(600)
    return service.get("label_all")


def label_all(service):
    service.ask("POST", "label_all", 202)
    return wait(service)


@pytest.fixture(autouse=True)
def in_a_few_passes(monkeypatch):
    """Work that would never end fails."""
    passes, original = [], PoolFiller._predict

    def predict(self, cases, proposer):
        passes.append(cases)
        assert len(passes) < 20
        original(self, cases, proposer)

    monkeypatch.setattr(PoolFiller, "_predict", predict)


@pytest.fixture
def counted(monkeypatch):
    """Cases in the order in which they were predicted."""
    seen, original = [], Proposer.__call__

    def count(self, case, image):
        seen.append(case)
        return original(self, case, image)

    monkeypatch.setattr(Proposer, "__call__", count)
    return seen


@pytest.fixture
def held(monkeypatch):
    """The prediction of "c" waits before its first crop, for ``go_on``, while ``people`` may ask."""

    class Held:
        begun, go_on = threading.Event(), threading.Event()

    original = Proposer.__call__

    def hold(self, case, image):
        if case == "c":
            Held.begun.set()
            assert Held.go_on.wait(600)
        return original(self, case, image)

    monkeypatch.setattr(Proposer, "__call__", hold)
    yield Held
    Held.go_on.set()  # a test that failed holds up no other


def test_nothing_is_predicted_before_a_training(service):
    assert "not trained yet" in service.refused("POST", "label_all", 409)
    answer = service.get("label_all")
    assert (answer["state"], answer["done"], answer["of"], answer["model_version"]) == ("idle", 0, 5, None)
    assert service.ask("DELETE", "label_all")["state"] == "idle"


def test_every_scan_without_a_label_and_no_other_gets_a_proposal_with_its_score(service, counted):
    service.publish()
    service.submit("b")
    answer = label_all(service)
    assert (answer["state"], answer["done"], answer["of"], answer["left_out"]) == ("done", 4, 4, 0)
    assert (answer["model_version"], answer["error"], answer["seconds_left"]) == (3, None, None)
    assert "No expected Dice yet" in answer["calibration"]
    assert counted == list("acde")
    cases = service.cases()
    assert cases["b"]["proposal"] is None
    for case in "acde":
        said = cases[case]["proposal"]
        assert (said["version"], said["newest"], said["dice"], said["low"]) == (3, True, None, None)
        assert 0 < said["score"] <= 1
    assert label_all(service)["state"] == "done"
    assert counted == list("acde"), "nothing is predicted twice"


def test_the_expected_dice_comes_from_the_history_of_corrections(service):
    service.publish()
    label_all(service)
    known = {"first": True, "kind": "corrected", "mean": 0.5, "confidence": {"organ": 0.6}}
    entries = [{"case": str(number), **known} for number in range(7)]
    write_json(service.workspace.history, {"notes": [], "entries": entries})
    said = service.cases()["a"]["proposal"]
    assert 0 < said["dice"] < 1
    assert said["low"] is said["high"] is None
    write_json(service.workspace.history, {"notes": [], "entries": [*entries, {"case": "8", **known}]})
    said = service.cases()["a"]["proposal"]
    assert (said["dice"], said["low"], said["high"]) == (0.5, 0.5, 0.5)
    assert "8 labels" in service.get("label_all")["calibration"]


def test_a_submitted_label_is_compared_with_the_certainty_of_the_model_that_had_not_learned_it(service):
    service.publish()
    label_all(service)
    proposal = label_all_of(service.study).store.proposal("b", stamp(service.store.get_image_uri("b")))
    service.submit("b")
    service.study.saved("b")
    entry = service.get("history")["entries"][0]
    assert (entry["model_version"], entry["first"]) == (3, True)
    assert list(entry["confidence"].values()) == pytest.approx(list(proposal.head.probability), abs=1e-3)
    assert service.cases()["c"]["proposal"]["dice"] is not None


def test_a_newer_model_is_used_from_the_next_scan_on(service, held, counted):
    service.publish()
    service.ask("POST", "label_all", 202)
    assert held.begun.wait(600)
    service.publish(version=4)
    held.go_on.set()
    answer = wait(service)
    assert (answer["state"], answer["model_version"], answer["done"]) == ("done", 4, 5)
    assert counted == list("abcdeabc"), "first those without any, then the oldest"
    assert {each["proposal"]["version"] for each in service.cases().values()} == {4}


def test_proposals_of_an_older_model_are_shown_as_such(service):
    service.publish()
    label_all(service)
    service.publish(version=4)
    answer = service.get("label_all")
    assert (answer["state"], answer["done"], answer["of"]) == ("idle", 0, 5)
    assert {each["proposal"]["newest"] for each in service.cases().values()} == {False}
    service.publish(version=3, time=5)
    assert service.get("label_all")["model_version"] == 3


def test_it_ends_when_asked_and_goes_on_where_it_was(service, held, counted):
    service.publish()
    answer = service.ask("POST", "label_all", 202)
    assert held.begun.wait(600)
    assert service.ask("POST", "label_all", 202)["state"] == "running", "a second person changes nothing"
    answer = service.get("label_all")
    assert (answer["state"], answer["done"], answer["of"]) == ("running", 2, 5)
    assert answer["seconds_left"] > 0
    assert service.ask("DELETE", "label_all")["state"] == "idle"
    held.go_on.set()
    assert wait(service)["done"] == 2, "it ends at the next crop"
    assert read_json(service.workspace.label_all) == {"on": False}
    answer = label_all(service)
    assert (answer["state"], answer["done"]) == ("done", 5)
    assert counted == list("abccde")


def test_it_can_be_started_again_before_it_has_ended(service, held):
    service.publish()
    service.ask("POST", "label_all", 202)
    assert held.begun.wait(600)
    service.ask("DELETE", "label_all")
    assert service.ask("POST", "label_all", 202)["state"] == "running"
    held.go_on.set()
    answer = wait(service)
    assert (answer["state"], answer["done"]) == ("done", 5)


def test_whoever_asks_for_something_comes_first(service, monkeypatch):
    service.publish()
    waited = threading.Event()
    monkeypatch.setattr(pool_filling.time, "sleep", lambda seconds: waited.set())
    with service.study.keeper.people.ask():
        service.ask("POST", "label_all", 202)
        while not waited.wait(0.01):
            assert at_work(), "it was done before it waited"
        assert service.get("label_all")["done"] == 0
    assert wait(service)["done"] == 5


def test_after_a_restart_it_goes_on_only_if_it_was_running(service, counted):
    service.publish()
    label_all(service)
    again = Study(str(service.study.studies), {})
    again.datastore()
    resumed = LabelAll(again)
    resumed.resume()
    assert not resumed.is_running
    service.publish(version=4)
    write_json(service.workspace.label_all, {"on": True})  # as a killed server leaves it
    resumed.resume()
    wait(service)
    assert resumed.status().state == "done"
    assert counted == list("abcde") * 2
    assert read_json(service.workspace.label_all) == {"on": False}


@pytest.mark.parametrize("record", ["nothing", [], {"on": "yes"}])
def test_a_damaged_record_starts_nothing(service, record):
    service.publish()
    write_json(service.workspace.label_all, record)
    work = LabelAll(service.study)
    work.resume()
    assert not work.is_running


def test_a_scan_that_cannot_be_read_is_left_out_and_one_that_is_replaced_is_predicted_again(service, counted):
    service.publish()
    path = service.store.get_image_uri("c")
    whole = Path(path).read_bytes()
    Path(path).write_bytes(whole[: len(whole) // 2])
    answer = label_all(service)
    assert answer["state"] == "done"
    assert answer["done"] == 4
    write_volume(path, np.random.default_rng(9).normal(size=service.shape).astype(np.float32), service.affine)
    service.store.refresh()
    assert label_all(service)["done"] == 5
    assert counted.count("a") == 1


def test_an_error_is_said_in_a_sentence_and_does_not_come_again_by_itself(service, monkeypatch):
    service.publish()

    def fail(self, case, image):
        raise ZeroDivisionError("no")

    monkeypatch.setattr(Proposer, "__call__", fail)
    answer = label_all(service)
    assert answer["state"] == "failed"
    assert answer["error"] == "Label all ended with an error (no): see the server's log."
    assert read_json(service.workspace.label_all) == {"on": False}
    monkeypatch.undo()
    answer = label_all(service)
    assert (answer["state"], answer["error"]) == ("done", None)


def test_the_disk_is_bounded(service, monkeypatch):
    service.publish()
    monkeypatch.setattr(PredictionStore, "put", lambda self, proposal: False)
    assert "predictions_gb" in label_all(service)["error"]


def test_without_its_model_it_says_so(service):
    service.publish()
    work = label_all_of(service.study)
    with service.study.keeper.people.ask():
        work.start()
        service.workspace.model.unlink()
    answer = wait(service)
    assert answer["state"] == "failed"
    assert "train again" in answer["error"]


def test_infer_gives_the_stored_proposal_and_predicts_only_what_is_not_stored(service, monkeypatch):
    service.publish()
    infer = service.study.infer
    image = service.store.get_image_uri("a")
    request = {"image": image, "result_extension": ".nii.gz"}
    file, params = infer(request)
    expected, checksum = read_label(file).array, params["checksum"]
    label_all(service)
    seen = []
    monkeypatch.setattr(segment_module, "segment", lambda *_, **__: seen.append(1) or 1 / 0)
    file, params = infer(request)
    assert np.array_equal(read_label(file).array, expected)
    assert (params["checksum"], params["model_version"]) == (checksum, 3)
    assert not seen
    write_volume(image, np.random.default_rng(9).normal(size=service.shape).astype(np.float32), service.affine)
    with pytest.raises(ZeroDivisionError):
        infer(request)
    service.publish(version=4)
    with pytest.raises(ZeroDivisionError):
        infer({**request, "image": service.store.get_image_uri("b")})
