"""Models that are sent or deleted: the published one is only replaced by one that is usable here and not worse."""

import io
import threading

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan
from fewlabel.published import load_members, load_published, read_card, save_published
from fewlabel.replaced import KEPT, put_aside, restore
from fewlabel.service import models
from fewlabel.training import offered
from fewlabel.training.validation import Validator
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import read_json, write_json

CLASSES = ("organ", "tumour")
PLAN = {
    "spacing": (1.0, 1.0, 1.0),
    "patch": (16, 16, 16),
    "normalisation": "meanstd",
    "bounds": None,
    "network": "unet_small",
    "batch": 1,
    "classes": CLASSES,
}


@pytest.fixture(name="sent")
def sent_fixture(tmp_path):
    """Callable giving the bytes of a model with other weights than the published one."""

    def make(seed=5, others=(), card=None, change=None, **plan):
        plan = Plan(**{**PLAN, **plan})
        torch.manual_seed(seed)
        network = NETWORKS["unet_small"](len(plan.classes) + 1)
        if change:
            change(network)
        file = tmp_path / "sent.pt"
        save_published(file, network, plan, {"version": 77, "method": "bcp", **(card or {})}, others)
        return file.read_bytes()

    return make


class Desk:
    """A study of five scans, three labelled, two of them kept for validation."""

    def __init__(self, service, monkeypatch):
        self.service, self.workspace, self.monkeypatch = service, service.workspace, monkeypatch
        for name in "abc":
            service.submit(name)
        write_json(self.workspace.pools, {"validation": ["a", "c"], "trained": ["b"]})
        app = FastAPI()
        app.include_router(models.make_model_router(service.study))
        self.client = TestClient(app)

    def ask(self, method, status=200, content=None, model="fewlabel"):
        files = None if content is None else {"file": ("../../evil/model.pt", io.BytesIO(content))}
        answer = self.client.request(method, f"/model/{model}", files=files)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, method, status, content=None, model="fewlabel"):
        """The sentence; nothing may have changed."""
        before = self.workspace.model.read_bytes() if self.workspace.model.exists() else None
        detail = self.ask(method, status, content, model)["detail"]
        assert before == (self.workspace.model.read_bytes() if self.workspace.model.exists() else None)
        assert detail.endswith(".")
        return detail

    def dice(self, *values):
        """What validations measure from now on, one after the other; the last for ever."""
        left = list(values)

        def measure(validator, network, beat=None):
            value = left.pop(0) if len(left) > 1 else left[0]
            return dict.fromkeys(CLASSES, value) if validator.records else {}

        self.monkeypatch.setattr(Validator, "__call__", measure)


@pytest.fixture
def desk(service, monkeypatch):
    return Desk(service, monkeypatch)


def same_weights(path, content):
    sent = torch.load(io.BytesIO(content), weights_only=True)["model"]
    ours = load_published(path).network.state_dict()
    return all(torch.equal(ours[key], sent[key]) for key in ours)


@pytest.mark.parametrize("measured", [(0.8, 0.8), (0.81, 0.8)])
def test_a_model_that_is_not_worse_is_published_and_the_old_one_can_be_put_back(desk, sent, measured):
    desk.service.publish()
    old = desk.workspace.model.read_bytes()
    desk.dice(*measured)
    content = sent()
    answer = desk.ask("PUT", content=content)
    assert (answer["version"], answer["validated"]) == (4, True)
    assert answer["validation"] == dict.fromkeys(CLASSES, measured[0])
    assert same_weights(desk.workspace.model, content)
    assert [aside.path.read_bytes() for aside in put_aside(desk.workspace)] == [old]
    assert "--restore-model 3" in " ".join(answer["notes"])
    assert restore(desk.workspace, 3) == 5
    assert same_weights(desk.workspace.model, old)
    assert [aside.version for aside in put_aside(desk.workspace)] == [4, 3]


def test_a_worse_model_is_refused_with_both_figures_and_the_old_one_stays(desk, sent):
    desk.service.publish()
    desk.dice(0.79, 0.8)
    sentence = desk.refused("PUT", 409, sent())
    assert "0.790" in sentence
    assert "0.800" in sentence
    assert not put_aside(desk.workspace)


def test_both_are_really_measured_on_the_cases_that_are_kept_for_validation(desk, sent):
    """A network that always says 'organ' has a Dice above 0 where the one that always says background has 0."""

    def always(value):
        def change(network):
            for parameter in network.parameters():
                torch.nn.init.zeros_(parameter)
            with torch.no_grad():
                list(network.parameters())[-1][value] = 10.0

        return change

    good, bad = sent(change=always(1)), sent(change=always(0))
    assert desk.ask("PUT", content=good)["validation"]["organ"] > 0.1
    assert "worse on the validation cases" in desk.refused("PUT", 409, bad)
    desk.ask("DELETE")
    assert desk.ask("PUT", content=bad)["validation"]["organ"] == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "not a model"), (b"MZ\x90 any bytes", "not a model"), (b"PK\x03\x04" + bytes(200), "not a model")],
)
def test_bytes_that_are_no_model_are_refused(desk, content, words):
    desk.service.publish()
    assert words in desk.refused("PUT", 422, content)
    desk.workspace.model.unlink()
    assert words in desk.refused("PUT", 422, content)


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('code of the file was run')",)


