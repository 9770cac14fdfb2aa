"""An exported bundle in MONAI Label's own monaibundle app: its inference and training tasks, called as its server does.

They import shapely and ``torchvision.utils``. Of torchvision there is no build for every torch; a segmentation uses
nothing of it, so an empty module stands in for it here, and only here.
"""

import json
import sys
import types

import numpy as np
import pytest
import torch

from fewlabel.export.table import export_model
from fewlabel.inference.predict import segment
from fewlabel.published import load_published
from fewlabel.volumes.reading import read_label, read_volume, same_grid

pytest.importorskip("shapely")
pytestmark = pytest.mark.slow


@pytest.fixture
def tasks(monkeypatch):
    """MONAI Label's module of inference and its module of training with bundles."""
    utils = types.ModuleType("torchvision.utils")
    utils.make_grid = utils.save_image = None
    package = types.ModuleType("torchvision")
    package.utils = utils
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setitem(sys.modules, "torchvision.utils", utils)
    import monailabel.tasks.infer.bundle as infer
    import monailabel.tasks.train.bundle as train

    return infer, train


@pytest.mark.parametrize("network", ["unet_small", "unet_small+unet_small"])
def test_it_gives_the_server_s_label_map(publish, volume, tmp_path, tasks, network):
    """With a network of MONAI, and with one whose source the bundle brings."""
    workspace = publish(network)
    bundle = export_model("bundle", workspace, tmp_path / "fewlabel_segmentation")
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
    import nibabel

    bundle = export_model("bundle", publish(), tmp_path / "fewlabel_segmentation")
    image = nibabel.load(volume(tmp_path / "scan.nii.gz"))
    label = (np.asarray(image.dataobj) > 150).astype(np.uint8)
    nibabel.save(nibabel.Nifti1Image(label, image.affine), tmp_path / "label.nii.gz")
    task = tasks[1].BundleTrainTask(str(bundle), {})
    assert task.is_valid()
    json.dumps(task.config())
    before = (bundle / "models" / "model.pt").read_bytes()
    request = {
        "model": "fewlabel_segmentation",
        "max_epochs": 1,
        "device": "cpu",
        "val_split": 0.34,
        "tracking": "None",
    }
    task(request, Labels(tmp_path / "scan.nii.gz", tmp_path / "label.nii.gz"))
    assert (bundle / "models" / "model.pt").read_bytes() != before
    torch.load(bundle / "models" / "model.pt", weights_only=True)
