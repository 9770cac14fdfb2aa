"""A real server knows who has looked at each label, over restarts, and no model writes a submitted one."""

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import requests
import SimpleITK

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "study_v1" / "study.zip"
CLASSES = ["liver", "lesion"]
PATIENCE = 120


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory):
    """A study that was written before kinds: labels of case_0 to case_7, a published model, case_8 and case_9 open."""
    folder = tmp_path_factory.mktemp("kinds") / "studies"
    with zipfile.ZipFile(FIXTURE) as archive:
        archive.extractall(folder)
    return serve(folder)


def rows(server):
    return {row["id"]: row for row in server.get("/fewlabel/cases")["cases"]}


def kinds(server, tag="final"):
    objects = server.get("/datastore/", params={"output": "all"})["objects"]
    return {case: entry["labels"][tag]["info"]["kind"] for case, entry in objects.items() if tag in entry["labels"]}


def submitted_files(server):
    folder = server.studies / "labels" / "final"
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def proposal(server, case, folder, **params):
    """What the model proposes for a case, as a file."""
    query, data = {"image": case, "output": "image"}, {"params": json.dumps({"result_extension": ".nrrd", **params})}
    answer = requests.post(f"{server.url}/infer/fewlabel", params=query, data=data, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    path = folder / f"{case}.nrrd"
    path.write_bytes(answer.content)
    return path


def one_voxel_off(path):
    """Another file, of the same map but for its first voxel."""
    image = SimpleITK.ReadImage(str(path))
    image[0, 0, 0] = 1 - min(1, image[0, 0, 0])
    SimpleITK.WriteImage(image, str(path.with_name("changed.nrrd")))
    return path.with_name("changed.nrrd")


def kind(server, case, file, names=CLASSES, **params):
    """The kind that a submission gets, which the server's answer, its list and its route tell alike."""
    stored_kind = server.put_label(case, file, names, **params)["kind"]
    assert stored_kind == kinds(server)[case] == rows(server)[case]["kind"]
    return stored_kind


# The tests of this module are the steps of one session: each needs those before it.


def test_labels_from_before_are_drawn_of_unknown_kind_or_accepted_where_nothing_was_changed(server):
    found = {case: (row["kind"], row["kind_unknown"]) for case, row in rows(server).items() if row["kind"]}
    expected = {f"case_{number}": ("drawn", True) for number in range(8)} | {"case_5": ("accepted", False)}
    assert found == expected
    assert kinds(server, "original") == {"case_6": "predicted"}


@pytest.mark.parametrize("tag", ["final", "FINAL", " final"])
def test_a_model_stores_no_submitted_label_by_infer(server, tag):
    before = submitted_files(server)
    for case in ("case_0", "case_8"):
        refusal = server.infer(case, expect=422, save_label=True, label_tag=tag)
        assert "A model never writes a submitted label" in refusal["detail"]
    assert submitted_files(server) == before
    assert rows(server)["case_8"]["state"] != "submitted"


@pytest.mark.parametrize("tag", ["", None])
def test_without_a_tag_infer_stores_a_prediction_and_no_submitted_label(server, tag):
    before = submitted_files(server)
    server.infer("case_1", save_label=True, label_tag=tag)
    assert submitted_files(server) == before
    assert kinds(server, "original")["case_1"] == "predicted"


@pytest.mark.parametrize("query", ["", "?run_sync=true"])
def test_batch_inference_under_the_tag_of_submitted_labels_is_refused_before_it_starts(server, query):
    before = submitted_files(server)
    sentence = server.refused("POST", f"/batch/infer/fewlabel{query}", 422, json={"label_tag": "final"})
    assert "A model never writes a submitted label" in sentence
    assert requests.get(f"{server.url}/batch/infer", timeout=PATIENCE).status_code == 404, "none was started"
    assert submitted_files(server) == before


@pytest.mark.parametrize("options", [{}, {"label_tag": None}, {"label_tag": ""}])
def test_batch_inference_stores_predictions_and_leaves_submitted_labels(server, options):
    before, states = submitted_files(server), {case: row["state"] for case, row in rows(server).items()}
    server.request("POST", "/batch/infer/fewlabel?run_sync=true", json={"device": "cpu", **options})
    assert submitted_files(server) == before
    assert {case: row["state"] for case, row in rows(server).items()} == states
    assert kinds(server, "original") == {f"case_{number}": "predicted" for number in range(10)}


def test_what_was_never_handed_out_is_drawn_though_a_prediction_is_stored(server):
    stored = server.studies / "labels" / "original" / "case_9.nii.gz"
    assert requests.head(f"{server.url}/datastore/label?image=case_9&tag=original", timeout=PATIENCE).status_code == 200
    assert kind(server, "case_9", stored) == "drawn"
    server.request("POST", "/fewlabel/undo/case_9")


def test_a_proposal_of_the_tag_original_that_is_left_as_it_is_is_accepted(server, tmp_path):
    query = {"label": "case_9", "tag": "original"}
    answer = requests.get(f"{server.url}/datastore/label", params=query, timeout=PATIENCE)
    file = tmp_path / "case_9.nii.gz"
    file.write_bytes(answer.content)
    assert kind(server, "case_9", one_voxel_off(file)) == "corrected"
    assert kind(server, "case_9", file) == "accepted"


def test_a_proposal_of_infer_is_accepted_where_no_voxel_is_changed_whatever_its_values_and_grid(server, tmp_path):
    file = proposal(server, "case_8", tmp_path)
    assert kind(server, "case_8", file) == "accepted"
    image = SimpleITK.ReadImage(str(file))
    exchanged = SimpleITK.GetImageFromArray(np.array([0, 2, 1], np.uint8)[SimpleITK.GetArrayFromImage(image)])
    exchanged.CopyInformation(image)
    other = SimpleITK.Flip(exchanged, (True, False, True))  # stored from the other side; in space it is the same
    SimpleITK.WriteImage(other, str(tmp_path / "other.nrrd"))
    assert kind(server, "case_8", tmp_path / "other.nrrd", names=CLASSES[::-1]) == "accepted"


def test_one_changed_voxel_makes_it_corrected_and_undo_brings_the_kind_back(server, tmp_path):
    file = proposal(server, "case_8", tmp_path)
    assert kind(server, "case_8", one_voxel_off(file)) == "corrected"
    server.request("POST", "/fewlabel/undo/case_8")
    assert kinds(server)["case_8"] == rows(server)["case_8"]["kind"] == "accepted"


def test_of_what_the_panel_says_and_what_is_found_the_lower_counts(server, tmp_path):
    drawn = server.studies / "labels" / "final" / "case_0.nii.gz"
    assert kind(server, "case_0", drawn, kind="accepted") == "accepted"
    assert kind(server, "case_0", drawn, kind="drawn") == "drawn"
    assert kind(server, "case_8", proposal(server, "case_8", tmp_path), kind="drawn") == "accepted"


def test_a_word_that_is_no_kind_is_refused_in_a_sentence(server):
    before = submitted_files(server), kinds(server)
    file = server.studies / "labels" / "final" / "case_0.nii.gz"
    for word in ("predicted", "perfect", 7):
        sentence = server.put_label("case_0", file, CLASSES, expect=422, kind=word)["detail"]
        assert "accepted, corrected, drawn" in sentence
    assert (submitted_files(server), kinds(server)) == before


def test_no_request_changes_a_kind(server):
    server.request("PUT", "/datastore/label/info?label=case_8&tag=final", data={"info": json.dumps({"kind": "drawn"})})
    assert kinds(server)["case_8"] == "accepted"


def test_a_proposal_is_known_after_a_restart(server, tmp_path):
    server.request("POST", "/fewlabel/undo/case_9")
    server.request("DELETE", "/datastore/label?id=case_9&tag=final")
    file = proposal(server, "case_9", tmp_path)
    server.stop()
    server.start()
    assert kinds(server)["case_8"] == "accepted"
    assert kind(server, "case_9", file) == "accepted"


def test_accepted_labels_are_not_trained_on_and_the_validation_cases_stay_what_they_were(server):
    pools = server.studies / ".fewlabel" / "pools.json"
    before = json.loads(pools.read_text())
    server.train(max_steps=2)
    assert server.wait_for_training()["status"] == "DONE", server.tail()
    after = json.loads(pools.read_text())
    assert after["validation"] == before["validation"]
    assert not {"case_8", "case_9"} & set(after["trained"])
    notes = " ".join(server.info()["train_stats"]["fewlabel"]["notes"])
    assert "accepted proposals are not trained on" in notes


def test_the_history_tells_the_kind_of_each_submission(server):
    entries = server.get("/fewlabel/history")["entries"]
    stored_kind = [entry.get("kind") for entry in entries if entry["case"] == "case_9"]
    assert stored_kind == ["drawn", "corrected", "accepted", "accepted"]


def test_nothing_of_this_was_an_unexpected_error(server):
    assert "Traceback" not in server.tail(1_000_000)
