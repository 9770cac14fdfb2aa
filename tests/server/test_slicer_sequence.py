"""The requests of 3D Slicer's stock MONAI Label module, sent by its own client; each needs those before it."""

import importlib.util
import math
import re
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests
import SimpleITK
import torch

CLIENT = Path(sys.prefix, "monailabel/plugins/slicer/MONAILabel/MONAILabelLib/client.py")
CLASSES = ["organ", "tumour"]

pytestmark = pytest.mark.timeout(900)


def assert_finite(value):
    """json.loads turns NaN into a float: look for it at every depth."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        assert_finite(item)
    assert not isinstance(value, float) or math.isfinite(value)


def options(info, section, name):
    """The option table as the module sends it back: of a list the first entry, everything else as shown."""
    return {key: value[0] if isinstance(value, list) else value for key, value in info[section][name]["config"].items()}


class Session:
    """What the module remembers between two clicks."""

    def __init__(self, server):
        self.server = server
        self.connect()

    def connect(self):
        """With the module's client, loaded from where the wheel puts it."""
        specification = importlib.util.spec_from_file_location("slicer_monailabel_client", CLIENT)
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        folder = self.server.home / "slicer"
        folder.mkdir(exist_ok=True)
        self.client = module.MONAILabelClient(self.server.url, str(folder), "slicer-test")
        self.refusal = module.MONAILabelClientException
        assert not self.client.auth_enabled()
        self.info = self.client.info()
        assert_finite(self.info)

    def infer(self, image):
        params = options(self.info, "models", "fewlabel")
        params.update(result_extension=".nrrd", result_dtype="uint8")
        return self.client.infer("fewlabel", image, params)

    def train(self, **changed):
        return self.client.train_start("fewlabel", {**options(self.info, "trainers", "fewlabel"), **changed})

    def train_stats(self):
        info = self.client.info()
        assert_finite(info)
        return info["train_stats"]["fewlabel"]


@pytest.fixture(scope="module", params=[pytest.param("on_request", marks=pytest.mark.slow), "continuous"])
def training(request):
    """Both kinds: the whole session is played with each."""
    return request.param


@pytest.fixture(scope="module")
def studies(tmp_path_factory, volumes, training):
    return volumes.study(tmp_path_factory.mktemp("slicer") / "studies", 6)


@pytest.fixture(scope="module")
def session(serve, studies, training):
    conf = {"max_steps": "100000", "publish_minutes": "0.05"} if training == "continuous" else {}
    session = Session(serve(studies, {"training": training, **conf}))
    session.goes_on = training == "continuous"
    return session


def test_connecting_shows_trainer_and_strategies_but_no_model_yet(session):
    assert session.info["name"] == "FewLabel"
    assert session.info["models"] == {}
    assert session.info["labels"] in ([], {})
    assert "config" not in session.info  # the module would ask for an upgrade of the server
    assert next(iter(session.info["strategies"])) == "uncertainty+diversity"
    config = session.info["trainers"]["fewlabel"]["config"]
    assert all(config[key] for key in config), "the module shows falsy values as empty fields"
    assert session.info["datastore"]["completed"] == 0
    assert session.client.train_status(check_if_running=True) is False


@pytest.mark.parametrize("strategy", ["uncertainty+diversity", "random", "first"])
def test_next_sample_names_an_image_that_can_be_downloaded(session, studies, strategy):
    sample = session.client.next_sample(strategy, {})
    assert_finite(sample)
    assert sample["reason"].endswith(".")
    assert sample["name"] == f"{sample['id']}.nii.gz"
    answer = requests.get(f"{session.server.url}/datastore/image", params={"image": sample["id"]}, timeout=30)
    assert answer.content == (studies / sample["name"]).read_bytes()


def test_running_the_model_before_any_training_says_so(session):
    with pytest.raises(session.refusal) as caught:
        session.client.infer("fewlabel", "scan_0", {"result_extension": ".nrrd", "result_dtype": "uint8"})
    assert "Status: 409" in caught.value.msg
    assert "not trained yet" in caught.value.msg


