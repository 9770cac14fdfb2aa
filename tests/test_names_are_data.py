"""A class name is data wherever it is written: nothing runs it, splits at it, or shows it as something else."""

import html.parser
import json
import os

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from monai.bundle import ConfigParser

from fewlabel.errors import Refusal
from fewlabel.export.table import differing_voxels, export_model
from fewlabel.labels import InvalidNames, UnknownClass, check_names, names_from_label_info, remap
from fewlabel.networks import NETWORKS
from fewlabel.plan import Plan, save_plan, saved_plan
from fewlabel.published import load_published, save_published
from fewlabel.review.history import History
from fewlabel.selection.scores import ScoreFile
from fewlabel.settings import Settings
from fewlabel.training.progress import Progress, read_progress
from fewlabel.volumes.reading import write_volume
from fewlabel.workspace import Workspace, write_json

ALLOWED = {
    "an expression": "$__import__('os').mkdir('hit')",
    "a reference": "@network",
    "a reference to nothing": "@nothing",
    "a macro": "%nothing.json",
    "a relative reference": "a@########b",
    "a relative macro": "%####::x",
    "levels": "a::b#c",
    "a key of MONAI": "_target_",
    "HTML": "<b>bold<img src=x onerror=alert(1)>",
    "Markdown": "[a](x) `b` *c* ~~d~~",
    "a formula": "=1+1",
    "separators": "a=b:c&d?e%20f",
    "quotes": 'it\'s "quoted"',
    "unicode": "Lebér 肝臓 كبد 🫀",
    "mathematics": "$x_{$",
    "a list": '["liver"]',
    "a path": "..",
    "format": "%s {0} {name}",
    "a word of ours": "choose a class",
}
REFUSED = ["a\nb", "a\x1b[31mb", "a\x85b", "a\u2028b", "a\ud800b", "a\x00b", "a/b", "a\\b", "a,b", "a;b", "a|b", "  "]
DANGEROUS = "$__import__('os').system('touch /tmp/fewlabel-hit')"  # of an older study: a slash is refused today


def plan_of(*classes):
    return Plan((1.0, 1.0, 1.0), (16, 16, 16), "meanstd", None, "unet_small", 1, tuple(classes))


def publish(folder, *classes):
    workspace = Workspace(folder / "workspace")
    card = {"version": 3, "method": "bcp", "validated": True, "labelled": 4, "unlabelled": 9}
    dice = {name: 0.2 if name == classes[0] else 0.9 for name in classes}  # so that a warning names the first
    torch.manual_seed(0)
    save_published(
        workspace.model,
        NETWORKS["unet_small"](len(classes) + 1),
        plan_of(*classes),
        {**card, "validation": dice},
    )
    return workspace


names = pytest.mark.parametrize("name", [*ALLOWED.values(), DANGEROUS], ids=[*ALLOWED, "a command"])


@pytest.mark.parametrize("name", ALLOWED.values(), ids=ALLOWED)
def test_a_name_that_can_be_written_everywhere_is_taken_as_it_is(name):
    assert check_names([name, "b"]) == [name, "b"]
    assert Settings.from_conf({"labels": f"{name},b"}).labels == (name, "b")
    assert names_from_label_info([{"name": name, "idx": 1}]) == [name]
    array, notes = remap(np.array([0, 1]), [{"name": name, "idx": 1}], ["b", name])
    assert (array.tolist(), notes) == ([0, 2], ["Not in this label: b."])


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_a_name_that_cannot_be_stored_everywhere_is_refused_in_a_sentence_that_can_be_sent(name):
    with pytest.raises(InvalidNames) as caught:
        check_names([name])
    str(caught.value).encode("utf-8")
    assert str(caught.value).isprintable()
    with pytest.raises(UnknownClass) as unknown:
        remap(np.array([0, 1]), [{"name": f"x{name}y", "idx": 1}], ["b"])
    assert "\n" not in str(unknown.value)


