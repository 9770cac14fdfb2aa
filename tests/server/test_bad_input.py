"""Every bad input gets a sentence that says what, where and what to do; the next good request works."""

import json
import subprocess
from fnmatch import fnmatch

import nibabel
import numpy as np
import pytest
import requests

CLASSES = ["organ", "tumour"]


@pytest.fixture(scope="module")
def server(serve, volumes, tmp_path_factory):
    """A server on three good images; scan_0 is the good request of most tests."""
    studies = volumes.study(tmp_path_factory.mktemp("bad") / "studies", 3)
    server = serve(studies, {"labels": ",".join(CLASSES)})
    server.volumes = volumes
    return server


@pytest.fixture(scope="module")
def good_label(server):
    return server.volumes.truth(server.studies, 0)


@pytest.fixture
def still_works(server, good_label):
    """After the test: a good label is taken, and the server says nothing of an unexpected error."""
    before = server.log.stat().st_size
    yield
    answer = server.put_label("scan_0", good_label, CLASSES)
    assert answer["label"] == "scan_0"
    assert "Traceback" not in server.log.read_bytes()[before:].decode()


def stored(server):
    """Everything below the studies folder, so that a refusal can be seen to change nothing.

    Without what the server writes in the background whatever is asked of it: MONAI Label's list, and the features of
    the scans with the file that becomes them.
    """
    background = ("datastore_v2.json", ".fewlabel/features.json", ".fewlabel/.writing-*.json")
    files = {str(path.relative_to(server.studies)): path for path in server.studies.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes()
        for name, path in files.items()
        if not any(fnmatch(name, pattern) for pattern in background)
    }


def assert_sentence(message, *words):
    """Words that must be there, and an end that tells what to do."""
    assert message.endswith("."), message
    assert "\n" not in message
    for word in words:
        assert word in message, message


# Nothing is labelled yet


def test_training_without_labels_is_refused(server):
    message = server.refused("POST", "/train/fewlabel", 409, json={})
    assert_sentence(message, "no labels yet", "submit a label")
    assert server.request("POST", "/activelearning/first", json={})["id"] == "scan_0"


def test_the_model_before_any_training_is_refused(server):
    message = server.infer("scan_0", expect=409)["detail"]
    assert_sentence(message, "not trained yet", "Train")
    assert server.request("POST", "/activelearning/random", json={})["id"].startswith("scan_")


# Labels


@pytest.mark.parametrize("content", [b"", b"no image at all", b"\x1f\x8b broken"], ids=["empty", "text", "half gzip"])
@pytest.mark.parametrize("name", ["label.nii.gz", "label.nrrd", "label.png", "label"])
@pytest.mark.usefixtures("still_works")
def test_a_label_file_that_is_no_image_is_refused(server, tmp_path, content, name):
    before = stored(server)
    (tmp_path / name).write_bytes(content)
    message = server.put_label("scan_1", tmp_path / name, CLASSES, expect=422)["detail"]
    assert_sentence(message, "The label for image 'scan_1'", "Nothing was stored")
    assert stored(server) == before


@pytest.mark.usefixtures("still_works")
def test_a_truncated_label_is_refused(server, good_label, truncated, tmp_path):
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
def test_a_label_that_lies_elsewhere_is_refused(server, volumes, tmp_path):
    affine = volumes.affine.copy()
    affine[:3, 3] += 500
    label = volumes.write(tmp_path / "elsewhere.nii.gz", volumes.label(0), affine)
    message = server.put_label("scan_1", label, CLASSES, expect=422)["detail"]
    assert_sentence(message, "another grid", "does not lie on it", "Nothing was stored")


@pytest.mark.usefixtures("still_works")
def test_an_unknown_class_name_is_refused(server, good_label):
    before = stored(server)
    message = server.put_label("scan_0", good_label, ["organ", "vessel"], expect=422)["detail"]
    assert_sentence(message, "'scan_0'", "vessel", "organ, tumour")
    assert stored(server) == before


