"""The course of a session with a scene and a server in memory: connecting, whole rounds."""

import threading

import numpy as np
import pytest

from FewLabelLib.errors import NotReachable
from FewLabelLib.session.session import State

DEAD = NotReachable("The server at http://one cannot be reached.")


def masks(scene):
    return {part.name: part.mask for part in scene.parts}


# --- connection


def test_a_session_begins_disconnected_and_connects_without_waiting(panel):
    assert panel.session.state is State.DISCONNECTED
    panel.connection.connect("http://one")
    assert panel.session.state is State.CONNECTING
    panel.settle()
    assert panel.session.state is State.NOT_TRAINED
    assert panel.states == [State.DISCONNECTED, State.CONNECTING, State.NOT_TRAINED]
    assert [row["id"] for row in panel.cases.rows] == ["a", "b", "c"]


def test_what_a_server_offers_is_not_known_before_it_has_answered_and_after_it_was_left(panel):
    with pytest.raises(NotReachable, match="connect first"):
        _ = panel.connection.known
    panel.connect()
    assert panel.connection.known is panel.connection.capabilities
    panel.connection.disconnect()
    with pytest.raises(NotReachable, match="connect first"):
        _ = panel.connection.known


def test_addresses_are_remembered_the_last_first_and_over_a_restart(panel):
    for url in ("http://one", "http://two", "http://one"):
        panel.connect(url)
    panel.open()
    assert panel.connection.addresses == ["http://one", "http://two"]


def test_a_server_that_is_not_there_is_said_and_not_remembered(panel):
    panel.server("http://one").troubles["capabilities"] = [DEAD]
    panel.connect()
    assert panel.session.state is State.DISCONNECTED
    assert panel.said == [("error", str(DEAD))]
    assert panel.connection.addresses == []


def test_a_login_is_asked_for_and_connecting_goes_on(panel):
    asked = []
    panel.connection.login_needed.connect(asked.append)
    panel.server("http://one").protected = True
    panel.connect()
    panel.connection.login("anna", "wrong")
    panel.settle()
    panel.connection.login("anna", "right")
    panel.settle()
    assert asked == ["Log in.", "Try again."]
    assert panel.session.state is State.NOT_TRAINED


def test_a_published_model_that_cannot_be_used_is_said_once(panel):
    panel.server("http://one").problem = "The published model is damaged: train anew."
    panel.connect()
    panel.connection.refresh()
    panel.settle()
    assert panel.said == [("warning", "The published model is damaged: train anew.")]


def test_a_folder_without_a_usable_scan_is_said_once(panel):
    panel.server("http://one").no_scans = "There is no usable scan in /studies."
    panel.connect()
    panel.connection.refresh()
    panel.settle()
    assert panel.said == [("warning", "There is no usable scan in /studies.")]


def test_a_proposed_setting_is_said_once_though_its_numbers_change(panel):
    panel.server("http://one").proposal = "All 2 labels are of north."
    panel.connect()
    panel.server("http://one").proposal = "All 3 labels are of north."
    panel.connection.refresh()
    panel.settle()
    assert panel.said == [("info", "All 2 labels are of north.")]


def test_the_answer_of_a_server_that_was_left_is_dropped(panel):
    slow = panel.server("http://one")
    slow.gates["capabilities"] = threading.Event()
    seen = []
    panel.connection.changed.connect(seen.append)
    panel.connection.connect("http://one")
    panel.until(lambda: slow.calls)
    panel.connection.connect("http://two")
    slow.gates["capabilities"].set()
    panel.settle()
    assert len(seen) == 1
    assert panel.connection.client.url == "http://two"
    assert panel.connection.addresses == ["http://two"]


def test_leaving_while_connecting_leaves(panel):
    slow = panel.server("http://one")
    slow.gates["capabilities"] = threading.Event()
    panel.connection.connect("http://one")
    panel.until(lambda: slow.calls)
    panel.connection.disconnect()
    slow.gates["capabilities"].set()
    panel.settle()
    assert panel.session.state is State.DISCONNECTED
    assert panel.connection.addresses == []


# --- rounds


def test_three_rounds_from_connecting_to_the_export(panel, tmp_path):
    server = panel.connect()
    opened, results, progress, saved = [], [], [], []
    panel.cases.loading.opened.connect(lambda case: opened.append((case.id, case.shown, case.reason)))
    panel.cases.submitted.connect(results.append)
    panel.training.changed.connect(progress.append)
    panel.export.saved.connect(lambda file, _: saved.append(file))
    for number, case in enumerate("abc", 1):
        panel.next()
        assert panel.session.state is State.EDITING
        panel.scene.paint("tumour", (2, 2, number))
        expected = np.zeros(panel.scene.shape, np.uint8)
        if number > 1:
            expected[0, 0], expected[1, 0] = 1, 2  # the model's proposal
        expected[2, 2, number] = 2
        panel.submit()
        np.testing.assert_array_equal(server.stored[case], expected)
        panel.training.start()
        panel.settle()
        assert panel.training.running
        server.progress.update(progress=0.5, seconds_left=30.0, step=number, losses={"dice": 1 / number})
        panel.wait(3)
        assert (panel.training.progress.share, panel.training.progress.seconds_left) == (0.5, 30.0)
        server.publish()
        panel.wait(3)
        assert panel.has_message(f"Model version {number} is in use.")
    assert opened == [("a", "", "It is unsure."), ("b", "model", "It is unsure."), ("c", "model", "It is unsure.")]
    assert [result.case for result in results] == ["a", "b", "c"]
    panel.cases.close()
    panel.session.settle()
    assert panel.session.state is State.READY
    panel.export.start(["bundle"], tmp_path / "model.zip")
    panel.settle()
    assert panel.session.state is State.EXPORTING
    server.exporting = {"state": "done", "verified": {"case": "a", "voxels_differing": 0, "of": 120}}
    panel.wait(2)
    assert saved == [tmp_path / "model.zip"]
    assert panel.has_message("0 of 120 voxels differ from the study")
    assert panel.session.state is State.READY
    assert panel.drafts() == []
    assert {State.LOADING, State.EDITING, State.SUBMITTING} <= set(panel.states)


