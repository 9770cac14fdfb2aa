"""A model that is sent is published only where it is usable here and not worse."""

import io

import numpy as np
import pytest
import torch

from fewlabel.networks import NETWORKS
from fewlabel.published import load_members, read_card
from fewlabel.replaced import put_aside
from fewlabel.training.validation import Measured, Validator
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import read_json, write_json

CLASSES = ("organ", "tumour")


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
        Validator, "__call__", lambda self, *_: measured.append([each["id"] for each in self.records]) or Measured()
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
