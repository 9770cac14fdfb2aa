"""Requests for tasks: what could only fail and what would reach beyond the study is refused in words."""

import re
import shutil
import tempfile
from pathlib import Path

import pytest

from fewlabel.errors import Refusal
from fewlabel.selection.table import DEFAULT_STRATEGY
from fewlabel.service.requests import Requests
from fewlabel.study import NAME


@pytest.mark.parametrize("model", ["other", "", 3])
def test_an_unknown_model_is_answered_with_those_there_are(study, model):
    for check in (
        lambda: Requests(study).check_task(model, study.trainers()),
        lambda: Requests(study).check_infer({"model": model, "image": "a"}, study.infers()),
    ):
        with pytest.raises(Refusal, match="There is: fewlabel") as caught:
            check()
        assert caught.value.status_code == 404


def test_training_needs_a_label(study):
    with pytest.raises(Refusal, match="submit a label for at least one case") as caught:
        Requests(study).check_task(NAME, study.trainers())
    assert caught.value.status_code == 409


def test_training_is_let_through_with_a_label_and_a_task_without_a_model_always(study, studies, lay_label):
    Requests(study).check_task(None, study.trainers())
    lay_label()
    study.datastore()
    Requests(study).check_task(NAME, study.trainers())


def test_before_training_inference_says_that_it_is_not_trained_yet(study):
    with pytest.raises(Refusal, match="not trained yet") as caught:
        Requests(study).check_infer({"model": NAME, "image": "a"}, study.infers())
    assert caught.value.status_code == 409


@pytest.mark.parametrize("image", ["zzz", None, "", "a.nii.gz", ["a"], 5])
def test_an_unknown_image_is_refused(trained, image):
    with pytest.raises(Refusal, match="There is no image") as caught:
        Requests(trained).check_infer({"model": NAME, "image": image}, trained.infers())
    assert caught.value.status_code == 404


@pytest.mark.parametrize(
    "image",
    ["/etc/passwd", "../a.nii.gz", "studies/../../x.nii", "/", "..", "/nul\0byte.nii", "/tmp/scan.nii.gz",
     "/tmp/tmpabcd1234/scan.nii.gz", "/tmp/tmpABCD1234.nii", "/tmp/tmpshort.nii", "/tmp/xtmpabcd1234.nii"],
)  # fmt: skip
def test_a_path_of_the_server_outside_of_the_study_is_refused(trained, image):
    with pytest.raises(Refusal, match="ask for one by its id, or upload the file") as caught:
        Requests(trained).check_infer({"model": NAME, "image": image}, trained.infers())
    assert caught.value.status_code == 403


def test_a_path_out_of_the_studies_by_dots_or_by_a_link_is_refused(trained, studies, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    shutil.copy(studies / "a.nii.gz", outside / "secret.nii.gz")
    (studies / "folder").symlink_to(outside)
    (studies / "linked.nii.gz").symlink_to(outside / "secret.nii.gz")
    (studies / "loop").symlink_to(studies / "loop")
    for path in ("folder/secret.nii.gz", "linked.nii.gz", "../outside/secret.nii.gz", "loop/x.nii.gz"):
        with pytest.raises(Refusal) as caught:
            Requests(trained).check_infer({"model": NAME, "image": str(studies / path)}, trained.infers())
        assert caught.value.status_code == 403


def test_images_sessions_and_uploads_are_let_through(trained, studies, sessions):
    upload = Path(tempfile.gettempdir())
    images = ["a", str(studies / "a.nii.gz"), str(sessions / "any" / "image.nii.gz")]
    images += [str(upload / name) for name in ("tmpabcd_123.nii.gz", "tmpabcd1234", "tmpabcd1234.5 mm-v2.nii.gz")]
    for image in images:
        Requests(trained).check_infer({"model": NAME, "image": image}, trained.infers())


def test_a_request_reaches_only_what_it_brought(trained, studies, sessions):
    with tempfile.NamedTemporaryFile(prefix="tmp", suffix=".nii.gz") as file:
        now = Path(file.name).stat().st_ctime
        brought = [("a", "", now), (file.name, "", now), (str(sessions / "mine" / "image.nii.gz"), "mine", now)]
        for image, session, since in brought:
            Requests(trained).check_infer({"model": NAME, "image": image}, trained.infers(), session, since)
        hidden = [(str(studies / "a.nii.gz"), "", now), (file.name, "", now + 60)]
        hidden += [(str(sessions / "other" / "image.nii.gz"), session, now) for session in ("mine", "")]
        for image, session, since in hidden:
            with pytest.raises(Refusal, match="not an image of this study"):
                Requests(trained).check_infer({"model": NAME, "image": image}, trained.infers(), session, since)


def test_the_name_that_monai_label_gives_an_upload_is_recognised(trained):
    with tempfile.NamedTemporaryFile(suffix=".v1.nii.gz") as file:
        name = file.name
    Requests(trained).check_infer({"model": NAME, "image": name}, trained.infers())


@pytest.mark.parametrize("request_", [{}, {"strategy": None}, {"strategy": ""}])
def test_the_default_strategy_is_filled_in(study, request_):
    asked = {**request_, "other": 1}
    assert Requests(study).check_next(asked, study.strategies()) == {"strategy": DEFAULT_STRATEGY, "other": 1}
    assert asked == {**request_, "other": 1}


def test_a_known_strategy_is_kept_and_an_unknown_one_answered_with_those_there_are(study):
    assert Requests(study).check_next({"strategy": "first"}, study.strategies()) == {"strategy": "first"}
    names = re.escape(", ".join(study.strategies()))
    with pytest.raises(Refusal, match=names) as caught:
        Requests(study).check_next({"strategy": "best"}, study.strategies())
    assert caught.value.status_code == 404
