"""Exports: one at a time, checked, and reported while they run."""

import dataclasses
import os
import zipfile

import numpy as np
import pytest

from fewlabel.errors import Refusal
from fewlabel.export import base
from fewlabel.export.base import Export
from fewlabel.export.comparing import Comparison
from fewlabel.export.configs import NAME as BUNDLE
from fewlabel.export.table import EXPORTS
from fewlabel.service import exporting
from fewlabel.workspace import read_json, write_json


def test_nothing_is_exported_before_a_training(service):
    assert "not trained yet" in service.refused("POST", "export", 409)
    answer = service.get("export")
    assert (answer["state"], answer["file"], answer["error"], answer["verified"]) == ("none", None, None, None)
    assert "start one first" in service.refused("GET", "export/file", 404)


@pytest.mark.slow
def test_an_export_is_a_zip_whose_bundle_gives_the_same_label_maps(service, tmp_path):
    service.publish()
    service.submit("b")
    answer = service.export()
    assert answer["state"] == "done", answer
    voxels = int(np.prod(service.shape))
    seen = {each["case"]: (each["format"], each["voxels_differing"], each["of"]) for each in answer["results"]}
    assert seen == dict.fromkeys(["b", *seen.keys() - {"b"}], ("bundle", 0, voxels)), "a labelled one is among them"
    assert len(seen) == 3
    assert answer["verified"] in answer["results"]
    assert (answer["progress"], answer["model_version"], answer["error"]) == (1.0, 3, None)
    answer_file = service.client.get("/fewlabel/export/file")
    assert answer_file.headers["content-type"] == "application/zip"
    assert answer["file"] in answer_file.headers["content-disposition"]
    assert len(answer_file.content) == answer["bytes"]
    (tmp_path / "got.zip").write_bytes(answer_file.content)
    with zipfile.ZipFile(tmp_path / "got.zip") as archive:
        assert archive.testzip() is None
        assert {name.split("/")[0] for name in archive.namelist()} == {BUNDLE}
        assert f"{BUNDLE}/models/model.pt" in archive.namelist()
    assert sorted(os.listdir(service.workspace.exports)) == sorted(["export.json", answer["file"]])


def test_several_formats_are_one_zip_and_each_is_compared(service, tmp_path):
    service.publish()
    service.submit("b", kind="drawn")
    service.submit("c", kind="accepted")
    answer = service.export(formats=["nnunet", "msd", "nnunet"], accepted=True)
    assert (answer["state"], answer["formats"]) == ("done", ["nnunet", "msd"]), answer
    assert answer["file"].startswith("fewlabel_exports")
    assert answer["model_version"] is None
    assert {(each["format"], each["voxels_differing"]) for each in answer["results"]} == {("nnunet", 0), ("msd", 0)}
    with zipfile.ZipFile(service.workspace.exports / answer["file"]) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {"fewlabel_nnunet", "fewlabel_msd"}
    assert "fewlabel_msd/labelsTr/c.nii.gz" in names
    answer = service.export(formats=["msd"])
    assert answer["file"] == "fewlabel_msd.zip"
    with zipfile.ZipFile(service.workspace.exports / answer["file"]) as archive:
        assert "fewlabel_msd/labelsTr/c.nii.gz" not in archive.namelist()
    assert sorted(os.listdir(service.workspace.exports)) == sorted(["export.json", answer["file"]])


def test_of_a_mean_of_networks_the_better_one_alone_may_be_asked_for(service):
    """Slicer's extension runs one network: the error says so and what can be done."""
    service.publish("unet_small+unet_small", alone={"first": [0.4, 0.4], "second": [0.6, 0.6]})
    assert "its own Dice is 0.60" in service.export(formats=["auto3dseg"], check=False)["error"]
    answer = service.export(formats=["auto3dseg"], check=False, single=True)
    assert answer["state"] == "done", answer


def test_a_format_that_fails_is_reported_and_nothing_is_offered(service):
    """All are looked at before the first is written."""
    service.publish()
    answer = service.export(formats=["bundle", "nnunet"])
    assert (answer["state"], answer["file"]) == ("failed", None)
    assert "nnunet: The study has no classes yet: submit a label first." in answer["error"]
    assert not list(service.workspace.exports.iterdir())


def test_a_format_whose_package_is_not_installed_is_refused_at_once_and_marked_in_the_list(service, monkeypatch):
    lacking = dataclasses.replace(EXPORTS["bundle"], needs=("fewlabel_nothing",), folder="fewlabel_lacking")
    monkeypatch.setitem(EXPORTS, "lacking", lacking)
    service.publish()
    message = service.refused("POST", "export", 422, json={"formats": ["bundle", "lacking"]})
    assert message.startswith("lacking: It needs fewlabel_nothing, which is not installed here: python -m pip install")
    listed = {each["name"]: (each["kind"], each["problem"]) for each in service.get("study")["exports"]}
    assert listed["bundle"] == ("model", "")
    assert listed["lacking"] == ("model", message.removeprefix("lacking: "))
    assert listed["nnunet"] == ("dataset", "")


