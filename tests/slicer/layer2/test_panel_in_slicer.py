"""What Slicer does with a panel: it holds Python's lock, loads scenes and the module itself, shows it, ends."""

import ctypes
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

PIECES = 2000  # of a download, at each of which the worker asks for Python's lock


def download(worker):
    """Give the worker a job that asks for Python's lock at each piece, as reading from a socket does."""
    done = []

    def job():
        pieces = 0
        with Path("/dev/zero").open("rb", buffering=0) as source:
            for _ in range(PIECES):
                pieces += len(source.read(1))
        return pieces

    worker.submit(job, done.append, done.append)
    return done


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="holds Python's lock by a function of Linux")
def test_a_download_does_not_wait_for_slicers_event_loop_at_each_piece(desk):
    hold = ctypes.PyDLL(None).usleep  # of a PyDLL: without letting go of the lock, as Qt's loop does in Slicer
    done = download(desk.session.worker)
    looks = 0
    while not done:
        hold(2000)
        desk.panel.tick()
        looks += 1
        assert looks < PIECES  # not one look for each piece
    assert done == [PIECES]


def test_a_look_leaves_the_worker_its_time_only_while_it_works(desk, monkeypatch):
    from FewLabelLib.widget import panel

    slept = []
    monkeypatch.setattr(panel.time, "sleep", slept.append)
    monkeypatch.setattr(panel.time, "monotonic", lambda: 5.0)
    desk.panel.tick()
    assert slept == []
    gate = threading.Event()
    desk.session.worker.submit(gate.wait, lambda _: None, lambda _: None)
    desk.panel.tick()
    gate.set()
    assert slept == [panel.GIVEN]
    monkeypatch.undo()
    desk.settle()


def test_the_panel_looks_more_often_while_it_waits_for_something_and_no_longer_than_that(desk, monkeypatch):
    from FewLabelLib.widget import panel

    monkeypatch.setattr(panel, "EVERY", 100)
    timer = desk.panel._timer
    desk.panel.tick()
    assert timer.interval == 100
    download(desk.session.worker)
    desk.panel.tick()
    assert timer.interval == panel.WHILE_BUSY
    desk.settle()
    desk.panel.tick()
    assert timer.interval == 100


# --- the scene


def test_without_a_case_nothing_can_be_edited(desk):
    editor = desk.ui.segmentEditor
    assert not editor.enabled
    desk.do("nextButton")
    assert editor.enabled
    assert editor.segmentationNode() is desk.session.scene.segmentation
    desk.slicer.mrmlScene.Clear(0)
    assert not editor.enabled
    assert editor.segmentationNode() is None
    assert editor.sourceVolumeNode() is None


def test_the_case_can_be_edited_while_the_next_one_is_on_its_way(desk, server):
    desk.do("nextButton")
    server.gates["download_image"] = threading.Event()
    desk.press("nextButton")
    desk.until(lambda: ("download_image", "b") in server.calls or server.count("download_image") == 2)
    assert desk.session.state.value == "loading"
    assert desk.ui.segmentEditor.enabled


def test_after_a_scene_was_loaded_beside_the_case_the_editor_has_the_cases_segments(desk):
    desk.do("nextButton")
    editor, scene = desk.ui.segmentEditor, desk.slicer.mrmlScene
    other = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "of the scene that is loaded")
    editor.setSegmentationNode(other)  # as its parameter node of that scene says
    scene.InvokeEvent(scene.EndImportEvent)
    assert editor.segmentationNode() is desk.session.scene.segmentation
    assert editor.sourceVolumeNode() is desk.session.scene.volume


def test_neither_the_editors_settings_nor_a_file_of_the_session_is_part_of_a_saved_scene(desk):
    desk.do("nextButton")
    assert not desk.ui.segmentEditor.mrmlSegmentEditorNode().GetSaveWithScene()
    assert desk.session.scene.volume.GetStorageNode() is None


# --- the module


def keys(desk):
    """Keys that are listened to."""
    return [shortcut.key.toString() for shortcut in desk.panel.shortcuts._installed if shortcut.enabled]


def test_loaded_anew_while_it_is_shown_it_listens_to_its_keys_once(desk, module):
    before = keys(desk)
    assert before
    desk.widget.cleanup()
    desk.load(module)
    assert keys(desk) == before
    desk.enter()  # whether Slicer says so again or not
    assert keys(desk) == before
    desk.exit()
    assert keys(desk) == []


def test_reload_reads_all_files_of_the_module_anew(desk, monkeypatch):
    import scripted

    library = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "FewLabelLib"}
    left = []
    monkeypatch.setattr(
        scripted.ScriptedLoadableModuleWidget,
        "onReload",
        lambda self: left.extend(name for name in sys.modules if name in library),
        raising=False,
    )
    try:
        desk.widget.onReload()
    finally:
        sys.modules.update(library)
    assert len(library) > 20
    assert left == []


def test_when_it_ends_edits_are_kept_though_slicer_has_taken_its_widgets_away(desk, server, monkeypatch):
    desk.do("nextButton")
    drawn = desk.mask("liver")
    drawn[1, 2, 3] = True
    desk.paint("liver", drawn)

    def gone(*_):
        raise ValueError("Trying to call 'setActiveEffect' on a destroyed qMRMLSegmentEditorWidget object")

    monkeypatch.setattr(desk.panel.editor, "exit", gone)
    drafts = desk.session.drafts
    desk.widget.cleanup()
    draft = drafts.read(drafts.find(server.url, "study", "a"))
    (segment,) = [segment for segment in draft.segments if segment.name == "liver"]
    np.testing.assert_array_equal(segment.mask, drawn)


def test_scans_that_were_fetched_go_when_the_module_ends_and_drafts_stay(desk, slicer):
    desk.do("nextButton")
    drawn = desk.mask("liver")
    drawn[1, 2, 3] = True
    desk.paint("liver", drawn)
    logic = desk.widget.logic
    assert logic.downloads.parent == Path(slicer.app.temporaryPath)
    (logic.downloads / "scan.nii.gz").write_bytes(b"voxels")
    desk.widget.cleanup()
    assert not logic.downloads.exists()
    assert list((Path(slicer.app.slicerUserSettingsFilePath).parent / "FewLabel" / "drafts").iterdir())


# --- words of a server


def test_what_a_server_says_is_never_taken_for_html(desk):
    desk.session.context.say("info", "a < b & <img src='x'>")
    assert desk.ui.messageList.item(0).toolTip() == "<qt>a &lt; b &amp; &lt;img src='x'&gt;</qt>"
    assert desk.said[0].endswith("a < b & <img src='x'>")


def test_an_error_leaves_the_list_when_it_no_longer_holds_and_other_messages_stay(desk):
    context = desk.session.context
    context.say("info", "The disk is full.")
    context.say("error", "The disk is full.", "submit")
    context.say("warning", "It is slow.", "speed")
    context.succeeded("submit")
    assert [text[7:] for text in desk.said[:2]] == ["Warning: It is slow.", "The disk is full."]
