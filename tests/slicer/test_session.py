"""The course of a session with a scene and servers in memory: whole rounds, and everything that breaks in them."""

import threading

import numpy as np
import pytest

from FewLabelLib.errors import NotReachable, Refused
from FewLabelLib.session import State
from FewLabelLib.signals import Signal
from FewLabelLib.worker import Worker

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


def test_the_answer_of_a_server_that_was_left_is_dropped(panel):
    slow = panel.server("http://one")
    slow.gates["capabilities"] = threading.Event()
    panel.connection.connect("http://one")
    panel.until(lambda: slow.calls)
    panel.connection.connect("http://two")
    slow.gates["capabilities"].set()
    panel.settle()
    assert panel.connection.client.url == "http://two"
    assert panel.connection.addresses == ["http://two"]


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
        assert panel.told(f"Model version {number} is in use.")
    assert opened == [("a", "", "It is unsure."), ("b", "model", "It is unsure."), ("c", "model", "It is unsure.")]
    assert [result.case for result in results] == ["a", "b", "c"]
    panel.cases.close()
    panel.session.settle()
    assert panel.session.state is State.READY
    panel.export.start("bundle", tmp_path / "model.zip")
    panel.settle()
    assert panel.session.state is State.EXPORTING
    server.exporting = {"state": "done", "verified": {"case": "a", "voxels_differing": 0, "of": 120}}
    panel.wait(2)
    assert saved == [tmp_path / "model.zip"]
    assert panel.told("differs in 0 of 120 voxels")
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
    assert panel.scene.places == [{"axial": [1, 2, 3]}, {"axial": [4, 5, 6]}, {"axial": [1, 2, 3]}]
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


def test_a_correction_and_flags_are_told_and_stop_the_automatic_next(panel):
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
    assert panel.told("Slicer could not read it")
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
    assert panel.told("was taken back; it is unlabelled")
    panel.cases.undo()
    assert panel.told("no submission that could be taken back")


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
    assert panel.told("All cases are labelled.")
    assert panel.cases.case.id == "a"
    assert panel.session.state is State.EDITING


# --- labels


def test_an_unknown_segment_is_asked_about_and_nothing_is_sent_before(panel):
    server, asked = panel.connect(), []
    panel.cases.unknown_segments.connect(asked.append)
    panel.next()
    panel.scene.paint("cyst", (0, 0, 0))
    panel.submit()
    assert asked == [{"cyst": None}]
    assert server.count("submit_label") == 0
    assert panel.session.state is State.EDITING
    panel.submit({"cyst": "liver"})
    assert server.stored["a"][0, 0, 0] == 1


def test_a_segmentation_under_a_transform_is_hardened_or_refused(panel):
    server = panel.connect()
    panel.next()
    panel.submit()
    assert panel.scene.calls.index("harden_transforms") < panel.scene.calls.index("segments")
    panel.scene.blocked = "The segmentation is under a transform that cannot be hardened."
    panel.submit()
    assert server.count("submit_label") == 1
    assert panel.told("cannot be hardened. Nothing was submitted.")


def test_a_second_click_on_submit_sends_nothing_twice(panel):
    server = panel.connect()
    panel.next()
    server.gates["submit_label"] = threading.Event()
    panel.cases.submit()
    panel.cases.submit()
    panel.cases.next()
    assert panel.session.state is State.SUBMITTING
    server.gates["submit_label"].set()
    panel.settle()
    assert server.count("submit_label") == 1
    assert server.count("next_case") == 1
    panel.submit()
    assert server.count("submit_label") == 2


# --- late answers


def test_a_late_proposal_of_an_earlier_case_is_ignored(panel):
    server = panel.server("http://one")
    server.versions = 1
    panel.connect()
    server.gates["infer"] = threading.Event()
    panel.cases.open("a")
    panel.until(lambda: server.count("infer"))
    panel.cases.open("b")
    server.gates["infer"].set()
    panel.settle()
    assert panel.cases.case.id == "b"
    assert panel.scene.calls.count("show_segmentation") == 1
    assert panel.scene.volume.name == "b-image.npy"


