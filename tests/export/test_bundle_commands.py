"""MONAI's own commands on an exported bundle: its metadata, its network, TorchScript from it, and a training."""

import json
import subprocess
import sys

import nibabel
import numpy as np
import pytest
import torch
from ignite.engine import Events
from monai.bundle import ConfigWorkflow, ckpt_export, verify_metadata, verify_net_in_out

from fewlabel.export.bundle import write_bundle
from fewlabel.networks import NETWORKS, find
from fewlabel.plan import Plan
from fewlabel.published import Published

PAIRS = ["unet_small+unet_small"]

# What MONAI's schema of a bundle's metadata asks for, in our words: the published file would have to be downloaded.
TEXTS = (
    "schema",
    "version",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "task",
    "description",
    "authors",
    "copyright",
)
_TENSOR = {
    "type": "object",
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
    "properties": {
        **{name: {"type": "string"} for name in ("type", "format", "dtype")},
        "num_channels": {"type": "integer"},
        "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}},
        "value_range": {"type": "array", "items": {"type": "number"}},
        "is_patch_data": {"type": "boolean"},
        "channel_def": {"type": "object"},
    },
}
_TENSORS = {"type": "object", "additionalProperties": _TENSOR}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2019-09/schema",
    "type": "object",
    "required": [*TEXTS, "required_packages_version", "network_data_format"],
    "properties": {
        **{name: {"type": "string"} for name in (*TEXTS, "intended_use", "data_type", "pred_classes")},
        **{name: {"type": "object"} for name in ("changelog", "required_packages_version", "eval_metrics")},
        "network_data_format": {
            "type": "object",
            "required": ["inputs", "outputs"],
            "properties": {"inputs": _TENSORS, "outputs": _TENSORS},
        },
    },
}


@pytest.fixture
def bundle_of(tmp_path, monkeypatch):
    """Callable (network): the folder of its bundle, found by Python as ``monai.bundle`` would find it there."""

    def write(network="unet_small"):
        torch.manual_seed(7)  # another seed than that of the training in the bundle
        plan = Plan((1.0, 1.2, 1.0), (32, 16, 16), "meanstd", None, network, 1, ("a", "b"))
        card = {"version": 3, "method": "bcp", "labelled": 4, "unlabelled": 9}
        folder = tmp_path / "fewlabel_segmentation"
        folder.mkdir()
        write_bundle(Published(find(network)(3).eval(), plan, card), folder)
        monkeypatch.syspath_prepend(folder)
        for name in [name for name in sys.modules if name.partition(".")[0] == "scripts"]:
            monkeypatch.delitem(sys.modules, name)
        return folder

    return write


def files(bundle, config="inference"):
    configs = bundle / "configs"
    return {"config_file": str(configs / f"{config}.json"), "meta_file": str(configs / "metadata.json")}


@pytest.fixture
def dataset(tmp_path):
    """Three small scans whose bright half is class a and whose brightest corner is class b."""
    for name in ("images", "labels"):
        (tmp_path / "dataset" / name).mkdir(parents=True)
    for seed in range(3):
        label = np.zeros((24, 18, 16), np.uint8)
        label[12:] = 1
        label[18:, 10:] = 2
        image = label * 100 + np.random.default_rng(seed).normal(scale=20, size=label.shape)
        affine = np.diag([-1.0, 1.2, 1.1, 1.0])
        nibabel.save(nibabel.Nifti1Image(image.astype(np.float32), affine), tmp_path / f"dataset/images/{seed}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(label, affine), tmp_path / f"dataset/labels/{seed}.nii.gz")
    (tmp_path / "dataset" / "images" / "without a label.nii.gz").write_bytes(b"never opened")
    return tmp_path / "dataset"


def test_monai_verifies_the_metadata_by_the_schema_that_they_name(bundle_of, tmp_path):
    """Without a network: MONAI downloads no schema that is there already."""
    bundle, copy = bundle_of(), tmp_path / "schema.json"
    copy.write_text(json.dumps(SCHEMA))
    meta = files(bundle)["meta_file"]
    verify_metadata(meta_file=meta, filepath=str(copy))
    content = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert content["schema"].startswith("https://github.com/Project-MONAI/")
    content["network_data_format"]["inputs"]["image"]["num_channels"] = "one"
    (bundle / "configs" / "metadata.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="one"):
        verify_metadata(meta_file=meta, filepath=str(copy))


@pytest.mark.parametrize("network", [*NETWORKS, *PAIRS])
def test_monai_verifies_every_network_and_makes_the_same_one_as_torchscript(bundle_of, network):
    bundle = bundle_of(network)
    verify_net_in_out(net_id="network_def", device="cpu", **files(bundle))
    target = bundle / "models" / "model.ts"
    ckpt_export(bundle_root=str(bundle), key_in_ckpt="model", filepath=str(target), **files(bundle))
    own = find(network)(3).eval()
    own.load_state_dict(weights(bundle), strict=True)
    image = torch.arange(32.0 * 16 * 16).reshape(1, 1, 32, 16, 16).sin()
    with torch.no_grad():
        torch.testing.assert_close(torch.jit.load(str(target)).eval()(image), own(image))


def training(bundle, dataset, **more):
    """MONAI's workflow of the bundle's training."""
    arguments = {"bundle_root": str(bundle), "dataset_dir": str(dataset), **more}
    return ConfigWorkflow(workflow_type="train", logging_file=False, **files(bundle, "train"), **arguments)


def weights(bundle):
    saved = torch.load(bundle / "models" / "model.pt", weights_only=True)
    return saved.get("model", saved)


def same(some, others):
    return some.keys() == others.keys() and all(torch.equal(some[key], others[key]) for key in some)


def test_monai_finds_all_properties_of_a_training(bundle_of, dataset):
    workflow = training(bundle_of(), dataset)
    workflow.initialize()
    assert not workflow.check_properties()
    assert [[name[-8:] for name in pair.values()] for pair in workflow.train_dataset_data] == [
        ["0.nii.gz", "0.nii.gz"],
        ["1.nii.gz", "1.nii.gz"],
    ]
    assert [pair["image"][-8:] for pair in workflow.val_dataset_data] == ["2.nii.gz"]


def test_the_training_goes_on_from_the_exported_weights_and_keeps_the_best(bundle_of, dataset):
    bundle = bundle_of()
    before, looks = weights(bundle), []
    workflow = training(bundle, dataset, max_epochs=2, learning_rate=0.01)

    def look(evaluator):
        measured = evaluator.state.metrics["val_mean_dice"]
        looks.append((measured, {key: value.clone() for key, value in evaluator.network.state_dict().items()}))

    workflow.initialize()
    workflow.evaluator.add_event_handler(Events.COMPLETED, look)
    workflow.run()
    assert len(looks) == 3
    assert same(looks[0][1], before)
    assert not same(looks[2][1], before)
    assert same(weights(bundle), max(looks, key=lambda each: each[0])[1])


@pytest.mark.slow
def test_a_stranger_trains_a_network_of_ours_by_the_command_of_the_readme(bundle_of, dataset):
    bundle = bundle_of("vnet")
    command = [sys.executable, "-m", "monai.bundle", "run", "--bundle_root", ".", "--dataset_dir", str(dataset)]
    command += ["--config_file", "configs/train.json", "--meta_file", "configs/metadata.json", "--max_epochs", "1"]
    done = subprocess.run(command, cwd=bundle, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "val_mean_dice" in done.stdout + done.stderr
    find("vnet")(3).load_state_dict(weights(bundle), strict=True)
