"""Bad labels get a sentence that says what, where and what to do; the next good label is taken."""

import nibabel
import numpy as np
import pytest
import requests

CLASSES = ["organ", "tumour"]


def test_training_without_labels_is_refused(server, assert_sentence):
    message = server.refused("POST", "/train/fewlabel", 409, json={})
    assert_sentence(message, "no labels yet", "submit a label")
    assert server.request("POST", "/activelearning/first", json={})["id"] == "scan_0"


def test_the_model_before_any_training_is_refused(server, assert_sentence):
    message = server.infer("scan_0", expect=409)["detail"]
    assert_sentence(message, "not trained yet", "Train")
    assert server.request("POST", "/activelearning/random", json={})["id"].startswith("scan_")


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x1f\x8b broken"], ids=["empty", "text", "half gzip"])
@pytest.mark.parametrize("name", ["label.nii.gz", "label.nrrd", "label.png", "label"])
@pytest.mark.usefixtures("still_works")
def test_a_label_file_that_is_no_image_is_refused(server, tmp_path, content, name, assert_sentence, stored):
    before = stored(server)
    (tmp_path / name).write_bytes(content)
    message = server.put_label("scan_1", tmp_path / name, CLASSES, expect=422)["detail"]
    assert_sentence(message, "The label for image 'scan_1'", "Nothing was stored")
    assert stored(server) == before


@pytest.mark.usefixtures("still_works")
def test_a_truncated_label_is_refused(server, good_label, truncated, tmp_path, assert_sentence):
    cut = truncated(good_label, tmp_path / "label.nii.gz")
    message = server.put_label("scan_1", cut, CLASSES, expect=422)["detail"]
    assert_sentence(message, "The label for image 'scan_1'", "Save it again")


@pytest.mark.usefixtures("still_works")
def test_a_label_on_a_finer_grid_is_resampled_with_a_note(server, volumes, tmp_path):
    fine = volumes.label(0).repeat(2, 0).repeat(2, 1).repeat(2, 2)
    affine = volumes.affine @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] -= volumes.affine[:3, :3] @ [0.25, 0.25, 0.25]  # the corner of the first voxel stays
    label = volumes.write(tmp_path / "fine.nii.gz", fine, affine)
    notes = server.put_label("scan_0", label, CLASSES)["notes"]
    assert any("resampled" in note and "40 x 48 x 36" in note for note in notes)
    kept = nibabel.load(server.studies / "labels/final/scan_0.nii.gz")
    np.testing.assert_allclose(kept.affine, volumes.affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(kept.dataobj), volumes.label(0))


@pytest.mark.usefixtures("still_works")
def test_a_label_that_lies_elsewhere_is_refused(server, volumes, tmp_path, assert_sentence):
    affine = volumes.affine.copy()
    affine[:3, 3] += 500
    label = volumes.write(tmp_path / "elsewhere.nii.gz", volumes.label(0), affine)
    message = server.put_label("scan_1", label, CLASSES, expect=422)["detail"]
    assert_sentence(message, "another grid", "does not lie on it", "Nothing was stored")


@pytest.mark.usefixtures("still_works")
def test_an_unknown_class_name_is_refused(server, good_label, assert_sentence, stored):
    before = stored(server)
    message = server.put_label("scan_0", good_label, ["organ", "vessel"], expect=422)["detail"]
    assert_sentence(message, "'scan_0'", "vessel", "organ, tumour")
    assert stored(server) == before


@pytest.mark.parametrize("names", [CLASSES, None], ids=["named", "unnamed"])
@pytest.mark.usefixtures("still_works")
def test_an_unknown_value_is_refused(server, volumes, tmp_path, names, assert_sentence):
    label = volumes.write(tmp_path / "label.nii.gz", volumes.label(0) + np.uint8(5))
    message = server.put_label("scan_0", label, names, expect=422)["detail"]
    assert_sentence(message, "'scan_0'", "5, 6, 7", "organ, tumour")


@pytest.mark.usefixtures("still_works")
def test_values_between_whole_numbers_are_refused(server, volumes, tmp_path, assert_sentence):
    label = volumes.write(tmp_path / "label.nii.gz", volumes.label(0) * np.float32(0.4))
    message = server.put_label("scan_0", label, CLASSES, expect=422)["detail"]
    assert_sentence(message, "between the whole numbers")


@pytest.mark.usefixtures("still_works")
def test_an_empty_label_is_legal_and_says_what_it_means(server, volumes, tmp_path):
    label = volumes.write(tmp_path / "label.nii.gz", np.zeros(volumes.shape, np.uint8))
    notes = server.put_label("scan_0", label, CLASSES)["notes"]
    assert any("empty" in note for note in notes)


@pytest.mark.usefixtures("still_works")
def test_a_missing_class_is_legal_and_named(server, volumes, tmp_path):
    label = volumes.write(tmp_path / "label.nii.gz", (volumes.label(0) == 1).astype(np.uint8))
    notes = server.put_label("scan_0", label, CLASSES)["notes"]
    assert "Not in this label: tumour." in notes


@pytest.mark.parametrize("params", ["[1]", '{"label_info": 3}', '{"label_info": [{"idx": 1}]}'])
@pytest.mark.usefixtures("still_works")
def test_label_parameters_that_make_no_sense_are_refused(server, good_label, params, assert_sentence):
    files = {"label": ("label.nii.gz", good_label.read_bytes())}
    query = {"image": "scan_0"}
    response = requests.put(
        f"{server.url}/datastore/label", params=query, data={"params": params}, files=files, timeout=30
    )
    assert response.status_code in (400, 422), response.text
    assert_sentence(response.json()["detail"])


@pytest.mark.parametrize("image", ["nobody", "scan_0.nii.gz"])
@pytest.mark.usefixtures("still_works")
def test_a_label_for_an_unknown_image_is_refused(server, good_label, image, assert_sentence):
    message = server.put_label(image, good_label, CLASSES, expect=404)["detail"]
    assert_sentence(message, f"No image '{image}'", "check its id")