def test_no_code_of_a_file_is_run(desk):
    desk.service.publish()
    buffer = io.BytesIO()
    torch.save({"model": Evil()}, buffer)
    assert "not a model" in desk.refused("PUT", 422, buffer.getvalue())


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"classes": ("tumour", "organ")}, "order must be the same"),
        ({"classes": ("organ",)}, "knows the classes organ"),
        ({"classes": ("organ", "tumour", "vessel")}, "vessel"),
        ({"spacing": (1e-3, 1e-3, 1e-3)}, "too many"),
        ({"spacing": (1.0, 0.0, 1.0)}, "out of its range"),
        ({"patch": (2048, 2048, 2048)}, "cannot be used"),
        ({"patch": (15, 16, 16)}, "out of its range"),
        ({"normalisation": "ct", "bounds": ("a", "b")}, "does not run here"),
    ],
)
def test_a_model_that_does_not_fit_the_study_is_refused(desk, sent, plan, words):
    desk.service.publish()
    assert words in desk.refused("PUT", 422, sent(**plan))


def test_weights_that_are_no_numbers_are_refused(desk, sent):
    desk.workspace.pools.unlink()  # nothing could be measured
    broken = sent(change=lambda network: torch.nn.init.constant_(next(network.parameters()), float("nan")))
    assert "weights" in desk.refused("PUT", 422, broken)


def test_a_validation_case_with_an_accepted_label_measures_nothing(desk, sent, monkeypatch):
    measured = []
    monkeypatch.setattr(
        Validator, "__call__", lambda self, *_: measured.append([each["id"] for each in self.records]) or {}
    )
    desk.service.submit("a", kind="accepted")
    desk.ask("PUT", content=sent())
    assert measured == [["c"]]


def test_without_validation_cases_a_model_is_taken_only_where_none_is_published(desk, sent):
    desk.workspace.pools.unlink()
    answer = desk.ask("PUT", content=sent())
    assert not answer["validated"]
    assert "Not validated" in answer["notes"][0]
    card = read_card(desk.workspace.model)
    assert (card["validated"], card["version"], card["sent"]) == (False, 1, True)
    assert "no validation cases" in desk.refused("PUT", 409, sent(seed=6))


def test_validation_cases_that_hold_no_class_are_none(desk, sent):
    desk.service.publish()
    desk.dice(float("nan"))
    assert "no validation cases" in desk.refused("PUT", 409, sent())


def test_a_damaged_published_model_is_replaced_by_one_that_can_be_measured(desk, sent):
    desk.workspace.model.write_bytes(b"damaged")
    assert desk.ask("PUT", content=sent())["validated"]
    assert [aside.path.read_bytes() for aside in put_aside(desk.workspace)] == [b"damaged"]


def test_the_published_model_itself_may_be_sent_and_changes_nothing(desk):
    desk.service.publish()
    desk.workspace.pools.unlink()
    before = desk.workspace.model.stat().st_mtime_ns
    answer = desk.ask("PUT", content=desk.workspace.model.read_bytes())
    assert answer["checksum"]
    assert "published already" in answer["notes"][0]
    assert desk.workspace.model.stat().st_mtime_ns == before


def test_a_file_says_nothing_of_itself_that_is_believed(desk, sent):
    lies = {"version": 10**9, "validated": True, "validation": {"<b>": 1}, "method": "$evil", "labelled": "many"}
    desk.dice(0.5)
    desk.ask("PUT", content=sent(card=lies))
    card = read_card(desk.workspace.model)
    assert (card["version"], card["method"], card["labelled"]) == (1, "unknown", 0)
    assert card["validation"] == dict.fromkeys(CLASSES, 0.5)
    assert desk.service.get("study")["model"]["version"] == 1


def test_the_members_beside_it_are_taken_along(desk, sent):
    desk.ask("PUT", content=sent(others=[("unet_small", NETWORKS["unet_small"](3))]))
    assert len(load_members(desk.workspace.model)[1]) == 2
    many = [("unet_small", NETWORKS["unet_small"](3))] * 9
    assert "cannot be used" in desk.refused("PUT", 422, sent(others=many))


def test_names_in_the_request_choose_no_path(desk, sent, tmp_path):
    def files():
        return {path for path in tmp_path.rglob("*.pt") if path.name != "sent.pt"}

    before = files()
    desk.ask("PUT", content=sent())
    assert files() - before == {desk.workspace.model}
    for model in ("nothing", "model.pt", "fewlabel%00"):
        assert "There is no model" in desk.refused("PUT", 404, sent(), model)
        assert "There is no model" in desk.refused("DELETE", 404, None, model)


