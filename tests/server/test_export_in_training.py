"""An export while a training goes on: whole, of one model, compared with the server; and the training goes on."""

import json
import zipfile

import pytest
import requests

from fewlabel.networks import find
from fewlabel.plan import Plan
from fewlabel.published import save_published
from fewlabel.workspace import Workspace

PATIENCE = 900.0


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_an_export_during_a_training_is_whole_and_the_training_goes_on(serve, volumes, tmp_path):
    studies = volumes.study(tmp_path / "studies", 2)
    plan = Plan((1.0, 1.25, 2.0), (16, 16, 16), "meanstd", None, "unet_small", 1, volumes.classes)
    card = {"version": 7, "method": "supervised", "labelled": 1, "unlabelled": 1, "validated": False, "validation": {}}
    save_published(Workspace(studies / ".fewlabel").model, find(plan.network)(3), plan, card)
    server = serve(studies, {"labels": "organ,tumour"})
    server.put_label("scan_0", volumes.truth(studies, 0), volumes.classes)
    server.train(max_steps=100_000, max_minutes=60)
    server.wait_until(server.is_training, PATIENCE)
    server.request("POST", "/fewlabel/export", expect=202, json={"formats": ["torchscript", "nnunet"]})
    server.wait_until(lambda: server.get("/fewlabel/export")["state"] != "running", PATIENCE)
    export = server.get("/fewlabel/export")
    assert server.is_training()
    assert (export["state"], export["model_version"]) == ("done", 7), export
    assert export["verified"]["voxels_differing"] == 0
    with zipfile.ZipFile(studies / ".fewlabel" / "exports" / export["file"]) as archive:
        assert archive.testzip() is None
        (sidecar,) = (name for name in archive.namelist() if name.endswith("torchscript/model.json"))
        assert json.loads(archive.read(sidecar))["fewlabel"]["version"] == 7
    requests.delete(f"{server.url}/train/", timeout=PATIENCE)
    server.wait_until(lambda: not server.is_training(), PATIENCE)
