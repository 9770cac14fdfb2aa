"""Labels mean what their names say, on real servers: sent, laid by hand, elsewhere, in another order."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
TWO_FORMS = ROOT / "tests" / "fixtures" / "two_forms" / "study.zip"
SWAP = np.array([0, 2, 1], np.uint8)
SEGMENTS = [("tumour", 1), ("organ", 2)]
"""Of a segmentation that numbers its segments in another order than the study does."""


@pytest.fixture(scope="module")
def studies(volumes, tmp_path_factory):
    return volumes.study(tmp_path_factory.mktemp("by_name") / "studies", 5)


@pytest.fixture(scope="module")
def server(serve, studies):
    return serve(studies, {"labels": "organ,tumour"})


def handed_out(server, case, home):
    """The submitted label of a case as viewers get it."""
    answer = requests.get(f"{server.url}/datastore/label", params={"label": case, "tag": "final"}, timeout=120)
    assert answer.status_code == 200, answer.text
    name = answer.headers["content-disposition"].split('filename="')[1].rstrip('"')
    (home / name).write_bytes(answer.content)
    return np.asarray(nibabel.load(home / name).dataobj)


def serve_script(server, *arguments):
    command = [sys.executable, str(ROOT / "scripts" / "serve.py"), "--studies", str(server.studies), *arguments]
    environment = {**server.environment, "FEWLABEL_VENV": str(Path(sys.executable).parents[1])}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)


def flags(server):
    return {row["id"]: row["flags"] for row in server.get("/fewlabel/cases")["cases"] if row["flags"]}


# The tests up to the next line are the steps of one session: each needs those before it.


def test_a_segmentation_is_submitted_by_the_names_in_its_file(server, volumes, tmp_path, write_segmentation):
    sent = write_segmentation(tmp_path / "a.seg.nrrd", SWAP[volumes.label(0)], volumes.affine, SEGMENTS)
    assert server.put_label("scan_0", sent)["notes"] == []
    assert np.array_equal(handed_out(server, "scan_0", tmp_path), volumes.label(0))


def test_layers_on_a_cropped_grid_are_submitted_by_name(server, volumes, tmp_path, write_segmentation):
    label = volumes.label(1)
    crop = tuple(slice(first, None) for first in (2, 1, 2))
    affine = volumes.affine.copy()
    affine[:3, 3] = (volumes.affine @ (2, 1, 2, 1))[:3]
    layers = np.stack([(label == 2)[crop], (label == 1)[crop]])
    sent = write_segmentation(tmp_path / "a.seg.nrrd", layers, affine, [("tumour", 1, 0), ("organ", 1, 1)])
    server.put_label("scan_1", sent)
    assert np.array_equal(handed_out(server, "scan_1", tmp_path), label)


def test_of_a_label_without_names_a_note_says_what_was_assumed(server, volumes, studies):
    notes = server.put_label("scan_2", volumes.truth(studies, 2))["notes"]
    assert "1 = organ, 2 = tumour" in notes[0]


def test_labels_put_by_hand_are_read_by_their_names_or_reported(server, volumes, studies, tmp_path, write_segmentation):
    final = studies / "labels" / "final"
    swapped = SWAP[volumes.label(3)]
    write_segmentation(tmp_path / "scan_3.seg.nrrd", swapped, volumes.affine, SEGMENTS).rename(
        final / "scan_3.seg.nrrd"
    )
    volumes.write(tmp_path / "scan_4.nii.gz", volumes.label(4)).rename(final / "scan_4.nii.gz")
    server.wait_until(lambda: server.get("/fewlabel/study")["counts"]["unlabelled"] == 0)
    assert np.array_equal(handed_out(server, "scan_3", tmp_path), volumes.label(3))
    assert list(flags(server)) == ["scan_4"]
    assert "1 = organ, 2 = tumour" in flags(server)["scan_4"][0]
    (final / "scan_4.nii.gz").unlink()
    server.wait_until(lambda: server.get("/fewlabel/study")["counts"]["unlabelled"] == 1)


def test_a_training_publishes_a_model_of_these_classes(server):
    server.train(max_steps=2)
    assert server.wait_for_training()["status"] == "DONE"
    assert server.infer("scan_4")["label_names"] == {"organ": 1, "tumour": 2}
    server.stop()


def test_under_another_order_with_a_class_between_every_label_and_proposal_keeps_its_meaning(
    server, serve, studies, volumes, tmp_path
):
    again = serve(studies, {"labels": "tumour,vessel,organ"})
    moved = np.array([0, 3, 1], np.uint8)
    for case in range(4):
        assert np.array_equal(handed_out(again, f"scan_{case}", tmp_path), moved[volumes.label(case)])
    assert again.infer("scan_4")["label_names"] == {"organ": 3, "tumour": 1}
    assert again.info()["models"]["fewlabel"]["labels"] == {"tumour": 1, "vessel": 2, "organ": 3}
    answer = requests.get(f"{again.url}/datastore/dataset", timeout=120)
    (tmp_path / "set.zip").write_bytes(answer.content)
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:
        archive.extract("label/scan_0.nii.gz", tmp_path)
    stored = np.asarray(nibabel.load(tmp_path / "label" / "scan_0.nii.gz").dataobj)
    assert np.array_equal(stored, moved[volumes.label(0)])
    again.train(max_steps=2)
    assert again.wait_for_training()["status"] == "DONE"
    assert again.info()["train_stats"]["fewlabel"]["problems"] == []
    again.stop()


def test_an_order_that_loses_a_class_is_refused_before_anything_starts(serve, studies):
    refused = serve(studies, {"labels": "tumour,organs"}, ready=False)
    assert refused.process.wait(timeout=120) != 0
    assert "--rename-class" in refused.tail()


@pytest.mark.slow
def test_a_class_is_renamed_by_a_command_that_says_what_it_changes(server, serve, studies, volumes, tmp_path):
    said = serve_script(server, "--rename-class", "organ", "liver")
    assert said.returncode == 0, said.stderr
    for words in ("scan_3.seg.nrrd", "model.pt", "classes of the study: tumour, vessel, liver"):
        assert words in said.stdout
    again = serve(studies, {"labels": "tumour,vessel,liver"})
    assert np.array_equal(handed_out(again, "scan_3", tmp_path), np.array([0, 3, 1])[volumes.label(3)])
    assert again.infer("scan_4")["label_names"]["liver"] == 3
    held = serve_script(again, "--rename-class", "liver", "organ")
    assert held.returncode == 1
    assert "This study is served already" in held.stderr
    again.stop()


@pytest.mark.slow
def test_in_another_workspace_a_label_of_an_unknown_class_is_left_out_with_the_reason(
    server, serve, studies, volumes, tmp_path
):
    volumes.write(studies / "labels" / "final" / "scan_4.nii.gz", (volumes.label(4) == 1).astype(np.uint8))
    conf = {"labels": "bone,liver", "workspace": str(tmp_path / "elsewhere")}
    other = serve(studies, conf)
    left_out = other.info()["labels_left_out"]
    assert set(left_out) == {"scan_0", "scan_1", "scan_2", "scan_3"}
    assert "it holds tumour, and the study's classes are bone, liver" in left_out["scan_0"]
    assert left_out["scan_0"] in flags(other)["scan_0"]
    assert left_out["scan_0"] in other.refused("GET", "/datastore/label?label=scan_0&tag=final", 409)
    other.train(max_steps=2)
    assert other.wait_for_training()["status"] == "DONE"
    state = other.info()["train_stats"]["fewlabel"]
    assert state["labelled"] == 1
    assert {problem["id"] for problem in state["problems"]} == set(left_out)
    assert any("it holds tumour" in note for note in state["notes"])
    other.stop()


# --- labels on an old grid


@pytest.mark.slow
def test_labels_beside_their_scans_are_reported_left_out_and_put_right_by_a_command(serve, tmp_path):
    studies = tmp_path / "studies"
    shutil.unpack_archive(TWO_FORMS, studies)
    server = serve(studies)
    left_out = server.info()["labels_left_out"]
    assert set(left_out) == {"a", "b", "c"}
    assert "mm beside its scan" in server.info()["description"]
    assert {case: reason[-1] for case, reason in flags(server).items() if case in left_out} == left_out
    server.train(max_steps=2)
    assert server.wait_for_training()["status"] == "DONE"
    state = server.info()["train_stats"]["fewlabel"]
    assert {problem["id"] for problem in state["problems"]} == {"a", "b", "c"}
    assert sum("mm beside its scan" in note for note in state["notes"]) == 3
    server.stop()
    listed = serve_script(server, "--move-labels", "list")
    assert (listed.returncode, listed.stdout.count("mm beside its scan")) == (0, 3), listed.stderr
    moved = serve_script(server, "--move-labels")
    assert (moved.returncode, moved.stdout.count("The old file is kept")) == (0, 3), moved.stderr
    again = serve(studies)
    assert again.info()["labels_left_out"] == {}
    again.train(max_steps=2)
    assert again.wait_for_training()["status"] == "DONE"
    assert again.info()["train_stats"]["fewlabel"]["problems"] == []
    assert json.loads((studies / ".fewlabel" / "classes.json").read_text()) == ["organ"]
