"""Training and export as the session follows them."""

import numpy as np
import pytest

from FewLabelLib.errors import Refused

# --- training


def test_the_options_that_are_chosen_are_sent_with_the_request(panel):
    server = panel.connect()
    panel.training.options = {"method": "dtlp", "max_minutes": 5, "training": "continuous", "device": None}
    panel.training.start()
    panel.settle()
    sent = {"method": "dtlp", "max_minutes": 5, "training": "continuous"}
    assert [call for call in server.calls if call[0] == "train"] == [("train", sent)]


def test_labels_alone_start_nothing_here_since_the_server_goes_on_by_itself(panel):
    server = panel.connect()
    panel.next()
    panel.submit()
    server.stored["b"] = np.zeros(panel.scene.shape, np.uint8)  # a colleague's
    panel.wait(60)
    assert server.count("train") == 0


def test_a_training_that_failed_is_reported_in_the_words_of_the_server_and_not_repeated(panel):
    server = panel.connect()
    panel.training.start()
    panel.settle()
    server.task = "ERROR"
    server.progress.update(phase="failed", error="The graphics card has no memory left.")
    panel.wait(3)
    assert panel.has_message("The training failed. The graphics card has no memory left.")
    panel.wait(60)
    assert server.count("train") == 1


def test_one_that_goes_on_says_when_it_rests_and_for_how_long_it_is_stopped(panel):
    server = panel.connect()
    panel.training.start()
    panel.settle()
    server.progress.update(training="continuous", phase="resting")
    server.task = "DONE"
    panel.wait(3)
    assert panel.has_message("It goes on with the next label.")
    panel.training.start()
    panel.settle()
    server.progress.update(training="continuous", phase="training")
    panel.wait(3)
    panel.training.stop()
    panel.settle()
    assert panel.has_message("It rests until somebody presses Train.")


def test_curves_grow_and_begin_anew_with_each_training(panel):
    server = panel.connect()
    panel.training.start()
    panel.settle()
    for step in (1, 2, 2):
        server.progress.update(step=step, losses={"total": step / 10}, validation={"liver": 0.5, "tumour": None})
        panel.wait(3)
    assert panel.training.progress.losses == {"total": [(1.0, 0.1), (2.0, 0.2)]}
    assert list(panel.training.progress.validation) == ["liver"]
    server.publish()
    panel.wait(3)
    panel.training.start()
    panel.settle()
    assert panel.training.progress.losses == {}


def test_stopping_is_reported_as_such_and_a_second_start_is_not_sent(panel):
    server = panel.connect()
    panel.training.start()
    panel.training.start()
    panel.settle()
    panel.training.start()
    assert server.count("train") == 1
    panel.training.stop()
    panel.settle()
    assert panel.has_message("The training was stopped")
    assert not panel.training.running


def test_somebody_elses_training_is_noticed(panel):
    server = panel.connect()
    server.task, server.progress = "RUNNING", {"epoch": 1, "total_epochs": 4}
    panel.wait(20)
    panel.wait(3)
    assert panel.training.running
    assert panel.training.progress.share == 0.25
    assert panel.training.progress.seconds_left == pytest.approx(9)


def test_a_server_that_refuses_to_train_is_reported_once_and_polls_complain_once(panel):
    server = panel.connect()
    server.troubles["train"] = [Refused("There are no labels yet.", 409)]
    panel.training.start()
    panel.settle()
    assert panel.has_message("There are no labels yet.")
    assert not panel.training.running
    server.troubles["training"] = [Refused("The server failed (500).", 500)] * 3
    for _ in range(4):
        panel.wait(16)
    assert panel.said.count(("error", "The server failed (500).")) == 1


def left(panel):
    return panel.training.progress.seconds_left


def test_the_time_left_is_counted_down_while_validation_cases_are_measured(panel):
    server = panel.connect()
    panel.training.start()
    panel.settle()
    server.progress.update(seconds_left=90.0, progress=0.7)
    panel.wait(3)
    assert left(panel) == 90
    panel.wait(10)  # the server measures, and repeats what it said last
    assert left(panel) == 80
    server.progress.update(seconds_left=70.0)
    panel.wait(3)
    assert left(panel) == 70
    server.progress.update(progress=1.0)
    panel.wait(100)
    assert left(panel) is None, "it takes longer than was said"


def test_the_time_left_of_scoring_comes_from_the_cases_scored_so_far(panel):
    server = panel.connect()
    panel.training.start()
    panel.settle()
    server.progress.update(phase="scoring cases", scored=2, to_score=12, seconds_left=0.0, progress=1.0)
    panel.wait(3)
    assert left(panel) is None, "not known yet"
    server.progress.update(scored=7)
    panel.wait(10)
    assert left(panel) == pytest.approx(10)


# --- export


def test_an_export_that_fails_or_is_forgotten_is_reported(panel, tmp_path):
    server = panel.connect()
    for state, word in (
        ({"state": "failed", "error": "The disk is full."}, "disk is full"),
        ({"state": "none"}, "inter"),
    ):
        panel.export.start(["bundle"], tmp_path / "model.zip")
        panel.settle()
        server.exporting = state
        panel.wait(2)
        assert panel.has_message(word)
        assert not panel.export.running
    panel.export.start(["bundle"], tmp_path / "nowhere" / "model.zip")
    assert panel.has_message("There is no folder")
    panel.export.start([], tmp_path / "model.zip")
    assert panel.has_message("Choose at least one format")
    assert server.count("start_export") == 2


def test_an_export_that_does_not_do_what_the_server_does_is_a_warning(panel, tmp_path):
    server = panel.connect()
    panel.export.start(["bundle"], tmp_path / "model.zip")
    panel.settle()
    server.exporting = {"state": "done", "verified": {"case": "a", "voxels_differing": 7, "of": 120}}
    panel.wait(2)
    assert panel.said[-1][0] == "warning"
    assert "7 of 120 voxels differ from the study" in panel.said[-1][1]
