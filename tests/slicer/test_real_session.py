"""A session with the real client, worker and server; only the scene is a stand-in, which reads and keeps real files."""

import zipfile

import nibabel
import nrrd
import numpy as np
import pytest

from FewLabelLib.label.label_file import Geometry
from FewLabelLib.label.labels import Segment, split
from FewLabelLib.net.client import Client
from FewLabelLib.session.session import Session, State
from FewLabelLib.session.worker import Worker


class FileScene:
    """Shows nothing; what is "on the screen" is in ``parts``."""

    def __init__(self):
        self.parts, self.number, self.image, self.uncertainty, self.points_shown = [], 0, None, None, []

    def load_volume(self, path):
        self.image = nibabel.load(path)
        return path

    def lock(self, handle, segment, on):
        pass

    def put_back(self, handle):
        return []

    def geometry(self, handle):
        return Geometry(self.image.shape[::-1], self.image.affine)

    def show_segmentation(self, handle, file, classes):
        empty = np.zeros(self.image.shape[::-1], np.uint8)
        self.parts = split(empty if file is None else read(file), classes)[0]
        self.number += 1

    def replace_segments(self, handle, segments):
        self.parts, self.number = list(segments), self.number + 1

    def segments(self, handle):
        return list(self.parts)

    def revision(self, handle):
        return self.number

    def harden_transforms(self, handle):
        pass

    def show_uncertainty(self, handle, file):
        self.uncertainty = file

    def jump_to(self, handle, points):
        self.points_shown.append(points)

    def clear(self):
        self.parts, self.image = [], None

    def draw(self, label):
        """As a clinician would, who knows the truth."""
        names = {1: "organ", 2: "tumour"}
        self.parts = [Segment(names[value], value == label.T) for value in (2, 1)]
        self.number += 1


def read(path):
    """(k, j, i) of a label map file."""
    if path.suffix == ".nrrd":
        return nrrd.read(str(path))[0].T
    return np.asarray(nibabel.load(path).dataobj).T


class Clinician:
    """Presses the buttons, and lets the UI's timer run in between."""

    def __init__(self, server, folder):
        self.server, self.scene, self.said = server, FileScene(), []
        self.session = Session(
            lambda address: Client(address, folder / "files", "anna"), self.scene, Worker(), folder / "panel"
        )
        self.session.said.connect(lambda kind, text: self.said.append((kind, text)))
        self.session.connection.connect(server.url)
        self.settle()

    def until(self, condition):
        def met():
            self.session.deliver()
            return condition()

        self.server.wait_until(met)

    def settle(self):
        self.until(lambda: not self.session.worker.busy)

    def has_message(self, word):
        return any(word in text for _, text in self.said)


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory, volumes):
    return serve(volumes.study(tmp_path_factory.mktemp("rounds") / "studies", 4))


@pytest.fixture(scope="module")
def anna(server, tmp_path_factory):
    clinician = Clinician(server, tmp_path_factory.mktemp("anna"))
    yield clinician
    clinician.session.close()


# The tests of this module are the steps of one session: each needs those before it.


def test_the_first_label_is_painted_from_nothing_and_stored_by_name(anna, server, volumes):
    assert anna.session.state is State.NOT_TRAINED
    anna.session.cases.next("first")
    anna.settle()
    assert anna.session.state is State.EDITING
    anna.scene.draw(volumes.label(0))
    anna.session.cases.submit()
    anna.settle()
    stored = np.asarray(nibabel.load(server.studies / "labels" / "final" / "scan_0.nii.gz").dataobj)
    learned = np.array([0, 2, 1], np.uint8)  # the server had no classes: the list's first, tumour, became 1
    np.testing.assert_array_equal(stored, learned[volumes.label(0)])
    assert [entry.name for entry in anna.session.connection.capabilities.classes] == ["tumour", "organ"]


def test_a_training_is_followed_until_the_model_is_in_use(anna):
    anna.session.training.options = {"method": "supervised", "max_steps": 20}
    anna.session.training.start()
    anna.until(lambda: anna.has_message("Model version 1 is in use."))
    anna.settle()
    assert anna.session.training.progress.share == 1.0
    assert anna.session.connection.capabilities.trained


