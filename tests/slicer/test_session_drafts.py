"""No edit is lost: drafts are kept, found again and offered."""

from FewLabelLib.session.session import State


def masks(scene):
    return {part.name: part.mask for part in scene.parts}


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
    assert panel.has_message("of another image")
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
    assert panel.has_message("No space left")
    assert "a" in server.stored
