"""Whether a training goes on by itself: what the server was started with, and what people chose since."""

from __future__ import annotations

import pytest

from fewlabel.settings import Settings
from fewlabel.training.mode import Mode, asked_for
from fewlabel.workspace import Workspace


@pytest.fixture
def mode(tmp_path):
    """Callable (training): the mode of one study, on a server that was started with this setting."""
    workspace = Workspace(tmp_path)
    return lambda training: Mode(workspace, Settings(training=training))


@pytest.mark.parametrize("training", ["continuous", "on_request"])
def test_the_server_s_setting_holds_until_somebody_chooses(mode, training):
    assert mode(training)() == training
    assert not mode(training).rests()


def test_what_somebody_chose_survives_a_restart(mode):
    mode("on_request").remember("continuous", rests=True)
    assert mode("on_request")() == "continuous"
    assert mode("on_request").rests()


def test_a_server_that_is_started_otherwise_overrules_it(mode):
    mode("on_request").remember("continuous")
    mode("continuous").remember("on_request")
    assert mode("on_request")() == "on_request"


def test_resting_and_going_on_leave_the_choice(mode):
    mode("on_request").remember("continuous", rests=True)
    mode("on_request").remember(rests=False)
    assert mode("on_request")() == "continuous"
    assert not mode("on_request").rests()


def test_what_a_training_goes_on_with_is_remembered_and_the_length_of_one_training_is_not(mode):
    mode("on_request").remember(
        "continuous", options={"method": "dtlp", "max_minutes": 3, "max_steps": 9, "training": "continuous"}
    )
    mode("on_request").remember(rests=True, options={"device": ["cpu"]})
    assert mode("on_request").options() == {"method": "dtlp", "device": ["cpu"]}
    assert mode("continuous").options() == {}, "a server that is started otherwise overrules it"


def test_options_that_cannot_be_met_any_more_are_none(mode, tmp_path):
    mode("continuous").remember(options={"method": "dtlp"})
    file = tmp_path / "training.json"
    file.write_text(file.read_text().replace("dtlp", "of another version"))
    assert mode("continuous").options() == {}
    file.write_text(file.read_text().replace('{"method": "of another version"}', '["method"]'))
    assert mode("continuous").options() == {}


def test_a_damaged_file_is_no_choice(mode, tmp_path):
    (tmp_path / "training.json").write_text("[1")
    assert mode("continuous")() == "continuous"
    (tmp_path / "training.json").write_text("[1]")
    assert not mode("continuous").rests()


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        ({}, None),
        ({"training": "continuous"}, "continuous"),
        ({"training": ["on_request", "continuous"]}, "on_request"),
        ({"training": []}, None),
        ({"training": "sometimes"}, None),
        ({"training": {"a": 1}}, None),
    ],
)
def test_a_request_may_choose(request_, asked):
    assert asked_for(request_) == asked
