"""A clinician's day: three rounds at the panel with a real MONAI Label server, on real volumes or on generated ones.

Pictures of the panel are kept with the test's output, or in the folder that FEWLABEL_SCREENSHOTS names; then each
training takes longer, so that there are curves to be seen.
"""

import importlib.util
import json
import os
import shutil
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests

pytest.importorskip("slicer", reason="needs slicer-core: python3 scripts/test.py sets it up and runs this")

CASES, ROUNDS, CLASSES = 6, 3, ("anterior", "posterior")
PICTURES = os.environ.get("FEWLABEL_SCREENSHOTS")
CONF = {
    "labels": ",".join(CLASSES),
    "patch": "32,32,32",
    "max_steps": "100000",
    "max_minutes": "0.7" if PICTURES else "0.15",  # of each training
}
BESIDE = Path(__file__).resolve().parents[4] / "shared" / "data"


class Study:
    """Scans, and what is known about them.

    Attributes:
        folder: of the scans.
        truth: files of their labels, by case.
    """

    def __init__(self, folder, truth):
        self.folder, self.truth = folder, truth

    def label(self, case):
        """(k, j, i) of the true label."""
        return np.rint(np.asarray(nibabel.load(self.truth[case]).dataobj)).astype(np.uint8).T

    def stored(self, case):
        """(k, j, i) of what the server has stored on its disk."""
        return np.asarray(nibabel.load(self.folder / "labels" / "final" / f"{case}.nii.gz").dataobj).T


def real_study(folder):
    data = Path(os.environ.get("FEWLABEL_DATA") or BESIDE) / "hippocampus"
    if not (data / "splits.json").exists():
        pytest.skip("needs real volumes: set FEWLABEL_DATA to a folder with hippocampus/splits.json")
    cases = json.loads((data / "splits.json").read_text())["development"][:CASES]
    for case in cases:
        shutil.copy(data / "images" / f"{case}.nii.gz", folder)
    return Study(folder, {case: data / "labels" / f"{case}.nii.gz" for case in cases})


def generated_study(folder, above):
    volumes = above.Volumes()
    volumes.study(folder, CASES)
    return Study(folder, {f"scan_{number}": volumes.truth(folder, number) for number in range(CASES)})


