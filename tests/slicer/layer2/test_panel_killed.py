"""At the panel of a real MONAI Label server that is killed in the middle of something, and started again.

"In mid-..." is made certain by freezing the server before the request reaches it: as when it just works on it.
"""

from urllib.parse import urlsplit

import nibabel
import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

CONF = {"labels": "organ,tumour", "max_steps": "4"}


@pytest.fixture(scope="module")
def server(above, serve, tmp_path_factory):
    volumes = above.Volumes()
    return serve(volumes.study(tmp_path_factory.mktemp("killed") / "studies", 4), CONF)


@pytest.fixture(scope="module", autouse=True)
def impatient(booted):
    """The panel looks more often than it does for a person."""
    from FewLabelLib.session import connection, training

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "RETRY", 0.5)
        patch.setattr(training, "POLL", 0.2)
        yield


@pytest.fixture(scope="module")
def people():
    """Who sits at the panel: the last one."""
    return []


@pytest.fixture
def anna(people, lasting_seats, server):
    if not people:
        people.append(lasting_seats())
        people[0].connect(server.url)
    return people[-1]


def again(server):
    """Started anew at the same address."""
    server.start(urlsplit(server.url).port)


def killed_while_asked(desk, server, question, monkeypatch, act):
    """Do ``act``; kill the server while the panel waits for what the client's method ``question`` gives."""
    client, asked = desk.session.connection.client, []
    ask = getattr(client, question)

    def ask_a_frozen_one(*values, **options):
        server.freeze()
        asked.append(question)
        return ask(*values, **options)

    monkeypatch.setattr(client, question, ask_a_frozen_one)
    act()
    desk.until(lambda: asked and connected(server))
    said = desk.ui.caseLabel.text
    server.stop()
    desk.until(lambda: desk.session.connection.lost)
    monkeypatch.undo()
    return said


def connected(server):
    """Whether somebody is connected to the server."""
    import psutil

    port = urlsplit(server.url).port
    return any(each.raddr and each.raddr.port == port for each in psutil.Process().net_connections("tcp"))


def draw(desk, seed):
    """Boxes of both classes, and a segment that the server does not know; gives their masks."""
    shape = desk.mask("organ").shape
    drawn = {name: np.random.default_rng(seed + number).random(shape) > 0.9 for number, name in enumerate("abc")}
    drawn = {"organ": drawn["a"], "tumour": drawn["b"] & ~drawn["a"], "my notes": drawn["c"]}
    for name, mask in drawn.items():
        desk.paint(name, mask)
    return drawn


def stored(server, case):
    """(k, j, i) of what is on the server's disk, as Slicer shows it: it mirrors the slices of left-handed images."""
    image = nibabel.load(server.studies / "labels" / "final" / f"{case}.nii.gz")
    assert np.linalg.det(image.affine) < 0
    return np.asarray(image.dataobj).T[::-1]


def leave_out_notes(desk):
    """Answer the panel's question what "my notes" is, which submits."""
    (choice,) = desk.panel.submit.choices
    choice.setCurrentIndex(choice.count - 1)
    desk.press("mappingButton")


def as_label(drawn):
    return drawn["organ"] + 2 * drawn["tumour"].astype(np.uint8)


# The tests of this module are the steps of one day: each needs those before it.


def test_killed_in_mid_submit_it_says_so_and_the_draft_is_offered_again_voxel_by_voxel(
    anna, people, server, lasting_seats, monkeypatch
):
    anna.do("nextButton")
    case, drawn = anna.session.cases.case.id, draw(anna, 0)
    anna.do("submitButton")

    said = killed_while_asked(anna, server, "submit_label", monkeypatch, lambda: leave_out_notes(anna))
    anna.settle()
    assert said == "Submitting ..."
    assert anna.has_message("cannot be reached")
    assert anna.has_message("kept as a draft")
    assert anna.ui.serverLabel.text.startswith("Not reachable")
    for name, mask in drawn.items():
        np.testing.assert_array_equal(anna.mask(name), mask)

    anna.close()  # and Slicer ends, too
    again(server)
    people.append(lasting_seats())
    desk = people[-1]
    desk.connect(server.url)
    desk.settle()
    assert desk.ui.draftsFrame.visible
    assert desk.ui.draftCombo.itemText(0).startswith(f"{case}, ")
    desk.do("restoreButton")
    for name, mask in drawn.items():
        np.testing.assert_array_equal(desk.mask(name), mask)
    desk.do("submitButton")
    leave_out_notes(desk)
    desk.settle()
    np.testing.assert_array_equal(stored(server, case), as_label(drawn))
    assert not desk.ui.draftsFrame.visible


def test_killed_in_mid_infer_it_says_so_and_the_case_is_painted_from_nothing(anna, server, monkeypatch):
    anna.do("trainButton")
    anna.until(lambda: anna.has_message("Model version 1 is in use."))
    anna.settle()

    said = killed_while_asked(anna, server, "infer", monkeypatch, lambda: anna.press("nextButton"))
    anna.settle()
    assert said == "Loading ..."
    assert anna.has_message("cannot be reached")
    assert "paint the segments" in anna.ui.caseLabel.text
    case, drawn = anna.session.cases.case.id, draw(anna, 10)

    server.conf["max_steps"] = "100000"  # for the test after this
    again(server)
    anna.until(lambda: anna.has_message("is back"))
    anna.settle()
    assert "model version 1" in anna.ui.serverLabel.text
    for name, mask in drawn.items():
        np.testing.assert_array_equal(anna.mask(name), mask)
    anna.do("submitButton")
    leave_out_notes(anna)
    anna.settle()
    np.testing.assert_array_equal(stored(server, case), as_label(drawn))


def test_killed_in_mid_train_it_says_so_keeps_the_edits_and_the_next_training_goes_on(anna, server):
    anna.do("nextButton")
    assert anna.session.cases.case.shown == "model"
    drawn = draw(anna, 20)
    anna.do("trainButton")
    anna.until(lambda: anna.session.training.progress.phase == "training")
    before = len(anna.said)
    server.stop()
    anna.until(lambda: anna.session.connection.lost)
    anna.settle()
    assert any("cannot be reached" in text for text in anna.said[: len(anna.said) - before])
    assert anna.ui.serverLabel.text.startswith("Not reachable")
    assert len(anna.session.drafts.list(server.url, "")) == 1  # kept the moment it was lost

    again(server)
    anna.until(lambda: anna.has_message("The training was interrupted. Press Train: it goes on where it stopped."))
    anna.settle()
    for name, mask in drawn.items():
        np.testing.assert_array_equal(anna.mask(name), mask)
    anna.do("trainButton")
    anna.until(lambda: anna.session.training.progress.phase == "training")
    anna.do("stopButton")
    anna.until(lambda: anna.has_message("The training was stopped."))