@pytest.mark.parametrize("status", ["SUBMITTED", "RUNNING"])
def test_while_a_training_runs_or_waits_nothing_is_sent_or_deleted(desk, sent, monkeypatch, status):
    desk.service.publish()
    monkeypatch.setattr(models, "tasks", lambda method: [{"status": "DONE"}, {"status": status}])
    assert "training is running" in desk.refused("PUT", 409, sent())
    assert "training is running" in desk.refused("DELETE", 409)


def test_one_model_is_measured_at_a_time_and_the_loop_answers_meanwhile(desk, sent, monkeypatch):
    begun, go_on, answers = threading.Event(), threading.Event(), []

    def wait(validator, network, beat=None):
        begun.set()
        assert go_on.wait(60)
        return dict.fromkeys(CLASSES, 0.5)

    monkeypatch.setattr(Validator, "__call__", wait)
    content = sent()
    thread = threading.Thread(target=lambda: answers.append(desk.ask("PUT", content=content)))
    thread.start()
    assert begun.wait(60)
    assert desk.service.get("study")["model"] is None  # answered while the first request is still open
    assert "Another model is being checked" in desk.refused("PUT", 409, content)
    assert "is being checked" in desk.refused("DELETE", 409)
    go_on.set()
    thread.join(60)
    assert answers[0]["version"] == 1


def test_a_model_that_was_published_while_another_was_measured_is_not_overwritten(desk, sent, monkeypatch):
    def publish_meanwhile(validator, network, beat=None):
        desk.service.publish(version=9)
        return dict.fromkeys(CLASSES, 0.5)

    monkeypatch.setattr(Validator, "__call__", publish_meanwhile)
    assert "send it again" in desk.ask("PUT", 409, sent())["detail"]
    assert read_card(desk.workspace.model)["version"] == 9


def test_too_little_memory_is_said_in_words(desk, sent, monkeypatch):
    def full(*arguments):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Validator, "__call__", full)
    assert "--conf patch" in desk.refused("PUT", 503, sent())


def test_a_deleted_model_is_put_aside_and_everyone_is_told_how_to_put_it_back(desk):
    desk.service.publish()
    old = desk.workspace.model.read_bytes()
    assert "--restore-model 3" in desk.ask("DELETE")["notes"][0]
    assert not desk.workspace.model.exists()
    assert "--restore-model 3" in desk.service.get("study")["problem"]
    with pytest.raises(Exception, match="--restore-model 3"):
        desk.service.study.infer.published("cpu")
    assert "no published model" in desk.refused("DELETE", 404)
    restore(desk.workspace, 3)
    assert same_weights(desk.workspace.model, old)
    assert desk.service.get("study")["problem"] is None


def test_infer_says_of_a_model_that_was_sent_that_it_was(desk, sent):
    desk.service.publish()
    desk.dice(0.9, 0.8)
    desk.ask("PUT", content=sent())
    image = desk.service.store.get_image_uri("a")
    notes = " ".join(desk.service.study.infer({"image": image})[1]["notes"])
    assert "was sent to the server" in notes
    assert "--restore-model 3" in notes


def test_what_is_put_aside_is_bounded_in_number_and_versions_never_return(desk):
    for _ in range(KEPT + 3):
        desk.service.publish(version=offered.next_version(desk.workspace))
        desk.ask("DELETE")
    versions = [aside.version for aside in put_aside(desk.workspace)]
    assert versions == list(range(KEPT + 3, 3, -1))
    assert offered.next_version(desk.workspace) == KEPT + 4


def test_a_model_of_other_classes_is_not_put_back(desk, tmp_path):
    desk.service.publish()
    desk.ask("DELETE")
    desk.workspace.set_classes(["liver", "tumour"])
    with pytest.raises(Exception, match="train again instead"):
        restore(desk.workspace, 3)
    with pytest.raises(Exception, match="No model of version 8"):
        restore(desk.workspace, 8)


def test_scores_of_another_model_are_not_taken_for_those_of_the_one_that_is_sent(desk, sent):
    write_json(desk.workspace.scores, {"version": 12, "cases": {}})
    assert desk.ask("PUT", content=sent())["version"] == 13
    assert read_json(desk.workspace.scores)["version"] == 12


def test_a_validation_case_that_cannot_be_read_is_left_out(desk, sent):
    with open(desk.service.store.get_label_uri("a", "final"), "wb") as file:
        file.write(b"damaged")
    array = np.full(desk.service.shape, 7, np.uint8)
    write_volume(desk.service.store.get_label_uri("c", "final"), array, desk.service.affine)
    assert not desk.ask("PUT", content=sent())["validated"]
