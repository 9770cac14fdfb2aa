"""The response of a real server to a submitted label: how much was corrected, and what looks wrong."""

import json

import numpy as np
import pytest
import requests
import SimpleITK

CLASSES = ["organ", "tumour"]


@pytest.fixture(scope="module")
def server(serve, volumes, tmp_path_factory):
    """A server on six images, the first two labelled and learned from."""
    studies = volumes.study(tmp_path_factory.mktemp("review") / "studies", 6)
    server = serve(studies, {"labels": ",".join(CLASSES), "max_steps": "150", "method": "supervised"})
    server.first = [server.put_label(f"scan_{n}", volumes.truth(studies, n), CLASSES) for n in (0, 1)]
    server.train()
    assert server.wait_for_training()["status"] == "DONE", server.tail()
    return server


def history(server):
    return json.loads((server.studies / ".fewlabel" / "history.json").read_text())["entries"]


def prediction(server, image, folder):
    """The model's own label map, (i, j, k)."""
    path = folder / "prediction.nrrd"
    query, params = {"image": image, "output": "image"}, {"params": json.dumps({"result_extension": ".nrrd"})}
    answer = requests.post(f"{server.url}/infer/fewlabel", params=query, data=params, timeout=60)
    path.write_bytes(answer.content)
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).T


def test_before_there_is_a_model_a_submission_is_entered_without_dice(server):
    assert all(answer["correction"] is None and answer["flags"] == [] for answer in server.first)
    assert [(entry["case"], entry["mean"], entry["first"]) for entry in history(server)[:2]] == [
        ("scan_0", None, True),
        ("scan_1", None, True),
    ]


def test_a_correct_label_is_not_flagged_and_its_dice_is_right(server, volumes, tmp_path):
    server.request("POST", "/activelearning/first", json={})  # hands out scan_2
    predicted, truth = prediction(server, "scan_2", tmp_path), volumes.label(2)
    answer = server.put_label("scan_2", volumes.truth(server.studies, 2), CLASSES)
    assert answer["flags"] == []
    dice = {}
    for value, name in enumerate(CLASSES, 1):
        there, seen = truth == value, predicted == value
        dice[name] = 2 * (there & seen).sum() / (there.sum() + seen.sum())
    assert answer["correction"]["classes"] == pytest.approx(dice, abs=1e-3)
    assert answer["correction"]["mean"] == pytest.approx(np.mean(list(dice.values())), abs=1e-3)
    entry = history(server)[-1]
    assert (entry["case"], entry["model_version"], entry["strategy"], entry["first"]) == ("scan_2", 1, "first", True)
    assert entry["labels"] == 2
    assert entry["changed"] == (truth != predicted).sum()
    assert server.info()["train_stats"]["fewlabel"]["five_more_labels"]["advice"].startswith("Too few")


def test_a_label_with_exchanged_classes_is_stored_and_flagged_with_the_reason(server, volumes, tmp_path):
    swapped = np.array([0, 2, 1], np.uint8)[volumes.label(3)]
    answer = server.put_label("scan_3", volumes.write(tmp_path / "label.nii.gz", swapped), CLASSES)
    (flag,) = answer["flags"]
    assert flag["kind"] == "swapped"
    assert "'organ' where the model sees 'tumour'" in flag["reason"]
    assert answer["correction"]["mean"] < 0.3
    assert history(server)[-1]["flags"] == [flag]
    stored = SimpleITK.ReadImage(str(server.studies / "labels" / "final" / "scan_3.nii.gz"))
    np.testing.assert_array_equal(SimpleITK.GetArrayFromImage(stored).T, swapped)


def test_a_moved_label_is_flagged_and_its_correction_is_no_first_submission(server, volumes, tmp_path):
    moved = np.roll(volumes.label(4), 6, axis=2)
    assert not volumes.label(4)[:, :, -6:].any()
    (flag,) = server.put_label("scan_4", volumes.write(tmp_path / "label.nii.gz", moved), CLASSES)["flags"]
    assert flag["kind"] == "shifted"
    assert "shifted by 12 mm towards the head (superior)" in flag["reason"]
    assert server.put_label("scan_4", volumes.truth(server.studies, 4), CLASSES)["flags"] == []
    assert [(entry["case"], entry["first"]) for entry in history(server)[-2:]] == [("scan_4", True), ("scan_4", False)]


def test_a_pre_label_is_no_submission(server, volumes):
    before = len(history(server))
    answer = server.put_label("scan_5", volumes.truth(server.studies, 5), CLASSES, tag="original")
    assert "correction" not in answer
    assert len(history(server)) == before


def test_nothing_of_this_was_an_unexpected_error(server):
    assert "Traceback" not in server.tail(1_000_000)