def test_the_panel_shows_training_only_while_no_case_is_at_hand(panel):
    server = panel.connect()
    panel.training.start()
    panel.settle()
    assert panel.session.state is State.TRAINING
    panel.next()
    assert panel.session.state is State.EDITING
    assert panel.training.running
    panel.cases.close()
    server.publish()
    panel.wait(3)
    assert panel.session.state is State.READY


def test_where_to_look_is_shown_and_gone_round_in_turn(panel):
    panel.connect()
    panel.next()
    panel.cases.loading.jump(1)
    panel.cases.loading.jump(2)
    assert panel.scene.points_shown == [{"axial": [1, 2, 3]}, {"axial": [4, 5, 6]}, {"axial": [1, 2, 3]}]
    assert panel.cases.case.slices == {"axial": [3, 6]}


def test_the_uncertainty_map_comes_after_the_case_can_be_edited_and_can_be_left_out(panel):
    server = panel.connect()
    server.versions = 1
    panel.connect()
    server.gates["uncertainty"] = threading.Event()
    panel.cases.next()
    panel.until(lambda: panel.session.state is State.EDITING)
    assert panel.scene.uncertainty is None
    server.gates["uncertainty"].set()
    panel.settle()
    assert panel.scene.uncertainty.name == "a-fewlabel_uncertainty.npy"
    panel.cases.loading.with_uncertainty = False
    panel.cases.open("b")
    panel.settle()
    assert panel.scene.uncertainty is None
    assert server.count("uncertainty") == 1


def test_a_submitted_case_is_opened_with_its_label(panel):
    server = panel.connect()
    server.stored["b"] = np.full(panel.scene.shape, 2, np.uint8)
    panel.connect()
    panel.cases.open("b")
    panel.settle()
    assert masks(panel.scene)["tumour"].all()
    assert (panel.cases.case.shown, panel.cases.case.submitted) == ("label", True)


def test_a_correction_and_flags_are_reported_and_stop_the_automatic_next(panel):
    server, results = panel.connect(), []
    panel.cases.submitted.connect(results.append)
    panel.cases.auto_next = True
    panel.next()
    flag = {"kind": "swap", "reason": "Liver and tumour seem to be swapped.", "gain": 0.5}
    server.answer = {"correction": {"mean": 0.75, "classes": {"liver": 0.75}}, "flags": [flag]}
    panel.submit()
    assert (results[0].correction, results[0].by_class) == (0.75, {"liver": 0.75})
    assert results[0].flags == ["Liver and tumour seem to be swapped."]
    assert "Seen." in results[0].notes
    assert panel.cases.case.id == "a"
    server.answer = {}
    panel.submit()
    assert panel.cases.case.id == "b"


def test_a_scene_that_fails_is_said_and_the_session_goes_on(panel, monkeypatch):
    panel.connect()

    def broken(_):
        raise RuntimeError("Slicer could not read it")

    monkeypatch.setattr(panel.scene, "load_volume", broken)
    panel.next()
    panel.expected = [text for _, text in panel.said]
    assert panel.has_message("Slicer could not read it")
    assert panel.session.state is State.NOT_TRAINED
    monkeypatch.undo()
    panel.next()
    assert panel.session.state is State.EDITING


def test_the_history_comes_with_the_list(panel):
    panel.connect()
    panel.next()
    panel.submit()
    assert panel.cases.history["entries"] == [{"case": "a"}]


def test_undo_takes_back_the_last_submission(panel):
    server = panel.connect()
    panel.next()
    panel.submit()
    panel.cases.undo()
    panel.settle()
    assert server.stored == {}
    assert not panel.cases.case.submitted
    assert panel.has_message("was taken back; it is unlabelled")
    panel.cases.undo()
    assert panel.has_message("no submission that could be taken back")


def test_skipping_says_why_and_goes_on(panel):
    server = panel.connect()
    panel.next()
    panel.cases.skip("blurred")
    panel.settle()
    assert ("skip", "a", "blurred") in server.calls
    assert panel.cases.case.id == "b"


def test_skipping_without_the_route_is_asked_of_the_strategy(panel):
    server = panel.server("http://one")
    server.routes = frozenset()
    panel.connect()
    panel.next()
    panel.cases.skip("blurred")
    panel.settle()
    assert ("next_case", "uncertainty+diversity", {"skip": "a"}) in server.calls


def test_nothing_left_to_label_is_said_and_the_case_at_hand_stays(panel):
    server = panel.connect()
    panel.next()
    for case in "abc":
        server.stored[case] = np.zeros(panel.scene.shape, np.uint8)
    panel.next()
    assert panel.has_message("All cases are labelled.")
    assert panel.cases.case.id == "a"
    assert panel.session.state is State.EDITING
