"""Bad requests to a server with a model, or while it trains, get a sentence; the next good one works."""

import json
import subprocess

import pytest

CLASSES = ["organ", "tumour"]


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
def test_a_path_outside_the_studies_is_not_segmented(trained, path, assert_sentence):
    hidden = {"params": json.dumps({"image": path})}  # parameters win over the address
    for message in (
        trained.infer(path, expect=403)["detail"],
        trained.refused("POST", "/infer/fewlabel", 403, params={"image": "scan_0"}, data=hidden),
    ):
        assert_sentence(message, path, "not an image of this study", "upload the file")


@pytest.mark.usefixtures("still_segments")
def test_a_link_out_of_the_studies_is_not_segmented(trained, tmp_path, assert_sentence):
    (tmp_path / "secret.nii.gz").write_bytes(b"secret")
    link = trained.studies / "sub" / "link.nii.gz"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "secret.nii.gz")
    message = trained.infer(str(link), expect=403)["detail"]
    assert_sentence(message, "not an image of this study")


@pytest.mark.usefixtures("still_segments")
def test_an_unknown_image_is_not_segmented(trained, assert_sentence):
    message = trained.infer("nobody", expect=404)["detail"]
    assert_sentence(message, "no image 'nobody'", "upload")


@pytest.mark.usefixtures("still_segments")
def test_an_unknown_session_is_not_segmented(trained, assert_sentence):
    message = trained.refused("POST", "/infer/fewlabel", 404, params={"session_id": "nobody"})
    assert_sentence(message, "no session 'nobody'")


@pytest.mark.usefixtures("still_segments")
def test_a_wish_that_cannot_be_met_is_refused(trained, assert_sentence):
    message = trained.infer("scan_1", expect=400, result_extension=".png")["detail"]
    assert_sentence(message, ".png")


@pytest.mark.parametrize("asked", ["cuda:77", {"odd": [1]}, 5])
def test_a_device_that_is_not_here_is_replaced_and_the_answer_says_so(trained, asked):
    notes = trained.infer("scan_1", device=asked)["notes"]
    assert sum("was used instead" in note for note in notes) == 1


@pytest.mark.parametrize("kind", ["frames", "colours", "constant", "truncated"])
@pytest.mark.usefixtures("still_segments")
def test_a_bad_image_that_lies_in_the_folder_is_named_when_it_is_segmented(
    trained, volumes, truncated, tmp_path, kind, assert_sentence, bad_images
):
    file = trained.studies / f"bad_{kind}.nii.gz"
    if kind == "truncated":
        truncated(volumes.write(tmp_path / "whole.nii.gz", volumes.image(7)), file)
        word = "cut short"
    else:
        array, word = bad_images[kind]
        volumes.write(file, array)
    name = f"bad_{kind}"
    trained.wait_until(lambda: name in {case["id"] for case in trained.get("/fewlabel/cases")["cases"]})
    assert_sentence(trained.infer(name, expect=422)["detail"], file.name, word)
    label = trained.volumes.truth(trained.studies, 0)
    assert_sentence(trained.put_label(name, label, CLASSES, expect=422)["detail"], file.name, word)
    row = next(row for row in trained.get("/fewlabel/cases")["cases"] if row["id"] == name)
    assert row["state"] == "unusable"
    assert word in row["flags"][0]
    assert trained.info()["scans"]["usable"] == trained.get("/fewlabel/study")["counts"]["cases"]
    file.unlink()
    trained.wait_until(lambda: name not in {case["id"] for case in trained.get("/fewlabel/cases")["cases"]})


@pytest.mark.usefixtures("still_segments")
def test_an_uploaded_text_file_is_not_segmented(trained, assert_sentence):
    answer = trained.request(
        "POST", "/infer/fewlabel", expect=422, files={"file": ("scan.nii.gz", b"no image")}, data={"params": "{}"}
    )
    assert_sentence(answer["detail"], "not a NIfTI image")


@pytest.mark.parametrize(
    ("options", "words"),
    [({"method": "nobody"}, ("nobody", "mean_teacher")), ({"max_minuts": 3}, ("max_minuts", "'max_minutes'"))],
)
def test_training_options_that_cannot_be_meant_are_refused_at_once_in_words(trained, options, words, assert_sentence):
    for path in ("/train/fewlabel", "/train/?model=fewlabel"):
        message = trained.refused("POST", path, 422, json=options)
        assert_sentence(message, *words)
        assert "--conf" not in message
    assert not trained.is_training()
    assert trained.infer("scan_1")["label_names"] == {"organ": 1, "tumour": 2}


@pytest.mark.usefixtures("still_segments")
def test_the_next_case_when_none_is_left_says_so(trained, assert_sentence):
    for number in range(3):
        trained.put_label(f"scan_{number}", trained.volumes.truth(trained.studies, number), CLASSES)
    for strategy in ("uncertainty+diversity", "random", "first"):
        message = trained.refused("POST", f"/activelearning/{strategy}", 404, json={})
        assert_sentence(message, "Every case", "nothing is left")


def test_a_server_whose_workspace_cannot_be_written_says_so_and_ends(serve, tmp_path, assert_sentence):
    (tmp_path / "file").write_text("in the way")  # read-only folders would not stop root
    server = serve(tmp_path / "studies", {"workspace": str(tmp_path / "file" / "below")}, ready=False)
    try:
        assert server.process.wait(120) != 0
    except subprocess.TimeoutExpired:
        pytest.fail(f"The server is still there:\n{server.tail()}")
    lines = [line for line in server.log.read_text().splitlines() if "cannot be written" in line]
    assert lines, server.tail()
    assert_sentence(lines[-1].strip(), "workspace", str(tmp_path / "file"), "--conf workspace")


def test_answers_stay_plain_json(server):
    """The refusals above were read by a parser that knows no NaN; so is the whole state at the end."""
    for path in ("/info/", "/datastore/?output=all", "/train/?all=true"):
        assert json.dumps(server.get(path))
