"""What may befall a study that trains by itself: an old workspace, kills, damage, another name, other settings."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import psutil
import pytest

from fewlabel.published import load_published
from fewlabel.volumes.reading import read_label
from fewlabel.workspace import read_json

ROOT = Path(__file__).resolve().parents[3]
FIXTURE = ROOT / "tests" / "fixtures" / "study_v1" / "study.zip"
CONF = {"training": "continuous", "max_steps": "1000000", "publish_minutes": "0.03"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def labels_of(study):
    """Case -> voxels of its submitted label, by class name."""
    classes = study.workspace.classes()
    found = {}
    for path in sorted((study.server.studies / "labels" / "final").iterdir()):
        array = read_label(path).array
        found[path.name] = {name: (array == value).sum() for value, name in enumerate(classes, 1)}
    return found


def bytes_of(study):
    folder = study.server.studies / "labels" / "final"
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def trainings(study):
    """Processes that train."""
    return [child for child in study.children() if "train" in child.cmdline()]


@pytest.fixture(scope="module")
def study(serve, tmp_path_factory, goes_on):
    """Written by an earlier version; its server is started by the first test."""
    studies = tmp_path_factory.mktemp("earlier") / "studies"
    with zipfile.ZipFile(FIXTURE) as archive:
        archive.extractall(studies)
    study = goes_on(serve(studies, CONF, ready=False))
    study.before = bytes_of(study)
    study.kept = read_json(study.workspace.pools)
    return study


# The tests of this module are the steps of one story: each needs those before it.


def test_a_workspace_of_an_earlier_version_goes_on(study):
    study.server.wait_until(study.server.answers)
    study.wait_for_version(2)
    assert bytes_of(study) == study.before
    kept = read_json(study.workspace.pools)
    assert set(study.kept["validation"]) <= set(kept["validation"]), "what validated goes on validating"
    assert set(study.kept["trained"]) <= set(kept["trained"])
    assert "case_5" not in kept["validation"], "it was submitted as the model proposed it"
    assert study.progress()["labelled"] + len(study.progress()["validation_cases"]) == 8
    assert "Dice" in study.line()


def test_a_training_ends_with_its_server_and_goes_on_with_the_next_one_alone(study):
    step, orphans = study.progress()["step"], trainings(study)
    study.server.process.kill()
    study.server.process.wait()
    assert psutil.wait_procs(orphans, 60)[1] == []
    load_published(study.workspace.model)
    study.server.start()
    study.wait(lambda: study.went_on() and study.progress()["step"] >= step)
    assert len(trainings(study)) == 1
    assert bytes_of(study) == study.before


def test_with_a_damaged_checkpoint_it_begins_from_scratch_and_the_model_stays(study):
    study.server.stop()
    version = study.version()
    os.truncate(study.workspace.checkpoint, study.workspace.checkpoint.stat().st_size // 2)
    study.server.start()
    study.wait(lambda: any("could not be read" in note for note in study.progress().get("notes", [])))
    assert load_published(study.workspace.model).card["version"] >= version
    study.server.infer("case_8")
    study.wait_for_version(version + 1)
    assert not study.went_on()


def test_with_a_damaged_progress_file_it_goes_on(study):
    study.server.stop()
    study.workspace.progress.write_text('{"phase": "rest')
    study.server.start()
    study.wait(study.went_on)


def test_after_a_class_was_renamed_it_goes_on_where_it_was(study):
    study.server.stop()
    before = labels_of(study)
    command = [sys.executable, str(ROOT / "scripts" / "serve.py"), "--studies", str(study.server.studies)]
    environment = {**study.server.environment, "FEWLABEL_VENV": str(Path(sys.executable).parents[1])}
    said = subprocess.run(
        [*command, "--rename-class", "liver", "hepar"], capture_output=True, text=True, env=environment, timeout=120
    )
    assert said.returncode == 0, said.stderr
    version = study.version()
    study.server.start()
    study.wait(study.went_on)
    study.wait_for_version(version + 1)
    assert load_published(study.workspace.model).plan.classes == ("hepar", "lesion")
    renamed = {name: {"hepar": voxels["liver"], "lesion": voxels["lesion"]} for name, voxels in before.items()}
    assert labels_of(study) == renamed


def test_where_trainings_are_switched_off_nothing_begins_and_that_is_said(study):
    study.server.stop()
    study.server.environment["MONAI_LABEL_TASKS_TRAIN"] = "false"
    study.server.start()
    assert study.stays_idle()
    assert study.server.info()["trainers"] == {}
    assert study.server.refused("POST", "/train/fewlabel", 404, json={})
    assert study.server.get("/fewlabel/study")["training"]["line"].endswith("switched off on this server")
    study.server.infer("case_8")


def test_on_request_nothing_begins_by_itself_whatever_is_submitted(study):
    study.server.stop()
    del study.server.environment["MONAI_LABEL_TASKS_TRAIN"]
    study.server.conf["training"] = "on_request"
    study.server.start()
    final = study.server.studies / "labels" / "final" / "case_0.nii.gz"
    study.server.put_label("case_8", final, ["hepar", "lesion"])
    assert study.stays_idle()
    assert "until you press Train" in study.line()
    version = study.version()
    study.server.train(max_steps=2)
    assert study.server.wait_for_training()["status"] == "DONE"
    assert study.progress()["phase"] == "done"
    assert study.progress()["labelled"] + len(study.progress()["validation_cases"]) == 9
    assert study.stays_idle(), "it ends, and that is all"
    assert study.version() >= version


def test_started_as_continuous_again_it_goes_on_and_every_label_is_there(study):
    study.server.stop()
    study.server.conf["training"] = "continuous"
    study.server.start()
    version = study.version()
    study.wait_for_version(version + 1)
    assert study.progress()["labelled"] + len(study.progress()["validation_cases"]) == 9
    assert np.sum([voxels["hepar"] for voxels in labels_of(study).values()]) > 0
    assert len(bytes_of(study)) == 9