@pytest.mark.parametrize("names", [CLASSES, None], ids=["named", "unnamed"])
@pytest.mark.usefixtures("still_works")
def test_an_unknown_value_is_refused(server, volumes, tmp_path, names):
    label = volumes.write(tmp_path / "label.nii.gz", volumes.label(0) + np.uint8(5))
    message = server.put_label("scan_0", label, names, expect=422)["detail"]
    assert_sentence(message, "'scan_0'", "5, 6, 7", "organ, tumour")


@pytest.mark.usefixtures("still_works")
def test_values_between_whole_numbers_are_refused(server, volumes, tmp_path):
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
def test_label_parameters_that_make_no_sense_are_refused(server, good_label, params):
    files = {"label": ("label.nii.gz", good_label.read_bytes())}
    query = {"image": "scan_0"}
    response = requests.put(
        f"{server.url}/datastore/label", params=query, data={"params": params}, files=files, timeout=30
    )
    assert response.status_code in (400, 422), response.text
    assert_sentence(response.json()["detail"])


@pytest.mark.parametrize("image", ["nobody", "scan_0.nii.gz"])
@pytest.mark.usefixtures("still_works")
def test_a_label_for_an_unknown_image_is_refused(server, good_label, image):
    message = server.put_label(image, good_label, CLASSES, expect=404)["detail"]
    assert_sentence(message, f"No image '{image}'", "check its id")


# Names that would leave the folder

EVIL = ["../evil", "..", "a/b", "a\\b", "/etc/evil", ".hidden", "a\x00b", "..%2fevil"]


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.usefixtures("still_works")
def test_an_image_id_that_leaves_the_folder_is_refused(server, volumes, tmp_path, name):
    above = sorted(server.studies.parent.iterdir())
    before = stored(server)
    file = volumes.write(tmp_path / "new.nii.gz", volumes.image(9))
    message = server.put_image(name, file, expect=400)["detail"]
    assert_sentence(message, "cannot be an image id", "Choose another one")
    assert stored(server) == before
    assert sorted(server.studies.parent.iterdir()) == above


@pytest.mark.parametrize("name", EVIL)
@pytest.mark.usefixtures("still_works")
def test_a_label_whose_image_id_leaves_the_folder_is_refused(server, good_label, name):
    message = server.put_label(name, good_label, CLASSES, expect=400)["detail"]
    assert_sentence(message, "cannot be an image id")


@pytest.mark.parametrize("tag", ["../../evil", "a/b"])
@pytest.mark.usefixtures("still_works")
def test_a_label_tag_that_leaves_the_folder_is_refused(server, good_label, tag):
    message = server.put_label("scan_0", good_label, CLASSES, tag=tag, expect=400)["detail"]
    assert_sentence(message, "cannot be a label tag")


# Images