def test_a_newer_export_replaces_the_older_one_and_is_known_after_a_restart(service):
    service.publish()
    (service.workspace.exports / ".exporting-killed" / "x").mkdir(parents=True)
    first = service.export(check=False)
    assert first["verified"] is None
    assert "Not compared: bundle" in first["step"]
    service.publish(version=4)
    second = service.export(check=False)
    assert sorted(os.listdir(service.workspace.exports)) == sorted(["export.json", second["file"]])
    again = exporting.Exporter(service.workspace, list)
    assert again.status().model_dump() == second
    assert again.file().name == second["file"] != first["file"]
    again.file().unlink()
    assert exporting.Exporter(service.workspace, list).status().state == "none"
    with pytest.raises(Refusal, match="start one first"):
        again.file()


@pytest.mark.parametrize("file", ["../model.pt", "", None, 5])
def test_a_record_of_an_export_leads_to_no_other_file(service, file):
    service.publish()
    write_json(service.workspace.exports / "export.json", {"state": "done", "file": file})
    assert exporting.Exporter(service.workspace, list).status().state == "none"


def test_one_export_runs_at_a_time_and_the_server_answers_meanwhile(service, held_check):
    service.publish()
    held_check.differing = 2
    service.ask("POST", "export", 202)
    assert held_check.begun.wait(600)
    answer = service.get("export")
    assert (answer["state"], answer["model_version"], answer["formats"]) == ("running", 3, ["bundle"])
    assert 0 <= answer["progress"] < 1
    assert "running already" in service.refused("POST", "export", 409)
    assert "still running" in service.refused("GET", "export/file", 409)
    held_check.release()
    answer = service.get("export")
    assert (answer["state"], answer["file"]) == ("failed", None)
    assert "not kept" in answer["error"]
    assert "2 of 960 voxels differ" in answer["error"]


def test_a_model_that_is_published_during_an_export_is_not_mixed_into_it(service, monkeypatch):
    """As a training does that goes on meanwhile: what is checked is what is exported."""
    service.publish()
    seen = []

    def publish_then_look(source, folder, run, images, like):
        service.publish(version=4)
        seen.append(source.model.card["version"])
        seen.append(read_json(folder / "configs" / "metadata.json")["version"])
        return [Comparison("a", 960, 0, 0.0)]

    monkeypatch.setattr(base, "compare_runs", publish_then_look)
    answer = service.export()
    assert (answer["state"], answer["model_version"], answer["file"]) == ("done", 3, f"{BUNDLE}-v3.zip")
    assert seen == [3, "0.3.0"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Refusal("The exported bundle does not run.", 500), "does not run"),
        (OSError(28, "No space left on device"), "No space left"),
        (KeyError("surprise"), "surprise"),
    ],
)
def test_an_export_that_fails_says_why_and_another_may_follow(service, monkeypatch, error, words):
    def fail(*arguments):
        raise error

    service.publish()
    with monkeypatch.context() as patch:
        patch.setattr(base, "compare_runs", fail)
        answer = service.export()
    assert (answer["state"], answer["file"]) == ("failed", None)
    assert words in answer["error"]
    service.refused("GET", "export/file", 404)
    assert not list(service.workspace.exports.iterdir())
    assert service.export(check=False)["state"] == "done"


def test_a_damaged_model_is_not_exported(service):
    service.workspace.model.write_bytes(b"no model")
    answer = service.export()
    assert answer["state"] == "failed"
    assert "cannot be loaded" in answer["error"]


def test_a_study_without_images_is_exported_unchecked(open_service):
    service = open_service("empty", names="")
    service.publish()
    answer = service.export()
    assert (answer["state"], answer["verified"]) == ("done", None)
    assert answer["step"] == "Exported. Not compared: bundle."


def test_an_unknown_format_is_refused_in_words(service):
    service.publish()
    message = service.refused("POST", "export", 422, json={"format": "nothing"})
    assert message == service.refused("POST", "export", 422, json={"formats": ["bundle", "nothing"]})
    assert "There is no export format 'nothing' here" in message
    service.refused("POST", "export", 422, json={"formats": []})
    assert all(name in message for name in EXPORTS)
    assert service.get("export")["state"] == "none"


def test_each_format_is_written_as_itself(service, monkeypatch, tmp_path):
    """Another one is another row of the table: the routes, the zip and its check follow."""

    def write(model, folder):
        (folder / "weights.txt").write_text(str(len(model.network.state_dict())))
        (folder / "fewlabel.json").write_text('{"fewlabel": {}}')

    def run(folder, images, output):
        raise Refusal(f"{sorted(path.name for path in folder.iterdir())} cannot be run.", 500)

    monkeypatch.setitem(EXPORTS, "plain", Export("As plain text", write, run, "fewlabel_plain"))
    service.publish()
    assert "As plain text" in [each["description"] for each in service.get("study")["exports"]]
    answer = service.export(format="plain", check=False)
    assert (answer["state"], answer["formats"], answer["file"]) == ("done", ["plain"], "fewlabel_plain-v3.zip")
    with zipfile.ZipFile(service.workspace.exports / answer["file"]) as archive:
        names = {name.removeprefix("fewlabel_plain/") for name in archive.namelist()}
    cards = {"MODEL_CARD.md", "model_card.html", "model_card.json"}
    assert names == {"fewlabel.json", "verification.json", "weights.txt"} | cards
    assert "weights.txt'] cannot be run" in service.export(format="plain")["error"]
    bundle = service.export(check=False)
    assert (*bundle["formats"], bundle["file"]) == ("bundle", f"{BUNDLE}-v3.zip")
    assert sorted(os.listdir(service.workspace.exports)) == sorted(["export.json", bundle["file"]])
