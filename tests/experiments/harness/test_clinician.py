"""The clinician of the demo and the comparison of its bundle, with a stand-in for the server."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from experiments.demo import bundle as bundle_module
from experiments.demo import study as study_module
from experiments.harness import clinician as clinician_module
from experiments.harness.errors import ExperimentError
from experiments.harness.result import Choice
from fewlabel.volumes.reading import write_volume


def test_the_progress_line_takes_whatever_is_there():
    assert clinician_module.describe({}) == "  training"
    line = clinician_module.describe(
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
    assert clinician_module.describe(progress) == "  scoring cases · 3 of 22"


def test_candidates_are_fixed_by_the_seed():
    cases = [f"case_{n}" for n in range(9)]
    assert clinician_module.candidates(cases, 4, 1) == clinician_module.candidates(cases[::-1], 4, 1)
    assert len(clinician_module.candidates(cases, 20, 1)) == 9


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
    study = study_module.Study(files / "images", {"a": files / "truth" / "a.nii.gz"}, {"head": 1, "tail": 3})
    return clinician_module.Clinician(server, study, files / "predictions")


def test_labelling_sends_the_truth_with_names_and_values(files):
    server = Server([], {})
    choice = clinician(server, files).label_next()
    assert choice == Choice("a", "it is new")
    names = [{"name": "head", "idx": 1}, {"name": "tail", "idx": 3}]
    assert server.saved == ("a", str(files / "truth" / "a.nii.gz"), {"label_info": names})


def test_training_is_followed_to_its_end(files, monkeypatch):
    monkeypatch.setattr(clinician_module, "POLL", 0.0)
    server = Server(["SUBMITTED", "RUNNING", "DONE"], {"phase": "done", "step": 7})
    assert clinician(server, files).train({})["step"] == 7


def test_a_failed_training_is_reported_with_the_servers_reason(files, monkeypatch):
    monkeypatch.setattr(clinician_module, "POLL", 0.0)
    with pytest.raises(ExperimentError, match="ERROR: no label can be read"):
        clinician(Server(["ERROR"], {"error": "no label can be read"}), files).train({})
    with pytest.raises(ExperimentError, match="ERROR: last line"):
        clinician(Server(["ERROR"], {}), files).train({})


@pytest.fixture
def minute(monkeypatch):
    """A second passes with each look at the server."""
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    clock.sleep = lambda seconds: setattr(clock, "now", clock.now + 1)
    monkeypatch.setattr(clinician_module, "time", clock)
    return clock


def test_while_labels_are_drawn_the_server_s_own_line_is_shown(files, minute, monkeypatch):
    shown = []
    monkeypatch.setattr(clinician_module.LiveLine, "show", lambda line, text: shown.append(text))
    stats = {"phase": "training", "version": 1, "line": "learning from 2 labels"}
    assert clinician(Server([], stats), files).draw(3) == stats
    assert minute.now == 3
    assert shown[0] == "  drawing, 3 s left; the server: learning from 2 labels"


def test_however_long_the_first_model_takes_it_is_waited_for(files, minute):
    stats = {"phase": "starting"}
    server = Server([], stats)
    server.info = lambda: {"train_stats": {"fewlabel": {**stats, **({"version": 1} if minute.now > 50 else {})}}}
    assert clinician(server, files).draw(3)["version"] == 1
    assert minute.now == 51


def test_a_training_that_fails_while_labels_are_drawn_is_reported(files, minute):
    with pytest.raises(ExperimentError, match="no label can be read"):
        clinician(Server([], {"phase": "failed", "error": "no label can be read"}), files).draw(3)


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
    with pytest.raises(ExperimentError, match="another grid"):
        clinician(Server([], {}), files).compare("a", files / "predicted.nii.gz", {"head": 1, "tail": 2})


def ball(size, shift=0):
    grid = np.indices((size,) * 3) - size // 2
    grid[0] -= shift
    return (grid**2).sum(0) < (size // 3) ** 2


def test_bundle_and_server_are_compared_voxel_for_voxel(files):
    truth = files / "truth" / "a.nii.gz"
    outputs = files / "outputs" / "a"
    outputs.mkdir(parents=True)
    with pytest.raises(ExperimentError, match="no label map for a"):
        bundle_module.compare("a", truth, files / "outputs")
    (outputs / "a_pred.nii.gz").write_bytes(truth.read_bytes())
    assert bundle_module.compare("a", truth, files / "outputs").equal
    changed = ball(12)[:, :, :10]
    write_volume(outputs / "a_pred.nii.gz", np.pad(changed, ((0, 0), (0, 2), (0, 0))).astype(np.uint8), np.eye(4))
    assert not bundle_module.compare("a", truth, files / "outputs").equal


def test_a_failing_command_is_reported_with_its_last_words():
    with pytest.raises(ExperimentError, match=r"(?s)The export failed \(exit code 3\).*no model yet"):
        bundle_module.run([sys.executable, "-c", "print('no model yet'); raise SystemExit(3)"], "The export")