def test_submitted_labels_count_and_their_names_are_learned(session, volumes, tmp_path):
    """The second label numbers its segments the other way round: only the names tell."""
    swapped = np.array([0, 2, 1], np.uint8)[volumes.label(1)]
    for number, array, names in ((0, volumes.label(0), CLASSES), (1, swapped, CLASSES[::-1])):
        label = str(volumes.write(tmp_path / "label.nii.gz", array))
        params = {"label_info": [{"name": name, "idx": value} for value, name in enumerate(names, 1)]}
        answer = session.client.save_label(f"scan_{number}", label, params=params)
        assert answer["image"] == f"scan_{number}"
        assert session.client.info()["datastore"]["completed"] == number + 1
    assert list(session.client.info()["labels"]) == CLASSES


def test_training_moves_the_progress_bar(session):
    session.connect()
    if session.goes_on:  # by itself, since the first label
        session.server.wait_until(lambda: session.client.train_status(check_if_running=True) is True)
    else:
        assert session.train(max_steps=100_000)["status"] in ("SUBMITTED", "RUNNING")
    seen = []

    def moved_twice():
        assert session.client.train_status()["status"] in ("SUBMITTED", "RUNNING"), session.server.tail()
        stats = session.train_stats()
        if stats:
            assert 0 <= stats["epoch"] <= stats["total_epochs"]
            assert 0 <= stats["best_metric"] <= 1
            seen.append(stats["epoch"])
        return len(set(seen)) >= 3

    session.server.wait_until(moved_twice)
    assert session.goes_on or seen == sorted(seen), "rounds begin anew, a training on request does not"


def test_while_one_runs_a_second_training_is_refused(session):
    running = session.client.train_status()
    assert running["status"] == "RUNNING"
    with pytest.raises(session.refusal) as caught:
        session.train()
    assert "Status: 429" in caught.value.msg
    if session.goes_on:  # one that is queued behind it would never begin: it answers for it
        queued = session.server.request("POST", "/train/fewlabel?enqueue=true", json={})
        assert queued["id"] == running["id"]
    assert session.client.train_status()["id"] == running["id"]


def test_auto_update_model_ends_the_training_and_starts_one_that_goes_on(session, volumes, tmp_path):
    """What the module does after each submission, where its user wants that."""
    checkpoint = session.server.studies / ".fewlabel" / "checkpoint.pt"
    session.server.wait_until(checkpoint.exists)
    label = str(volumes.write(tmp_path / "label.nii.gz", np.roll(volumes.label(0), 1, 0)))
    params = {"label_info": [{"name": name, "idx": value} for value, name in enumerate(CLASSES, 1)]}
    session.client.save_label("scan_0", label, params=params)
    assert session.client.train_status(check_if_running=True) is True
    ended = session.client.train_stop()["id"]
    step = torch.load(checkpoint, weights_only=True)["step"]
    assert session.train(max_steps=100_000)["id"] != ended

    went_on = f"Went on at step {step}" if session.goes_on else "Went on"

    def goes_on():
        stats = session.train_stats()
        assert stats["phase"] != "failed", stats["error"]
        return stats["phase"] == "training" and went_on in " ".join(stats["notes"]) and stats["step"] > 0

    session.server.wait_until(goes_on)


def test_stopping_ends_the_training_and_a_last_line_can_be_shown(session):
    assert session.client.train_status(check_if_running=True) is True
    session.client.train_stop()
    task = session.server.wait_for_training()
    assert task["status"] == "STOPPED"
    assert re.sub(r"\s+", " ", task["details"][-1])  # what the module does with the answer
    session.server.wait_until(lambda: not session.client.train_status(check_if_running=True))
    assert session.train_stats()["phase"] == "stopped"


def test_stopping_when_nothing_runs_is_harmless(session):
    assert session.client.train_stop() is None


def test_training_again_publishes_a_model(session):
    session.train(max_steps=300 if session.goes_on else 150)
    task = session.server.wait_for_training()
    assert task["status"] == "DONE", session.server.tail()
    stats = session.train_stats()
    assert stats["phase"] == ("resting" if session.goes_on else "done")
    assert stats["published"] is True
    assert stats["epoch"] == stats["total_epochs"]
    if not session.goes_on:
        assert stats["unlabelled_read"] == 4
        assert re.fullmatch(r"\d+:\d\d:\d\d", stats["total_time"])
    session.connect()
    assert session.info["models"]["fewlabel"]["type"] == "segmentation"
    assert session.info["models"]["fewlabel"]["labels"] == {"organ": 1, "tumour": 2}