def bad_images(volumes, folder):
    """(name, file, words of the message) of images that cannot be used."""
    good = volumes.image(7)
    frames = np.stack([good, good + 1], -1)
    colours = np.zeros(volumes.shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    return {
        "frames": (frames, "several frames"),
        "colours": (colours, "colours"),
        "constant": (np.full(volumes.shape, 7, np.int16), "constant"),
        "nothing": (np.full(volumes.shape, np.nan, np.float32), "no voxel with a finite value"),
        "flat": (good[..., 0], "dimension"),
    }


@pytest.mark.parametrize("kind", ["frames", "colours", "constant", "nothing", "flat", "truncated", "text"])
@pytest.mark.usefixtures("still_works")
def test_an_unusable_image_is_not_taken_in(server, volumes, truncated, tmp_path, kind):
    before = stored(server)
    file = tmp_path / "image.nii.gz"
    if kind == "text":
        file.write_bytes(b"no image")
        word = "not a NIfTI image"
    elif kind == "truncated":
        truncated(volumes.write(tmp_path / "whole.nii.gz", volumes.image(7)), file)
        word = "cut short"
    else:
        array, word = bad_images(volumes, tmp_path)[kind]
        volumes.write(file, array)
    message = server.put_image(kind, file, expect=422)["detail"]
    assert_sentence(message, f"Image '{kind}'", word, "Nothing was stored")
    assert stored(server) == before


@pytest.mark.usefixtures("still_works")
def test_an_image_with_nan_is_taken_in(server, volumes, tmp_path):
    array = volumes.image(8)
    array[3:5, 3:5, 3:5] = np.nan
    file = volumes.write(tmp_path / "image.nii.gz", array)
    assert server.put_image("with nan", file)["image"] == "with nan"
    answer = server.put_label("with nan", volumes.write(tmp_path / "label.nii.gz", volumes.label(8)), CLASSES)
    assert answer["label"] == "with nan"
    server.request("DELETE", "/datastore/image", params={"id": "with nan"})


@pytest.mark.usefixtures("still_works")
def test_an_image_of_another_kind_is_not_taken_in(server, tmp_path):
    (tmp_path / "slice.png").write_bytes(b"\x89PNG")
    message = server.put_image("slice", tmp_path / "slice.png", expect=400)["detail"]
    assert_sentence(message, "not supported", ".nii.gz")


# What does not exist


@pytest.mark.usefixtures("still_works")
def test_an_unknown_model_is_named(server):
    for message in (
        server.infer("scan_0", model="nobody", expect=404)["detail"],
        server.refused("POST", "/train/nobody", 404, json={}),
        server.refused("POST", "/train/fewlabel", 404, json={"model": "nobody"}),
        server.refused("POST", "/batch/infer/nobody", 404, json={}),
    ):
        assert_sentence(message, "no model 'nobody'", "fewlabel")


@pytest.mark.usefixtures("still_works")
def test_an_unknown_strategy_is_named(server):
    message = server.refused("POST", "/activelearning/nobody", 404, json={})
    assert_sentence(message, "no strategy 'nobody'", "uncertainty+diversity")


@pytest.mark.usefixtures("still_works")
def test_an_unknown_image_is_named_when_it_is_downloaded(server):
    for path in ("/datastore/image", "/datastore/image/info"):
        assert_sentence(server.refused("GET", path, 404, params={"image": "nobody"}), "No image 'nobody'")


# While a training runs, and with its model


@pytest.fixture(scope="module")
def running(server, good_label):
    """A training that runs until a test stops it."""
    server.put_label("scan_0", good_label, CLASSES)
    server.train(max_steps=100_000)
    server.wait_until(server.is_training)
    return server


def test_a_second_training_is_refused_while_one_runs(running):
    message = running.refused("POST", "/train/fewlabel", 429, json={})
    assert "Already Running" in message  # MONAI Label's own words
    running.wait_until(lambda: running.info()["train_stats"]["fewlabel"].get("phase") == "training")
    running.request("DELETE", "/train/")
    running.wait_until(lambda: not running.is_training())


@pytest.fixture(scope="module")
def trained(running):
    """The server with a published model."""
    if running.is_training():
        running.request("DELETE", "/train/")
        running.wait_until(lambda: not running.is_training())
    running.train()
    assert running.wait_for_training()["status"] == "DONE", running.tail()
    return running


@pytest.fixture
def still_segments(trained):
    """After the test: a good image is segmented."""
    before = trained.log.stat().st_size
    yield
    assert trained.infer("scan_1")["label_names"] == {"organ": 1, "tumour": 2}
    assert "Traceback" not in trained.log.read_bytes()[before:].decode()


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc", "../../etc/passwd", "../studies-truth/scan_0.nii.gz"])
@pytest.mark.usefixtures("still_segments")
def test_a_path_outside_the_studies_is_not_segmented(trained, path):
    hidden = {"params": json.dumps({"image": path})}  # parameters win over the address
    for message in (
        trained.infer(path, expect=403)["detail"],
        trained.refused("POST", "/infer/fewlabel", 403, params={"image": "scan_0"}, data=hidden),
    ):
        assert_sentence(message, path, "not an image of this study", "upload the file")


@pytest.mark.usefixtures("still_segments")
def test_a_link_out_of_the_studies_is_not_segmented(trained, tmp_path):
    (tmp_path / "secret.nii.gz").write_bytes(b"secret")
    link = trained.studies / "sub" / "link.nii.gz"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "secret.nii.gz")
    message = trained.infer(str(link), expect=403)["detail"]
    assert_sentence(message, "not an image of this study")


@pytest.mark.usefixtures("still_segments")
def test_an_unknown_image_is_not_segmented(trained):
    message = trained.infer("nobody", expect=404)["detail"]
    assert_sentence(message, "no image 'nobody'", "upload")