def test_what_is_painted_while_the_next_case_is_on_its_way_is_kept_too(panel):
    server = panel.connect()
    panel.next()
    server.gates["download_image"] = threading.Event()
    panel.cases.open("b")
    panel.scene.paint("liver", (3, 4, 5))
    server.gates["download_image"].set()
    panel.settle()
    assert [draft.case for draft in panel.drafts()] == ["a"]


# --- drafts


def test_edits_that_were_left_go_on_from_there(panel):
    panel.connect()
    panel.next()
    panel.scene.paint("liver", (1, 1, 1))
    panel.scene.paint("strange", (1, 1, 1), (0, 0, 0))
    panel.cases.open("b")
    panel.settle()
    assert [draft.case for draft in panel.drafts()] == ["a"]
    panel.cases.open("a")
    panel.settle()
    assert panel.cases.case.shown == "draft"
    assert masks(panel.scene)["liver"].sum() == 1
    assert masks(panel.scene)["strange"].sum() == 2
    panel.cases.open("a", fresh=True)
    panel.settle()
    assert panel.cases.case.shown == ""
    assert not masks(panel.scene)["liver"].any()


def test_a_case_without_edits_leaves_no_draft(panel):
    panel.connect()
    panel.next()
    panel.cases.open("b")
    panel.settle()
    assert panel.drafts() == []
    assert "segments" not in panel.scene.calls


def test_edits_are_kept_every_few_minutes_and_offered_after_a_crash(panel):
    panel.connect()
    panel.next()
    panel.scene.paint("tumour", (2, 2, 2))
    panel.wait(60)
    assert panel.drafts() == []
    panel.wait(121)
    assert len(panel.drafts()) == 1
    panel.wait(200)
    assert panel.scene.calls.count("segments") == 1  # nothing new since
    panel.scene = type(panel.scene)()  # Slicer was gone
    panel.open()
    offered = []
    panel.connection.drafts_offered.connect(offered.extend)
    panel.connect()
    assert [draft.case for draft in offered] == ["a"]
    panel.cases.restore(offered[0])
    panel.settle()
    assert masks(panel.scene)["tumour"][2, 2, 2]
    panel.submit()
    assert panel.drafts() == []


def test_a_draft_that_is_not_wanted_is_forgotten(panel):
    panel.connect()
    panel.next()
    panel.scene.paint("tumour", (2, 2, 2))
    panel.cases.close()
    panel.settle()
    panel.cases.discard(panel.drafts()[0])
    panel.settle()
    assert panel.drafts() == []


def test_a_draft_of_another_image_is_set_aside_and_said(panel):
    panel.connect()
    panel.next()
    panel.scene.paint("tumour", (2, 2, 2))
    panel.cases.close()
    panel.settle()
    panel.scene.shape = (7, 7, 7)
    panel.cases.open("a")
    panel.settle()
    assert panel.told("of another image")
    assert panel.session.state is State.EDITING
    assert len(list(panel.session.drafts.folder.glob("*.unused"))) == 1


def test_closing_writes_what_was_not_written(panel):
    panel.connect()
    panel.next()
    panel.scene.paint("tumour", (2, 2, 2))
    panel.session.close()
    assert len(panel.drafts()) == 1


def test_a_draft_of_the_same_study_is_offered_at_its_new_address(panel):
    panel.connect()
    panel.next()
    panel.scene.paint("tumour", (2, 2, 2))
    offered = []
    panel.connection.drafts_offered.connect(offered.extend)
    panel.connect("http://two")
    assert [draft.case for draft in offered] == ["a"]
    panel.cases.restore(offered[0])
    panel.settle()
    panel.submit()
    assert panel.servers["http://two"].stored["a"][2, 2, 2] == 2
    assert panel.drafts() == []


