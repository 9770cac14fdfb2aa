"""A panel from before its library was divided into folders plays a whole session on a server of today."""

import importlib.util
import sys
import zipfile
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "panel_v1"
CLASSES = ["organ", "tumour"]


def panel_module(name):
    """A module of the fixture, which is a package of its own."""
    for module, path in (("panel_v1", "__init__"), (f"panel_v1.{name}", name)):
        if module not in sys.modules:
            folders = [str(FIXTURE)] if path == "__init__" else None
            specification = importlib.util.spec_from_file_location(
                module, FIXTURE / f"{path}.py", submodule_search_locations=folders
            )
            sys.modules[module] = importlib.util.module_from_spec(specification)
            specification.loader.exec_module(sys.modules[module])
    return sys.modules[f"panel_v1.{name}"]


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory, volumes):
    """On request, as all servers of that time trained."""
    return serve(volumes.study(tmp_path_factory.mktemp("panel") / "studies", 5), {"labels": ",".join(CLASSES)})


@pytest.fixture(scope="module")
def anna(server, tmp_path_factory):
    return panel_module("client").Client(server.url, tmp_path_factory.mktemp("anna"), "anna")


@pytest.fixture(scope="module")
def label_info():
    """The values' names, as the panel of that time made them from its segments."""
    labels = panel_module("labels")
    return labels.LabelMap(None, [labels.LabelClass(name, value) for value, name in enumerate(CLASSES, 1)]).label_info


def rows(anna):
    return {row["id"]: row for row in anna.cases()}


def trained(anna, server, **options):
    """Train and poll as the panel did; what it then knew of the training."""
    before = anna.training("fewlabel")["progress"].get("start_ts")
    anna.train("fewlabel", method="supervised", **options)

    def over():
        state = anna.training("fewlabel")
        return state["status"] not in ("SUBMITTED", "RUNNING") and state["progress"].get("start_ts") != before

    server.wait_until(over)
    return anna.training("fewlabel")


# The tests of this module are the steps of one session: each needs those before it.


def test_it_connects_without_a_login_and_finds_all_that_it_could_show(anna):
    anna.login("anna", "")  # this server asks nobody
    assert anna.token == ""
    found = anna.capabilities()
    assert (found.name, found.study, found.trainer, found.segmentation) == ("FewLabel", "studies", "fewlabel", None)
    assert found.routes == {"study", "cases", "skip", "undo", "history", "export"}
    assert [(entry.name, entry.value) for entry in found.classes] == [("organ", 1), ("tumour", 2)]
    assert {"supervised", "bcp"} <= set(found.methods)
    assert all(found.methods.values())
    assert {"first", "random"} <= set(found.strategies)
    assert "max_minutes" in found.options
    assert found.devices
    assert "bundle" in found.exports
    assert (found.model, found.problem) == (None, "")
    assert {name: found.counts[name] for name in ("cases", "submitted", "completed", "unlabelled")} == {
        "cases": 5,
        "submitted": 0,
        "completed": 0,
        "unlabelled": 5,
    }


def test_the_next_case_has_a_reason_and_its_image_is_fetched_once(anna, server):
    offer = anna.next_case("first")
    assert offer["id"] == "scan_0"
    assert offer["reason"].endswith(".")
    arrived = []
    image = anna.download_image("scan_0", progress=lambda count, total: arrived.append((count, total)))
    assert image.read_bytes() == (server.studies / "scan_0.nii.gz").read_bytes()
    assert arrived[-1] == (image.stat().st_size, image.stat().st_size)
    assert anna.download_image("scan_0", progress=lambda *counts: arrived.append(counts)) == image
    assert len(arrived) == 1, "the ETag says that the file at hand is still the same"


def test_a_case_is_put_off_with_a_reason_and_offered_again(anna):
    anna.skip("scan_0", "too dark")
    assert (rows(anna)["scan_0"]["skipped"], rows(anna)["scan_0"]["skip_reason"]) == (True, "too dark")
    assert anna.next_case("first")["id"] == "scan_1"
    anna.unskip("scan_0")
    assert not rows(anna)["scan_0"]["skipped"]