def test_a_refusal_can_be_sent_and_shown_whatever_it_quotes():
    app = FastAPI()

    @app.get("/")
    def refuse():
        raise Refusal("The name 'a\ud800\x1b[31m\u2028b' is unknown.", 422)

    answer = TestClient(app).get("/")
    assert (answer.status_code, answer.json()["detail"]) == (422, r"The name 'a\ud800\x1b[31m\u2028b' is unknown.")


@names
def test_every_file_of_the_workspace_gives_the_name_back(tmp_path, name):
    workspace = publish(tmp_path, name, "b")
    workspace.set_classes([name, "b"])
    assert Workspace(workspace.folder).classes() == [name, "b"]
    assert load_published(workspace.model).plan.classes == (name, "b")
    assert load_published(workspace.model).card["validation"] == {name: 0.2, "b": 0.9}
    save_plan(workspace.plan, plan_of(name, "b"))
    assert saved_plan(workspace.plan, [name, "b"], Settings()).classes == (name, "b")
    progress = Progress(workspace.progress, 1.0)
    progress.note(name)
    progress.update(validation={name: 0.5})
    report = read_progress(workspace.progress)
    assert (report["notes"], report["validation"]) == ([name], {name: 0.5})
    cases = {name: {"score": 0.5, "classes": {name: 0.5}}}
    write_json(workspace.scores, {"version": 1, "done": 1, "of": 1, "cases": cases})
    assert ScoreFile(workspace.scores).read().details(name)["uncertain_class"] == name
    history = History(workspace.history)
    history.complete(history.add(name, False, strategy=name), dice={name: 0.5}, flags=[name])
    assert History(workspace.history).entries()[0]["dice"] == {name: 0.5}


@names
def test_a_bundle_says_the_name_as_text_and_monai_runs_looks_up_and_builds_nothing(
    tmp_path, monkeypatch, inference_workflow, name
):
    bundle = export_model("bundle", publish(tmp_path, name, "b"), tmp_path / "bundle")
    raw = json.loads((bundle / "configs" / "metadata.json").read_text())
    channels = raw["network_data_format"]["outputs"]["pred"]["channel_def"]
    assert channels["1"].replace(" ", "") == name.replace(" ", "")
    monkeypatch.chdir(tmp_path)
    workflow = inference_workflow(bundle)
    assert workflow.channel_def["1"] == channels["1"].replace("#", "::")  # MONAI writes its levels so in every text
    assert workflow.parser.get_parsed_content("_meta_")["fewlabel"]["validation"][0]["dice"] == 0.2
    assert not os.path.exists("hit")
    assert not os.path.exists("/tmp/fewlabel-hit")


def test_without_that_monai_would_run_such_a_name(tmp_path, monkeypatch):
    """What the test above guards against is real."""
    monkeypatch.chdir(tmp_path)
    parser = ConfigParser({"_meta_": {"channel_def": {"1": ALLOWED["an expression"]}}})
    parser.get_parsed_content("_meta_::channel_def::1")
    assert os.path.exists("hit")


@pytest.mark.slow
def test_a_bundle_of_all_these_names_runs_by_itself_and_gives_the_server_s_label_map(tmp_path):
    workspace = publish(tmp_path, DANGEROUS, *ALLOWED.values())
    image = tmp_path / "a scan.nii.gz"
    write_volume(image, np.random.default_rng(0).normal(size=(18, 17, 16)).astype(np.float32), np.eye(4))
    bundle = export_model("bundle", workspace, tmp_path / "bundle")
    assert differing_voxels("bundle", workspace, bundle, image)[0] == 0
    assert not (bundle / "hit").exists()
    assert not os.path.exists("/tmp/fewlabel-hit")


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.seen = []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)


@names
def test_the_readme_of_a_bundle_holds_no_html_of_a_name(tmp_path, name):
    text = (
        export_model("bundle", publish(tmp_path, name, "b"), tmp_path / "bundle") / "docs" / "README.md"
    ).read_text()
    tags = Tags()
    tags.feed(text)
    assert tags.seen == []
    assert "[a](x)" not in text
    assert " `b` " not in text