def test_a_full_disk_is_said_and_the_label_is_submitted_all_the_same(panel, monkeypatch):
    server = panel.connect()
    panel.next()

    def full(_):
        raise OSError(28, "No space left on device", "/drafts")

    monkeypatch.setattr(panel.session.drafts, "write", full)
    panel.submit()
    assert panel.told("No space left")
    assert "a" in server.stored


# --- a server that dies


def test_killed_in_mid_submission_it_says_so_and_the_draft_is_there(panel):
    server = panel.connect()
    panel.next()
    panel.scene.paint("tumour", (2, 2, 2))
    server.troubles["submit_label"] = [DEAD]
    panel.submit()
    assert ("error", str(DEAD)) in panel.said
    assert panel.told("kept as a draft")
    assert panel.session.state is State.EDITING
    assert len(panel.drafts()) == 1
    assert masks(panel.scene)["tumour"][2, 2, 2]
    panel.wait(6)
    assert panel.told("is back")
    panel.submit()
    assert server.stored["a"][2, 2, 2] == 2
    assert panel.drafts() == []


def test_the_draft_is_on_disk_before_anything_is_sent(panel):
    server = panel.connect()
    panel.next()
    panel.scene.paint("tumour", (2, 2, 2))
    server.gates["submit_label"] = threading.Event()
    panel.cases.submit()
    panel.until(lambda: server.count("submit_label"))
    assert len(panel.drafts()) == 1


def test_killed_in_mid_inference_it_says_so_and_one_can_paint_from_nothing(panel):
    server = panel.server("http://one")
    server.versions = 1
    panel.connect()
    server.troubles["infer"] = [DEAD]
    panel.next()
    assert ("error", str(DEAD)) in panel.said
    assert panel.session.state is State.EDITING
    assert panel.cases.case.shown == ""
    assert [part.name for part in panel.scene.parts] == ["liver", "tumour"]
    panel.wait(6)
    panel.submit()
    assert "a" in server.stored


def test_killed_in_mid_training_it_says_so_once_and_goes_on_when_it_is_back(panel):
    server = panel.connect()
    panel.training.start()
    panel.settle()
    server.troubles["all"] = DEAD
    for _ in range(5):
        panel.wait(6)
    assert panel.said.count(("error", str(DEAD))) == 1
    assert panel.session.state is State.DISCONNECTED
    del server.troubles["all"]
    server.task = ""  # a new process knows no task
    panel.wait(6)
    assert panel.told("is back")
    assert panel.told("The training was interrupted")
    assert panel.session.state is State.NOT_TRAINED


def test_edits_are_kept_the_moment_the_connection_is_lost(panel):
    server = panel.connect()
    panel.next()
    panel.scene.paint("liver", (1, 2, 3))
    server.troubles["all"] = DEAD
    panel.wait(20)
    assert len(panel.drafts()) == 1
    assert panel.session.state is State.EDITING


def test_an_error_500_while_the_next_case_is_asked_for_leaves_the_one_at_hand(panel):
    server = panel.connect()
    panel.next()
    server.troubles["next_case"] = [Refused("The server failed (500 Internal Server Error).", 500)]
    panel.next()
    assert panel.told("500")
    assert panel.cases.case.id == "a"
    assert panel.session.state is State.EDITING


def test_connecting_again_to_the_same_server_keeps_the_case(panel):
    panel.connect()
    panel.next()
    panel.scene.paint("liver", (1, 2, 3))
    panel.connect()
    assert panel.session.state is State.EDITING
    assert masks(panel.scene)["liver"][1, 2, 3]


def test_an_unexpected_error_in_the_background_is_a_sentence_and_no_end(panel):
    server = panel.connect()
    server.troubles["next_case"] = [ZeroDivisionError("oh")]
    panel.next()
    panel.expected = [text for _, text in panel.said]
    assert panel.told("Something unexpected went wrong (ZeroDivisionError: oh)")
    panel.next()
    assert panel.session.state is State.EDITING


# --- training


