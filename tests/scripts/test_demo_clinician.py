"""The clinician of the demo and the comparison of its bundle, with a stand-in for the server."""

import sys

import numpy as np
import pytest

import demo_bundle
import demo_clinician
import demo_study
from demo_result import Choice, DemoTrouble
from fewlabel.volumes.reading import write_volume


def test_the_progress_line_takes_whatever_is_there():
    assert demo_clinician.describe({}) == "  training"
    line = demo_clinician.describe(
        {
            "phase": "training",
            "progress": 0.5,
            "step": 40,
            "losses": {"supervised": 0.25, "consistency": None},
            "validation": {"liver": 0.8, "kidney": None},
            "labelled": 4,
            "unlabelled": 20,
            "seconds_left": 12.4,
        }
    )
    parts = [
        "training",
        "50%",
        "step 40",
        "supervised 0.250",
        "Dice liver 0.80",
        "4 labelled + 20 unlabelled",
    ]
    assert line == "  " + " · ".join([*parts, "12 s left"])


def test_the_progress_line_counts_the_scored_cases():
    progress = {"phase": "scoring cases", "progress": 1.0, "step": 40, "scored": 3, "to_score": 22}
    assert demo_clinician.describe(progress) == "  scoring cases · 3 of 22"


def test_candidates_are_fixed_by_the_seed():
    cases = [f"case_{n}" for n in range(9)]
    assert demo_clinician.candidates(cases, 4, 1) == demo_clinician.candidates(cases[::-1], 4, 1)
    assert len(demo_clinician.candidates(cases, 20, 1)) == 9


class Server:
    """Stands in for the client: answers as the server would, one progress record after the other."""

    def __init__(self, statuses, stats):
        self.statuses, self.stats = iter(statuses), stats

    def train_start(self, model, params):
        return {"id": "new"}

    def train_status(self):
        return {"id": "new", "status": next(self.statuses), "details": ["some line", "last line"]}

    def info(self):
        return {"train_stats": {"fewlabel": self.stats}}

    def next_sample(self, strategy, params):
        return {"id": "a", "reason": "it is new", "path": "/images/a.nii.gz"}

    def save_label(self, case, file, params):
        self.saved = (case, file, params)


def clinician(server, files):
    study = demo_study.Study(files / "images", {"a": files / "truth" / "a.nii.gz"}, {"head": 1, "tail": 3})
    return demo_clinician.Clinician(server, study, files / "predictions")


def test_labelling_sends_the_truth_with_names_and_values(files):
    server = Server([], {})
    choice = clinician(server, files).label_next()
    assert choice == Choice("a", "it is new")
    names = [{"name": "head", "idx": 1}, {"name": "tail", "idx": 3}]
    assert server.saved == ("a", str(files / "truth" / "a.nii.gz"), {"label_info": names})


def test_training_is_followed_to_its_end(files, monkeypatch):
    monkeypatch.setattr(demo_clinician, "POLL", 0.0)
    server = Server(["SUBMITTED", "RUNNING", "DONE"], {"phase": "done", "step": 7})
    assert clinician(server, files).train({})["step"] == 7


def test_a_failed_training_is_told_with_the_servers_reason(files, monkeypatch):
    monkeypatch.setattr(demo_clinician, "POLL", 0.0)
    with pytest.raises(DemoTrouble, match="ERROR: no label can be read"):
        clinician(Server(["ERROR"], {"error": "no label can be read"}), files).train({})
    with pytest.raises(DemoTrouble, match="ERROR: last line"):
        clinician(Server(["ERROR"], {}), files).train({})


def test_predictions_are_compared_by_class_name(files):
    """The server may number its classes otherwise than the truth files do."""
    label = np.zeros((12, 14, 10), np.uint8)
    label[3:8, 4:9, 2:7] = 1
    label[8:10, 4:9, 2:7] = 2
    write_volume(files / "predicted.nii.gz", label, np.diag([1.5, 2.0, 3.0, 1.0]))
    same = clinician(Server([], {}), files).compare("a", files / "predicted.nii.gz", {"head": 1, "tail": 2})
    assert same == {"head": 1.0, "tail": 1.0}
    without = clinician(Server([], {}), files).compare("a", files / "predicted.nii.gz", {"head": 1})
    assert without == {"head": 1.0, "tail": 0.0}
    write_volume(files / "predicted.nii.gz", label, np.eye(4))
    with pytest.raises(DemoTrouble, match="another grid"):
        clinician(Server([], {}), files).compare("a", files / "predicted.nii.gz", {"head": 1, "tail": 2})


def ball(size, shift=0):
    grid = np.indices((size,) * 3) - size // 2
    grid[0] -= shift
    return (grid**2).sum(0) < (size // 3) ** 2


def test_bundle_and_server_are_compared_voxel_for_voxel(files):
    truth = files / "truth" / "a.nii.gz"
    outputs = files / "outputs" / "a"
    outputs.mkdir(parents=True)
    with pytest.raises(DemoTrouble, match="no label map for a"):
        demo_bundle.compare("a", truth, files / "outputs")
    (outputs / "a_pred.nii.gz").write_bytes(truth.read_bytes())
    assert demo_bundle.compare("a", truth, files / "outputs").equal
    changed = ball(12)[:, :, :10]
    write_volume(outputs / "a_pred.nii.gz", np.pad(changed, ((0, 0), (0, 2), (0, 0))).astype(np.uint8), np.eye(4))
    assert not demo_bundle.compare("a", truth, files / "outputs").equal


def test_a_failing_command_is_told_with_its_last_words():
    with pytest.raises(DemoTrouble, match=r"(?s)The export failed \(exit code 3\).*no model yet"):
        demo_bundle.run([sys.executable, "-c", "print('no model yet'); raise SystemExit(3)"], "The export")