@pytest.mark.usefixtures("still_segments")
def test_an_unknown_session_is_not_segmented(trained):
    message = trained.refused("POST", "/infer/fewlabel", 404, params={"session_id": "nobody"})
    assert_sentence(message, "no session 'nobody'")


@pytest.mark.usefixtures("still_segments")
def test_a_wish_that_cannot_be_met_is_refused(trained):
    message = trained.infer("scan_1", expect=400, result_extension=".png")["detail"]
    assert_sentence(message, ".png")


@pytest.mark.parametrize("asked", ["cuda:77", {"odd": [1]}, 5])
def test_a_device_that_is_not_here_is_replaced_and_the_answer_says_so(trained, asked):
    notes = trained.infer("scan_1", device=asked)["notes"]
    assert sum("was used instead" in note for note in notes) == 1


@pytest.mark.parametrize("kind", ["frames", "colours", "constant", "truncated"])
@pytest.mark.usefixtures("still_segments")
def test_a_bad_image_that_lies_in_the_folder_is_named_when_it_is_segmented(trained, volumes, truncated, tmp_path, kind):
    file = trained.studies / f"bad_{kind}.nii.gz"
    if kind == "truncated":
        truncated(volumes.write(tmp_path / "whole.nii.gz", volumes.image(7)), file)
        word = "cut short"
    else:
        array, word = bad_images(volumes, tmp_path)[kind]
        volumes.write(file, array)
    name = f"bad_{kind}"
    trained.wait_until(lambda: name in {case["id"] for case in trained.get("/fewlabel/cases")["cases"]})
    assert_sentence(trained.infer(name, expect=422)["detail"], file.name, word)
    label = trained.volumes.truth(trained.studies, 0)
    assert_sentence(trained.put_label(name, label, CLASSES, expect=422)["detail"], file.name, word)
    file.unlink()
    trained.wait_until(lambda: name not in {case["id"] for case in trained.get("/fewlabel/cases")["cases"]})


@pytest.mark.usefixtures("still_segments")
def test_an_uploaded_text_file_is_not_segmented(trained):
    answer = trained.request(
        "POST", "/infer/fewlabel", expect=422, files={"file": ("scan.nii.gz", b"no image")}, data={"params": "{}"}
    )
    assert_sentence(answer["detail"], "not a NIfTI image")


@pytest.mark.slow
def test_unknown_training_options_end_the_training_in_words(trained):
    trained.train(method="nobody")
    assert trained.wait_for_training()["status"] == "ERROR"
    error = trained.info()["train_stats"]["fewlabel"]["error"]
    assert_sentence(error, "nobody", "mean_teacher")
    assert trained.infer("scan_1")["label_names"] == {"organ": 1, "tumour": 2}


@pytest.mark.usefixtures("still_segments")
def test_the_next_case_when_none_is_left_says_so(trained):
    for number in range(3):
        trained.put_label(f"scan_{number}", trained.volumes.truth(trained.studies, number), CLASSES)
    for strategy in ("uncertainty+diversity", "random", "first"):
        message = trained.refused("POST", f"/activelearning/{strategy}", 404, json={})
        assert_sentence(message, "All 3 cases", "nothing is left")


# Servers that cannot start


def test_a_server_whose_workspace_cannot_be_written_says_so_and_ends(serve, tmp_path):
    (tmp_path / "file").write_text("in the way")  # read-only folders would not stop root
    server = serve(tmp_path / "studies", {"workspace": str(tmp_path / "file" / "below")}, ready=False)
    try:
        assert server.process.wait(120) != 0
    except subprocess.TimeoutExpired:
        pytest.fail(f"The server is still there:\n{server.tail()}")
    told = [line for line in server.log.read_text().splitlines() if "cannot be written" in line]
    assert told, server.tail()
    assert_sentence(told[-1].strip(), "workspace", str(tmp_path / "file"), "--conf workspace")


def test_answers_stay_plain_json(server):
    """The refusals above were read by a parser that knows no NaN; so is the whole state at the end."""
    for path in ("/info/", "/datastore/?output=all", "/train/?all=true"):
        assert json.dumps(server.get(path))