def test_keep_going_trains_whenever_enough_labels_are_new(panel):
    server = panel.connect()
    panel.training.keep_going, panel.training.options = 2, {"method": "dtlp", "max_minutes": 5, "device": None}
    panel.next()
    panel.submit()
    assert server.count("train") == 0
    panel.next()
    panel.submit()
    assert [call for call in server.calls if call[0] == "train"] == [("train", {"method": "dtlp", "max_minutes": 5})]
    server.publish()
    panel.wait(3)
    panel.next()
    panel.submit()
    panel.wait(60)
    assert server.count("train") == 1


def test_labels_that_arrive_during_a_training_start_the_next_one_at_its_end(panel):
    server = panel.connect()
    panel.training.keep_going = 1
    panel.next()
    panel.submit()
    assert server.count("train") == 1
    server.stored["b"] = np.zeros(panel.scene.shape, np.uint8)  # a colleague's
    panel.wait(3)
    assert server.count("train") == 1
    server.publish()
    panel.wait(3)
    assert server.count("train") == 2


def test_a_training_that_failed_is_told_in_the_words_of_the_server_and_not_repeated(panel):
    server = panel.connect()
    panel.training.keep_going = 1
    panel.next()
    panel.submit()
    server.task = "ERROR"
    server.progress.update(phase="failed", error="The graphics card has no memory left.")
    panel.wait(3)
    assert panel.told("The training failed. The graphics card has no memory left.")
    panel.wait(60)
    assert server.count("train") == 1


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


def test_stopping_is_told_as_such_and_a_second_start_is_not_sent(panel):
    server = panel.connect()
    panel.training.start()
    panel.training.start()
    panel.settle()
    panel.training.start()
    assert server.count("train") == 1
    panel.training.stop()
    panel.settle()
    assert panel.told("The training was stopped")
    assert not panel.training.running


def test_somebody_elses_training_is_noticed(panel):
    server = panel.connect()
    server.task, server.progress = "RUNNING", {"epoch": 1, "total_epochs": 4}
    panel.wait(20)
    panel.wait(3)
    assert panel.training.running
    assert panel.training.progress.share == 0.25
    assert panel.training.progress.seconds_left == pytest.approx(9)


def test_a_server_that_refuses_to_train_is_told_once_and_polls_complain_once(panel):
    server = panel.connect()
    server.troubles["train"] = [Refused("There are no labels yet.", 409)]
    panel.training.start()
    panel.settle()
    assert panel.told("There are no labels yet.")
    assert not panel.training.running
    server.troubles["training"] = [Refused("The server failed (500).", 500)] * 3
    for _ in range(4):
        panel.wait(16)
    assert panel.said.count(("error", "The server failed (500).")) == 1


# --- export


def test_an_export_that_fails_or_is_forgotten_is_told(panel, tmp_path):
    server = panel.connect()
    for state, word in (
        ({"state": "failed", "error": "The disk is full."}, "disk is full"),
        ({"state": "none"}, "inter"),
    ):
        panel.export.start("bundle", tmp_path / "model.zip")
        panel.settle()
        server.exporting = state
        panel.wait(2)
        assert panel.told(word)
        assert not panel.export.running
    panel.export.start("bundle", tmp_path / "nowhere" / "model.zip")
    assert panel.told("There is no folder")
    assert server.count("start_export") == 2


# --- parts


def test_a_worker_never_calls_back_on_its_own_thread_and_forgets_what_waits_when_closed():
    worker, seen, gate = Worker(), [], threading.Event()
    worker.submit(threading.get_ident, seen.append, seen.append)
    while worker.busy:
        worker.deliver()
    assert seen[0] != threading.get_ident()
    worker.submit(lambda: gate.wait(20), seen.append, seen.append)
    worker.submit(lambda: seen.append("not done"), seen.append, seen.append)
    worker.close()
    gate.set()
    while worker.busy:
        worker.deliver()
    assert "not done" not in seen


def test_a_slot_may_disconnect_itself():
    signal, seen = Signal(), []

    def once(value):
        seen.append(value)
        signal.disconnect(once)

    signal.connect(once)
    signal.emit(1)
    signal.emit(2)
    assert seen == [1]
