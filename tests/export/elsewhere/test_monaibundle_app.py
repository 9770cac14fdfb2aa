"""An exported bundle in MONAI Label's own monaibundle app: its tasks, called as its server does, and its server.

They import shapely and ``torchvision.utils``. Of torchvision there is no build for every torch; a segmentation uses
nothing of it, so an empty module stands in for it here, and only here.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import nibabel
import numpy as np
import pytest
import requests
import torch

from fewlabel.export.table import export_model
from fewlabel.inference.predict import segment
from fewlabel.published import load_published
from fewlabel.volumes.reading import read_label, read_volume, same_grid

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
APP = Path(sys.prefix) / "monailabel" / "sample-apps" / "monaibundle"
NAME = "fewlabel_segmentation"
PATIENCE = 600.0
STUB = "Stands in for torchvision in a test: what MONAI Label imports of it, a segmentation never calls."


@pytest.fixture(scope="module")
def apart(environment):
    """An environment with what the app needs beyond ours: shapely, and a torchvision of which nothing works."""
    environment.install("shapely==2.1.2")
    stub = environment.packages / "torchvision"
    stub.mkdir()
    (stub / "__init__.py").write_text(f'"""{STUB}"""\n', encoding="utf-8")
    (stub / "utils.py").write_text("make_grid = save_image = None\n", encoding="utf-8")
    return environment


@pytest.fixture
def tasks(apart, monkeypatch):
    """MONAI Label's module of inference and its module of training with bundles."""
    monkeypatch.syspath_prepend(apart.packages)
    import monailabel.tasks.infer.bundle as infer
    import monailabel.tasks.train.bundle as train

    return infer, train


@pytest.mark.parametrize("network", ["unet_small", "unet_small+unet_small"])
def test_it_gives_the_server_s_label_map(publish, volume, tmp_path, tasks, network):
    """With a network of MONAI, and with one whose source the bundle brings."""
    workspace = publish(network)
    bundle = export_model("bundle", workspace, tmp_path / NAME)
    task = tasks[0].BundleInferTask(str(bundle), {})
    info = task.info()
    assert (info["type"], info["labels"]) == ("segmentation", {"organ": 1, "tumour": 2})
    assert "Dice 0.80" in info["description"]
    image = volume(tmp_path / "scan.nii.gz")
    file, _ = task({"image": str(image), "device": "cpu", "result_extension": ".nii.gz"})
    theirs, model = read_label(file), load_published(workspace.model)
    assert same_grid(theirs, read_volume(image))
    np.testing.assert_array_equal(theirs.array, segment(model.network, model.plan, image)[0].numpy())


class Labels:
    """A datastore with one labelled scan, three times."""

    def __init__(self, image, label):
        self.pairs = [{"image": str(image), "label": str(label)}] * 3

    def datalist(self):
        return self.pairs


def test_it_trains_on_and_its_weights_load_without_code(publish, volume, tmp_path, tasks):
    bundle = export_model("bundle", publish(), tmp_path / NAME)
    image = nibabel.load(volume(tmp_path / "scan.nii.gz"))
    label = (np.asarray(image.dataobj) > 150).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(label, image.affine), tmp_path / "label.nii.gz")
    task = tasks[1].BundleTrainTask(str(bundle), {})
    assert task.is_valid()
    json.dumps(task.config())
    before = (bundle / "models" / "model.pt").read_bytes()
    request = {
        "model": NAME,
        "max_epochs": 1,
        "device": "cpu",
        "val_split": 0.34,
        "tracking": "None",
    }
    task(request, Labels(tmp_path / "scan.nii.gz", tmp_path / "label.nii.gz"))
    assert (bundle / "models" / "model.pt").read_bytes() != before
    torch.load(bundle / "models" / "model.pt", weights_only=True)


@contextmanager
def app_server(python, app, studies, home):
    """MONAI Label's server with the monaibundle app: its address. Stopped at the end."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [str(python), "-m", "monailabel.main", "start_server", "--app", str(app), "--studies", str(studies)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--conf", "models", NAME]
    command += ["--conf", "zoo_source", "local", "--conf", "sam2", "false"]
    own = {"MONAI_LABEL_TRACKING_ENABLED": "false", "MONAI_LABEL_SESSION_PATH": str(home / "sessions")}
    alone = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(command, env=alone | own, cwd=home, stdout=log, stderr=log) as process,
    ):
        try:
            wait_for(f"http://127.0.0.1:{port}/info/", process, home / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def wait_for(address, process, log):
    """Until it answers."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        with suppress(requests.ConnectionError):
            if requests.get(address, timeout=PATIENCE).ok:
                return
        time.sleep(0.5)
    pytest.fail(f"The app's server did not start:\n{log.read_text(errors='replace')[-4000:]}")


def test_its_server_lists_the_bundle_and_answers_as_ours_does(apart, publish, volume, tmp_path):
    """Over HTTP, by the commands of docs/export.md."""
    workspace, studies, home = publish(), tmp_path / "scans", tmp_path / "home"
    for folder in (studies, home):
        folder.mkdir()
    image, app = volume(studies / "scan.nii.gz"), tmp_path / "app"
    shutil.copytree(APP, app)
    export_model("bundle", workspace, app / "model" / NAME)
    with app_server(apart.python, app, studies, home) as address:
        listed = requests.get(f"{address}/info/", timeout=PATIENCE).json()["models"]
        assert list(listed) == [NAME]
        assert (listed[NAME]["type"], listed[NAME]["labels"]) == ("segmentation", {"organ": 1, "tumour": 2})
        asked = {"image": "scan", "output": "image"}
        answer = requests.post(f"{address}/infer/{NAME}", params=asked, data={"params": "{}"}, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    (tmp_path / "theirs.nii.gz").write_bytes(answer.content)
    theirs, model = read_label(tmp_path / "theirs.nii.gz"), load_published(workspace.model)
    assert same_grid(theirs, read_volume(image))
    np.testing.assert_array_equal(theirs.array, segment(model.network, model.plan, image)[0].numpy())
    assert len(np.unique(theirs.array)) > 1