def test_labels_are_submitted_confirmed_read_back_and_taken_back(anna, server, volumes, label_info):
    for number in (0, 1):
        response = anna.submit_label(f"scan_{number}", volumes.truth(server.studies, number), label_info)
        assert (response["notes"], response["flags"], response["correction"]) == ([], [], None)
    assert [rows(anna)[f"scan_{number}"]["state"] for number in (0, 1, 2)] == ["submitted", "submitted", "unlabelled"]
    stored = np.asarray(nibabel.load(anna.download_label("scan_1")).dataobj)
    np.testing.assert_array_equal(stored, volumes.label(1))
    anna.submit_label("scan_2", volumes.truth(server.studies, 2), label_info)
    assert anna.undo("scan_2") == {"id": "scan_2", "state": "unlabelled"}
    assert {"scan_0", "scan_1"} <= {entry["case"] for entry in anna.history()["entries"]}


def test_a_label_of_an_unknown_class_is_refused_in_the_server_s_words(anna, server, volumes):
    with pytest.raises(panel_module("errors").Refused, match="spleen, unknown in this study") as refused:
        anna.submit_label("scan_2", volumes.truth(server.studies, 2), [{"name": "spleen", "idx": 1}])
    assert refused.value.status == 422
    assert rows(anna)["scan_2"]["state"] != "submitted"


def test_a_training_is_followed_by_the_names_that_the_panel_read_until_a_model_is_published(anna, server):
    state = trained(anna, server, max_steps=20)
    assert state["status"] == "DONE", server.tail()
    progress = state["progress"]
    assert (progress["phase"], progress["progress"], progress["version"]) == ("done", 1.0, 1)
    assert progress["published"]
    assert progress["step"] == 20
    assert progress["epoch"] == progress["total_epochs"]
    assert progress["seconds_left"] == 0
    assert progress["losses"]
    found = anna.capabilities()
    assert (found.segmentation, found.uncertainty) == ("fewlabel", "fewlabel_uncertainty")
    assert (found.model["version"], found.counts["completed"]) == (1, 2)
    assert any(row["rank"] and row["uncertain_class"] in CLASSES for row in anna.cases())


def test_a_proposal_and_a_map_of_uncertainty_come_with_their_names(anna, volumes):
    file, params = anna.infer("fewlabel", "scan_3")
    assert params["label_names"] == {"organ": 1, "tumour": 2}
    assert nrrd.read(str(file))[0].shape == volumes.shape
    uncertainty, _ = anna.infer("fewlabel_uncertainty", "scan_3")
    assert nrrd.read(str(uncertainty))[0].shape == volumes.shape


def test_a_proposal_submitted_as_it_was_is_accepted_though_the_panel_says_nothing_of_kinds(anna, server, label_info):
    file, _ = anna.infer("fewlabel", "scan_3")
    response = anna.submit_label("scan_3", file, label_info)
    assert response["correction"]["mean"] == 1.0
    assert set(response["correction"]["classes"]) <= set(CLASSES)
    assert server.get("/fewlabel/cases")["cases"][3]["kind"] == "accepted"
    assert rows(anna)["scan_3"]["correction"] == 1.0


def test_an_image_is_added_to_the_study_and_can_be_opened(anna, volumes, tmp_path):
    image = volumes.write(tmp_path / "late.nii.gz", volumes.image(9))
    anna.upload_image(image, "late")
    assert anna.download_image("late").read_bytes() == image.read_bytes()
    assert "late" in rows(anna)


def test_the_model_is_exported_checked_and_saved(anna, server, volumes, tmp_path):
    assert anna.start_export("bundle")["state"] == "running"
    server.wait_until(lambda: anna.export_state()["state"] != "running")
    state = anna.export_state()
    assert state["state"] == "done", state
    assert state["verified"]["case"] in rows(anna)
    assert (state["verified"]["voxels_differing"], state["verified"]["of"]) == (0, np.prod(volumes.shape))
    assert zipfile.is_zipfile(anna.download_export(tmp_path / "model.zip"))


def test_a_training_is_stopped_and_the_next_one_goes_on(anna, server):
    anna.train("fewlabel", method="supervised", max_steps=100_000)
    server.wait_until(lambda: anna.training("fewlabel")["progress"].get("phase") == "training")
    anna.stop_training()
    server.wait_until(lambda: anna.training("fewlabel")["status"] not in ("SUBMITTED", "RUNNING"))
    assert anna.training("fewlabel")["status"] != "ERROR"