def test_the_result_lies_exactly_on_the_image(session, studies):
    file, answer = session.infer("scan_3")
    assert_finite(answer)
    assert answer["label_names"] == {"organ": 1, "tumour": 2}  # by value in order, no background: 2.3
    assert Path(file).suffix == ".nrrd"
    result, image = SimpleITK.ReadImage(file), SimpleITK.ReadImage(str(studies / "scan_3.nii.gz"))
    assert result.GetSize() == image.GetSize()
    np.testing.assert_allclose(result.GetSpacing(), image.GetSpacing(), rtol=1e-5)
    np.testing.assert_allclose(result.GetOrigin(), image.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(result.GetDirection(), image.GetDirection(), atol=1e-5)
    assert result.GetPixelID() == SimpleITK.sitkUInt8


def test_the_values_of_the_result_are_the_classes_in_order(session, volumes):
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(session.infer("scan_3")[0])).T
    assert set(np.unique(array)) <= {0, 1, 2}
    truth = volumes.label(3)
    for value in (1, 2):  # easily learned: two bright boxes
        found, there = array == value, truth == value
        assert 2 * (found & there).sum() > 0.6 * (found.sum() + there.sum())


def test_after_training_the_next_sample_is_the_one_the_model_is_unsure_of(session):
    sample = session.client.next_sample("uncertainty+diversity", {})
    assert_finite(sample)
    assert "unsure" in sample["reason"]
    assert sample["model_version"] >= 1


def test_the_map_of_uncertainty_lies_on_the_image(session, studies):
    file, params = session.client.infer("fewlabel_uncertainty", "scan_3", {"result_extension": ".nii.gz"})
    written, image = nibabel.load(file), nibabel.load(studies / "scan_3.nii.gz")
    assert written.shape == image.shape
    np.testing.assert_allclose(written.affine, image.affine, atol=1e-4)
    assert 0 <= written.get_fdata().min() < written.get_fdata().max() <= 1
    assert params["model_version"] >= 1


def test_an_original_label_is_offered_with_its_image(session):
    session.infer("scan_4")
    session.client.infer("fewlabel", "scan_4", {"save_label": True, "label_tag": "original"})
    store = session.client.datastore()
    assert_finite(store)
    saved = store["objects"]["scan_4"]["labels"]["original"]["info"]
    assert list(saved["params"]["label_names"]) == CLASSES
    file = session.client.download_label("scan_4", "original")
    image = SimpleITK.ReadImage(str(session.server.studies / "scan_4.nii.gz"))
    assert SimpleITK.ReadImage(file).GetSize() == image.GetSize()
    assert session.client.info()["datastore"]["completed"] == 2  # a pre-label is no submission


def test_a_submitted_label_comes_back_with_the_values_of_the_study(session, volumes):
    file = session.client.download_label("scan_1", "final")
    array = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(file)).T
    np.testing.assert_array_equal(array, volumes.label(1))


def test_an_image_that_slicer_loaded_itself_can_be_added_and_segmented(session, volumes, tmp_path):
    file = volumes.write(tmp_path / "own.nii.gz", volumes.image(50))
    assert session.client.upload_image(str(file), "own scan")["image"] == "own scan"
    assert_finite(session.infer("own scan")[1])


def test_an_image_can_be_segmented_in_a_session_without_being_added(session, volumes, tmp_path):
    file = volumes.write(tmp_path / "visitor.nii.gz", volumes.image(51))
    total = session.client.info()["datastore"]["total"]
    opened = session.client.create_session(str(file))
    assert session.client.get_session(opened["session_id"])
    params = {"result_extension": ".nrrd", "result_dtype": "uint8"}
    file, _ = session.client.infer("fewlabel", "", params, session_id=opened["session_id"])
    assert SimpleITK.ReadImage(file).GetSize() == volumes.shape
    session.client.remove_session(opened["session_id"])
    assert session.client.info()["datastore"]["total"] == total


def test_everything_is_there_after_a_restart(session):
    before = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(session.infer("scan_3")[0]))
    store = session.client.datastore()
    session.server.stop()
    session.server.start()
    session.connect()
    assert list(session.info["labels"]) == CLASSES
    assert "fewlabel" in session.info["models"]
    assert session.info["datastore"]["completed"] == 2
    assert session.train_stats()["published"] is True
    assert session.client.datastore()["objects"] == store["objects"]
    after = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(session.infer("scan_3")[0]))
    np.testing.assert_array_equal(before, after)