def test_the_next_case_comes_with_a_proposal_and_a_map_of_uncertainty(anna):
    anna.session.cases.next()
    anna.settle()
    case = anna.session.cases.case
    assert case.shown == "model"
    assert case.reason.endswith(".")
    assert [part.name for part in anna.scene.parts] == ["tumour", "organ"]
    assert anna.scene.uncertainty is not None
    assert anna.scene.points_shown


def test_killed_before_a_submission_nothing_is_lost_and_it_goes_on_with_the_restarted_server(anna, server, volumes):
    case = anna.session.cases.case.id
    number = int(case[-1])
    anna.scene.draw(volumes.label(number))
    server.stop()
    anna.session.cases.submit()
    anna.settle()
    assert anna.has_message("cannot be reached")
    assert anna.has_message("kept as a draft")
    assert anna.session.state is State.EDITING
    server.start()  # at another address
    offered = []
    anna.session.connection.drafts_offered.connect(offered.extend)
    anna.session.connection.connect(server.url)
    anna.settle()
    assert [draft.case for draft in offered] == [case]
    anna.session.cases.restore(offered[0])
    anna.settle()
    anna.session.cases.submit()
    anna.settle()
    stored = np.asarray(nibabel.load(server.studies / "labels" / "final" / f"{case}.nii.gz").dataobj)
    np.testing.assert_array_equal(stored, np.array([0, 2, 1], np.uint8)[volumes.label(number)])


def test_a_submitted_case_is_opened_with_its_stored_label(anna, volumes):
    anna.session.cases.open("scan_0")
    anna.settle()
    assert anna.session.cases.case.shown == "label"
    by_name = {part.name: part.mask.T for part in anna.scene.parts}
    np.testing.assert_array_equal(by_name["organ"], volumes.label(0) == 1)
    np.testing.assert_array_equal(by_name["tumour"], volumes.label(0) == 2)


def test_the_last_submission_is_taken_back_and_a_case_is_skipped(anna, volumes):
    if not anna.session.connection.capabilities.has("undo"):
        pytest.skip("this server has no /fewlabel routes")
    anna.scene.draw(volumes.label(1))
    anna.session.cases.submit()
    anna.settle()
    anna.session.cases.undo()
    anna.settle()
    assert anna.has_message("The last submission of 'scan_0' was taken back")
    anna.session.cases.open("scan_0", fresh=True)
    anna.settle()
    by_name = {part.name: part.mask.T for part in anna.scene.parts}
    np.testing.assert_array_equal(by_name["organ"], volumes.label(0) == 1)
    anna.session.cases.next("first")
    anna.settle()
    skipped = anna.session.cases.case.id
    anna.session.cases.skip("blurred")
    anna.settle()
    assert anna.session.cases.row(skipped)["skipped"]
    assert anna.session.cases.case.id != skipped


@pytest.mark.slow
def test_the_model_is_exported_and_saved_with_what_was_verified(anna, tmp_path):
    if not anna.session.connection.capabilities.has("export"):
        pytest.skip("this server has no /fewlabel routes")
    saved = []
    anna.session.export.saved.connect(lambda file, state: saved.append((file, state)))
    anna.session.export.start(["bundle"], tmp_path / "model.zip")
    anna.until(lambda: not anna.session.export.running)
    (file, state), *_ = saved
    assert zipfile.is_zipfile(file)
    assert state["verified"]["voxels_differing"] == 0


@pytest.mark.slow
def test_killed_in_mid_training_it_is_said_and_the_next_one_goes_on(anna, server):
    anna.session.training.options = {"method": "supervised", "max_steps": 100_000}
    anna.session.training.start()
    anna.until(lambda: anna.session.training.progress.phase == "training")
    server.stop()
    anna.until(lambda: anna.session.connection.lost)
    assert anna.session.training.running  # for all that is known
    server.start()
    anna.session.connection.connect(server.url)
    anna.settle()
    assert not anna.session.training.running
    assert anna.session.training.progress.phase == "stopped"