@pytest.fixture(scope="module", params=["hippocampus", pytest.param("generated", marks=pytest.mark.slow)])
def study(request, above, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clinician") / "hippocampus"
    folder.mkdir()
    return real_study(folder) if request.param == "hippocampus" else generated_study(folder, above)


@pytest.fixture(scope="module")
def server(serve, study):
    return serve(study.folder, CONF)


@pytest.fixture(scope="module")
def anna(lasting_desk, server):
    lasting_desk.ui.nameEdit.text = "anna"
    return lasting_desk


@pytest.fixture(scope="module")
def picture(anna, tmp_path_factory):
    """Callable (name, widgets): write a picture of a part of the panel."""
    folder = Path(PICTURES or tmp_path_factory.mktemp("pictures"))
    folder.mkdir(exist_ok=True)
    return lambda name, *widgets: anna.picture(folder / f"{name}.png", *widgets)


@pytest.fixture(scope="module")
def bob(server, server_python, tmp_path_factory):
    """The client of MONAI Label's own Slicer module, from the file of its wheel."""
    pytest.importorskip("cgi", reason="the stock client needs Python before 3.13")
    client = server_python.parents[1] / "monailabel/plugins/slicer/MONAILabel/MONAILabelLib/client.py"
    specification = importlib.util.spec_from_file_location("stock_client", client)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module.MONAILabelClient(server.url, str(tmp_path_factory.mktemp("bob")), "bob")


# The tests of this module are the steps of one day: each needs those before it.


def test_connecting_shows_the_study_and_its_cases(anna, server, picture):
    anna.connect(server.url)
    assert anna.ui.serverLabel.text.startswith("Connected to hippocampus at ")
    assert anna.ui.caseTable.rowCount == CASES
    assert not anna.ui.submitButton.enabled
    picture("connect", "serverSection")


def shown_as_correction(anna, study):
    """What a careful person makes of the segments on the screen: the truth in the middle, what was there around it."""
    truth = study.label(anna.session.cases.case.id)
    middle = np.zeros(truth.shape, bool)
    middle[truth.shape[0] // 4 : 3 * truth.shape[0] // 4] = True
    result = np.zeros(truth.shape, np.uint8)
    for value, name in enumerate(CLASSES, 1):
        result[np.where(middle, truth == value, anna.mask(name))] = value
    return result


@pytest.mark.parametrize("number", range(1, ROUNDS + 1))
def test_a_round(anna, server, study, picture, number):
    ui, cases = anna.ui, anna.session.cases

    anna.do("nextButton")
    anna.settle()
    case = cases.case
    assert study.truth.keys() >= {case.id}
    assert ui.reasonLabel.text == case.reason != ""
    assert case.shown == ("" if number == 1 else "model")
    assert ("proposal: correct them" in ui.caseLabel.text) == (number > 1)
    assert (anna.session.scene.uncertainty is not None) == (number > 1)
    assert cases.row(case.id)["state"] == "in_work"
    picture("cases", "casesSection")

    drawn = shown_as_correction(anna, study)
    for value, name in enumerate(CLASSES, 1):
        anna.paint(name, drawn == value)
    picture("edit", "caseSection", "editorSection")

    anna.do("submitButton")
    np.testing.assert_array_equal(study.stored(case.id), drawn)
    assert f"'{case.id}' is submitted" in ui.submitLabel.text
    assert cases.row(case.id)["state"] in ("submitted", "validation")
    assert cases.row(case.id)["kind"] == ("drawn" if number == 1 else "corrected")
    picture("submit", "submitSection")

    before = len(anna.said)
    seen, training = [], anna.session.training

    def note(progress):
        if progress.phase == "training" and len(drawn_points(anna)) > 1:
            assert ui.trainingBar.visible
            assert ui.stopButton.enabled
        seen.append((progress.share, ui.trainingLabel.text))

    training.changed.connect(note)
    anna.do("trainButton")
    anna.until(lambda: training.progress.share > 0.7 and len(drawn_points(anna)) > 1)
    picture("train", "trainingSection")
    anna.until(lambda: not anna.session.training.running)
    anna.settle()
    assert any(f"Model version {number} is in use." in text for text in anna.said[: len(anna.said) - before])
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert any(0 < share < 1 for share in shares)
    assert any(" left" in text for _, text in seen)
    assert f"model version {number}" in ui.serverLabel.text


def drawn_points(anna):
    """The longest curve of the training."""
    return max(anna.session.training.progress.losses.values(), key=len, default=[])


def test_a_colleague_with_the_stock_client_and_anna_see_each_others_labels(anna, bob, server, study):
    mine = anna.session.cases.last_submitted
    case = bob.next_sample("first", {})["id"]
    assert anna.session.cases.row(case)["state"] != "submitted"
    info = [{"name": name, "idx": value} for value, name in enumerate(CLASSES, 1)]
    bob.save_label(case, str(study.truth[case]), params={"label_info": info})
    assert bob.info()["datastore"]["completed"] == ROUNDS + 1

    anna.do("refreshButton")
    anna.settle()
    row = [anna.ui.caseTable.item(number, 0).text() for number in range(CASES)].index(case)
    anna.ui.caseTable.setCurrentCell(row, 0)
    anna.do("openButton")
    assert anna.session.cases.case.shown == "label"
    for value, name in enumerate(CLASSES, 1):
        np.testing.assert_array_equal(anna.mask(name), study.label(case) == value)

    answer = bob.infer("fewlabel", mine, {"result_extension": ".nrrd", "result_dtype": "uint8"})
    assert answer[1]["label_names"] == {name: value for value, name in enumerate(CLASSES, 1)}
    seen = requests.get(f"{server.url}/datastore/label", params={"label": mine, "tag": "final"}, timeout=30)
    assert seen.content == (study.folder / "labels" / "final" / f"{mine}.nii.gz").read_bytes()


def test_the_model_in_use_is_exported_and_was_run_by_itself(anna, tmp_path, picture, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a short path, for the picture
    Path("models").mkdir()
    anna.ui.exportSection.collapsed = False
    anna.ui.exportFolder.currentPath = "models"
    items = [anna.ui.formatList.item(number) for number in range(20)]
    rows = {item.text(): item for item in items if item is not None}
    assert rows["bundle"].isSelected()
    rows["nnunet"].setSelected(True)
    anna.press("exportButton")
    anna.until(lambda: anna.has_message("The export was saved as"))
    anna.settle()
    (file,) = Path("models").glob("*.zip")
    with zipfile.ZipFile(file) as archive:
        assert {name.split("/")[0] for name in archive.namelist()} == {"fewlabel_segmentation", "fewlabel_nnunet"}
    assert f"Saved as {file}." in anna.ui.exportLabel.text
    assert "0 of" in anna.ui.exportLabel.text
    picture("export", "exportSection")
    picture("all")
