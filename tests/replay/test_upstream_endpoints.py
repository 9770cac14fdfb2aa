"""MONAI Label's own endpoint tests, as they lie in its wheel, run against FewLabel; nothing of them is copied."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib.metadata import distribution
from pathlib import Path

import pytest

from experiments.demo.phantom import write_study

HERE = Path(__file__).parent
APP = HERE.parents[1] / "apps" / "fewlabel" / "main.py"
FOLDER = Path(distribution("monailabel").locate_file("tests/unit/endpoints"))

# In this order: the first trains the model that the others ask for.
FILES = [
    "test_train",
    "test_info",
    "test_activelearning",
    "test_datastore",
    "test_session",
    "test_logs",
    "test_model",
    "test_infer",
    "test_infer_v2",
    "test_batch_infer",
    "test_scoring",
    "test_proxy",
]

EXCLUDED_FILES = {
    "test_dicomwebcache": "a DICOMweb server as datastore; FewLabel works on a folder and says so",
    "test_ohif": "expects MONAI Label without the OHIF viewer, which comes with its wheel",
    "test_infer_wsi": "whole slide images of the pathology app",
    "test_scoring_v2": "a bundle downloaded from the model zoo",
}

EXCLUDED_TESTS = {
    "TestBundleTrainTask": "a bundle downloaded from the model zoo",
    "TestDetectionBundleTrainTask": "a bundle downloaded from the model zoo",
    "TestBundleInferTask": "a bundle downloaded from the model zoo",
    "TestDetectionBundleInferTask": "a bundle downloaded from the model zoo",
    "EndPointBundleScoring": "a bundle downloaded from the model zoo",
    "test_sam_2d": "SAM 2, interactive prompts",
    "test_sam_3d": "SAM 2, interactive prompts",
    "test_deepgrow_pipeline": "DeepGrow, interactive clicks",
    "test_logs_gpu": "nvidia-smi, which a computer without an NVIDIA GPU lacks",
}

ALIASES = f'''
"""FewLabel under the names that these tests ask for; MONAI Label takes the class below MONAILabelApp."""

import importlib.util
import os

from monailabel.tasks.scoring.dice import Dice

_specification = importlib.util.spec_from_file_location("fewlabel_main", {str(APP)!r})
_main = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(_main)

SETTINGS = {{
    "network": "unet_small", "patch": "16,16,16", "spacing": "8", "batch": "1", "method": "supervised",
    "hosts": "testserver", "max_minutes": "0.07", "max_steps": "100000", "scoring_minutes": "0.02",
    "publish_minutes": "0.05", "training": os.environ["REPLAY_TRAINING"],
}}
_EPISTEMIC = "segmentation_spleen_epistemic"


class MONAILabelApp(_main.FewLabelApp):
    pass


class Aliases(MONAILabelApp):
    def __init__(self, app_dir, studies, conf):
        super().__init__(app_dir, studies, {{**conf, **SETTINGS}})

    def bundle_path(self, model):  # FewLabel's checks that a model of this name can be trained; here not all can
        return None

    def init_infers(self):
        task = super().init_infers()["fewlabel"]
        return dict.fromkeys(["segmentation_spleen", "deepedit", "deepedit_seg"], task)

    def init_trainers(self):
        return {{"segmentation_spleen": super().init_trainers()["fewlabel"]}}

    def init_strategies(self):
        strategies = super().init_strategies()
        return {{**strategies, _EPISTEMIC: strategies["uncertainty+diversity"]}}

    def init_scoring_methods(self):
        return dict.fromkeys(["dice", _EPISTEMIC], Dice())
'''


SLOW = "(TestEndPointTrain and (test_002_train or test_003_stop))"  # they wait for fixed times


def replay(folder, files, left_out, training="on_request"):
    """Run these files without these tests; a list of (test, what went wrong or "")."""
    app, data = folder / "app", folder / "data"
    app.mkdir()
    (app / "main.py").write_text(ALIASES)
    _lay_data(data / "dataset" / "local" / "spleen")
    (folder / "pytest.ini").write_text("[pytest]\n")
    report, log = folder / "report.xml", folder / "log.txt"
    command = [sys.executable, "-m", "pytest", "-q", "-c", str(folder / "pytest.ini"), "-p", "upstream_plugin"]
    command += ["-p", "no:cacheprovider", f"--junitxml={report}", "-k", f"not ({left_out})"]
    command += [str(FOLDER / f"{name}.py") for name in files]
    environment = {
        **os.environ,
        "PYTHONPATH": str(HERE),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "REPLAY_APP": str(app),
        "REPLAY_DATA": str(data),
        "REPLAY_TRAINING": training,
        "MONAI_LABEL_AUTO_UPDATE_SCORING": "false",
        "MONAI_LABEL_TRACKING_ENABLED": "false",
    }
    before = _installed()
    with log.open("wb") as file:
        subprocess.run(command, cwd=folder, env=environment, stdout=file, stderr=file, timeout=280)
    assert report.exists(), log.read_text(errors="replace")[-5000:]
    assert _installed() == before, "the tests left something in site-packages"
    return [_outcome(case) for case in ElementTree.parse(report).iter("testcase")]


def _outcome(case):
    """(name, what went wrong or "")."""
    problems = [part.text or part.tag for part in case if part.tag in ("failure", "error", "skipped")]
    return f"{case.get('classname').strip('.')}::{case.get('name')}", "\n".join(problems)[-3000:]


def _lay_data(studies):
    """Four scans under the names that the tests expect, two of them labelled."""
    truth = studies.parents[3] / "truth"
    for case, number in zip(write_study(studies, truth, 4, seed=5), (3, 8, 9, 10), strict=True):
        case.image.rename(studies / f"spleen_{number}.nii.gz")
        if number in (3, 9):
            (studies / "labels" / "final").mkdir(parents=True, exist_ok=True)
            case.label.rename(studies / "labels" / "final" / f"spleen_{number}.nii.gz")


def _installed():
    return sorted(path for path in FOLDER.parents[1].rglob("*") if "__pycache__" not in path.parts)


@pytest.mark.slow
@pytest.mark.parametrize("training", ["on_request", "continuous"])
def test_every_selected_test_of_the_wheel_passes(tmp_path, training):
    outcomes = replay(tmp_path, FILES, " or ".join([*EXCLUDED_TESTS, SLOW]), training)
    assert [f"{name}:\n{problem}" for name, problem in outcomes if problem] == []
    assert len(outcomes) == 38


@pytest.mark.slow
def test_the_training_tests_of_the_wheel_pass(tmp_path):
    outcomes = replay(tmp_path, ["test_train"], " or ".join(EXCLUDED_TESTS))
    assert [f"{name}:\n{problem}" for name, problem in outcomes if problem] == []
    assert len(outcomes) == 5


def test_every_file_of_the_wheel_is_either_run_or_left_out_with_a_reason():
    there = {path.stem for path in FOLDER.glob("test_*.py")}
    assert there == {*FILES, *EXCLUDED_FILES}


def test_every_test_left_out_exists():
    text = "".join((FOLDER / f"{name}.py").read_text() for name in FILES)
    assert [name for name in EXCLUDED_TESTS if name not in text] == []
