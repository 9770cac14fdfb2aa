"""Errors that no longer hold are taken back by the next success of the same thing."""

import pytest

from FewLabelLib.errors import NotReachable, Refused


@pytest.fixture
def over(panel):
    """Sentences that were taken back so far."""
    found = []
    panel.session.context.over.connect(found.append)
    return found


def test_an_error_goes_with_the_next_success_of_the_same_request_only(panel, over):
    server = panel.connect()
    server.troubles["submit_label"] = [Refused("The disk is full.", 507), Refused("Still full.", 507)]
    panel.next()
    panel.submit()
    panel.submit()
    panel.connection.refresh()
    panel.settle()
    assert over == [], "other things succeeded"
    panel.submit()
    assert over == ["The disk is full.", "Still full."]
    assert panel.has_message("kept as a draft"), "only errors are taken back"


def test_that_the_server_was_away_goes_when_it_is_back(panel, over):
    server = panel.connect()
    server.troubles["next_case"] = [NotReachable("Nothing listens there.")]
    panel.next()
    assert ("error", "Nothing listens there.") in panel.said
    assert over == []
    panel.wait(6)
    assert over == ["Nothing listens there."]


def test_that_a_training_failed_goes_when_one_has_ended_well(panel, over):
    server = panel.connect()
    panel.training.start()
    panel.settle()
    server.task = "ERROR"
    server.progress.update(phase="failed", error="No memory.")
    panel.wait(3)
    panel.training.start()
    panel.settle()
    assert over == []
    server.publish()
    panel.wait(3)
    assert over == ["The training failed. No memory."]


def test_that_an_export_failed_goes_when_one_was_saved(panel, over, tmp_path):
    server = panel.connect()
    for state in ({"state": "failed", "error": "No room."}, {"state": "done"}):
        panel.export.start(["bundle"], tmp_path / "model.zip")
        panel.settle()
        server.exporting = state
        panel.wait(2)
    assert over == ["The export failed. No room."]


def test_what_is_wrong_with_the_model_goes_when_there_is_another_one(panel, over):
    server = panel.connect()
    server.problem = "The model is of another version."
    panel.connection.refresh()
    panel.settle()
    server.problem = ""
    panel.connection.refresh()
    panel.settle()
    assert over == ["The model is of another version."]
