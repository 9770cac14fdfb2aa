"""The zip for Slicer's MONAIAuto3DSeg: loaded and run as the extension publishes that it does."""

from __future__ import annotations

import csv
import io
import json
import runpy
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import MetaTensor
from monai.transforms import Compose, Orientationd, Spacingd

from fewlabel.data.transforms import ReadVolumed, normalisation, resampling
from fewlabel.errors import Refusal
from fewlabel.export.as_slicer import labels_as_slicer, steps_as_slicer
from fewlabel.export.auto3dseg import AUTO3DSEG, LEAST_DICE, agrees, buildable
from fewlabel.export.comparing import Comparison
from fewlabel.export.source import Options, Source
from fewlabel.export.table import export_model
from fewlabel.inference.predict import probabilities, restoring
from fewlabel.networks import NETWORKS
from fewlabel.published import load_published, save_published

PATCH = (16, 24, 16)
NEAR = ("near", "as planned", "flipped", "swapped")
ODD_NAMES = ('a "b", c', "$__import__('os')", "two\nlines", "Ösophagus")


def unpacked(folder):
    """Content of ``model.pt`` and rows of ``labels.csv``."""
    with zipfile.ZipFile(next(folder.glob("*.zip"))) as archive:
        assert sorted(archive.namelist()) == ["labels.csv", "model.pt"]
        checkpoint = torch.load(io.BytesIO(archive.read("model.pt")), map_location="cpu", weights_only=True)
        return checkpoint, list(csv.DictReader(io.StringIO(archive.read("labels.csv").decode())))


@pytest.mark.parametrize("network", [name for name in NETWORKS if buildable(name)])
def test_every_network_of_monai_is_built_from_plain_types_and_loaded_strictly(publish, tmp_path, network):
    workspace = publish(network)
    checkpoint, _ = unpacked(export_model("auto3dseg", workspace, tmp_path / "export"))
    config = checkpoint["config"]
    assert json.loads(json.dumps(config)) == config  # no types but those of JSON
    built = ConfigParser(config["network"]).get_parsed_content()
    built.load_state_dict(checkpoint["state_dict"], strict=True)
    assert type(built) is type(load_published(workspace.model).network)
    assert {"epoch", "best_metric"} <= checkpoint.keys()


@pytest.mark.parametrize(("normalisation", "bounds"), [("meanstd", None), ("ct", (-175.0, 250.0))])
def test_the_plan_is_said_in_the_extension_s_keys(publish, tmp_path, normalisation, bounds):
    checkpoint, _ = unpacked(
        export_model("auto3dseg", publish("unet_small", normalisation, bounds), tmp_path / "export")
    )
    config = checkpoint["config"]
    assert config["normalize_mode"] == normalisation
    assert config["intensity_bounds"] == list(bounds or (0.0, 1.0))
    assert config["resample_resolution"] == [1.1, 0.9, 1.7]
    assert config["roi_size"] == [16, 24, 16]
    assert (config["orientation_ras"], config["crop_foreground"], config["sigmoid"]) == (True, False, False)
    assert not any(special in config["bundle_root"] for special in ("kits23", "brats23"))


def test_class_names_are_text_in_the_list_of_labels_and_keep_their_values(publish, tmp_path):
    _, rows = unpacked(export_model("auto3dseg", publish(classes=ODD_NAMES), tmp_path / "export"))
    assert {int(row["LabelValue"]): row["Name"] for row in rows} == dict(enumerate(ODD_NAMES, 1))
    assert {"SegmentedPropertyTypeCodeSequence.CodeValue", "AnatomicRegionModifierSequence.CodeMeaning"} <= rows[
        0
    ].keys()


def with_two_differences(model, image):
    """As ``/infer`` does it, but for the overlap and for voxel sizes within 25 %, which are left."""
    axes, sizes = [each for each in steps_as_slicer(model.plan) if isinstance(each, Orientationd | Spacingd)]
    steps = Compose([axes, sizes, *normalisation(model.plan)])
    data = steps(ReadVolumed("image")({"image": str(image)}))
    answer = probabilities(model.network, model.plan, data["image"].as_tensor(), overlap=0.625)
    meta, applied = data["image"].meta, data["image"].applied_operations
    data["pred"] = MetaTensor(answer, meta=meta, applied_operations=applied)
    return restoring(steps)(data)["pred"].as_tensor().argmax(0).numpy().astype(np.uint8)


@pytest.mark.parametrize(("mode", "bounds"), [("meanstd", None), ("ct", (50.0, 450.0))])
def test_with_nothing_but_the_extension_s_differences_our_own_network_gives_its_label_maps(
    publish, scans, tmp_path, mode, bounds
):
    """Where no voxel size is off by more than 25 % these are two, the overlap and no resampling; elsewhere four."""
    workspace = publish("unet_small", mode, bounds)
    model, folder = load_published(workspace.model), export_model("auto3dseg", workspace, tmp_path / "export")
    AUTO3DSEG.run(folder, tmp_path / "scans", tmp_path / "labels")
    differing = {}
    for name, image in scans:
        theirs = nibabel.load(tmp_path / "labels" / f"{name}_seg.nii.gz")
        np.testing.assert_allclose(theirs.affine, nibabel.load(image).affine, atol=1e-4)
        ours = with_two_differences(model, image) if name in NEAR else labels_as_slicer(model, image)
        differing[name] = int(np.count_nonzero(ours != np.asarray(theirs.dataobj)))
        assert len(np.unique(ours)) > 1
    assert differing == dict.fromkeys(dict(scans), 0)


@pytest.fixture
def trained(publish, scans):
    """A study whose model has learnt where the blobs are, so that it is sure of most voxels, as a used one is."""
    workspace = publish()
    model = load_published(workspace.model)
    steps = Compose([ReadVolumed("image"), *resampling(model.plan, ("image",)), *normalisation(model.plan)])
    image = steps({"image": str(dict(scans)["as planned"])})["image"].as_tensor()[None]
    wanted = (image > 0).long() + (image > 0.8).long()
    optimiser = torch.optim.Adam(model.network.train().parameters(), 0.01)
    torch.manual_seed(0)
    for step in range(150):
        optimiser.param_groups[0]["lr"] = 0.01 * (1 - step / 150)
        i, j, k = (int(torch.randint(side - size + 1, ())) for side, size in zip(image.shape[2:], PATCH, strict=True))
        crop = (..., slice(i, i + PATCH[0]), slice(j, j + PATCH[1]), slice(k, k + PATCH[2]))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model.network(image[crop]), wanted[crop][:, 0]).backward()
        optimiser.step()
    save_published(workspace.model, model.network.eval(), model.plan, model.card)
    return workspace


def test_against_the_server_dice_and_differing_voxels_of_each_class_are_reported_and_high_at_the_plan_s_voxel_size(
    trained, scans, tmp_path
):
    with Source(trained) as source:
        rows = AUTO3DSEG.export(source, tmp_path / "export", scans[-4:])
    at_plan = {row.case: row.dice for row in rows if row.at_plan_spacing}
    assert set(at_plan) == {"as planned", "flipped", "swapped"}
    assert all(set(dice) == {"organ", "tumour"} for dice in at_plan.values())
    assert min(value for dice in at_plan.values() for value in dice.values()) >= LEAST_DICE
    assert any(row.differing for row in rows)
    assert [row.unlike for row in rows] == [0] * len(rows)
    verification = json.loads((tmp_path / "export" / "verification.json").read_text(encoding="utf-8"))
    assert [row["dice"] for row in verification["verified"]] == [row.dice for row in rows]


def test_a_voxel_that_is_not_our_network_s_fails_it_at_any_voxel_size():
    assert agrees(Comparison("scan", 9, 3, 0.0, unlike=0)) == ""
    assert "1 of 9 voxels differ" in agrees(Comparison("scan", 9, 3, 0.0, unlike=1))


@pytest.mark.parametrize(
    ("dice", "at_plan", "passes"),
    [(0.98, True, True), (0.979, True, False), (0.3, False, True), (None, True, True)],
)
def test_a_low_dice_counts_where_the_voxel_size_is_the_plan_s(dice, at_plan, passes):
    said = agrees(Comparison("scan", 9, 1, 0.0, {"organ": 1.0, "tumour": dice}, at_plan_spacing=at_plan))
    assert (said == "") == passes
    assert passes or "tumour 0.979" in said


@pytest.mark.parametrize("network", ["vnet", "resnet_vnet", "vnet+resnet_vnet"])
def test_a_network_that_monai_lacks_is_refused_with_those_that_can_be_built(publish, tmp_path, network):
    with Source(publish(network)) as source, pytest.raises(Refusal, match="builds networks of MONAI alone") as refusal:
        AUTO3DSEG.export(source, tmp_path / "export")
    assert refusal.value.status_code == 422
    assert network.split("+")[0] in str(refusal.value)
    assert all(name in str(refusal.value) for name in NETWORKS if buildable(name))
    assert not (tmp_path / "export").exists()


def test_of_a_mean_the_better_network_is_offered_with_its_own_dice_and_exported_alone(publish, scans, tmp_path):
    study = {"validation": {"organ": 0.8, "tumour": 0.6}, "alone": {"first": [0.5, 0.3], "second": [0.7, 0.5]}}
    workspace = publish("unet_small+unet_small", **study)
    with Source(workspace) as source, pytest.raises(Refusal, match=r"its own Dice is 0\.60, that of the mean 0\.70"):
        AUTO3DSEG.export(source, tmp_path / "export")
    with Source(workspace, options=Options(single=True)) as source:
        AUTO3DSEG.export(source, tmp_path / "export", scans[:1])
    checkpoint, _ = unpacked(tmp_path / "export")
    weights = load_published(workspace.model).network.networks[1].state_dict()
    assert all(torch.equal(weights[key], value) for key, value in checkpoint["state_dict"].items())
    assert checkpoint["best_metric"] == pytest.approx(0.6)


def test_without_a_dice_of_each_alone_that_is_said(publish):
    with Source(publish("unet_small+unet_small")) as source:
        assert "its own Dice was not measured" in AUTO3DSEG.refuses(source)


def test_it_is_never_written_where_the_extension_could_not_build_it(publish, tmp_path):
    with pytest.raises(Refusal, match="MONAIAuto3DSeg"):
        AUTO3DSEG.write(load_published(publish("unet_small+unet_small").model), tmp_path)
    assert list(tmp_path.glob("*.zip")) == []


def test_the_command_of_the_readme_puts_it_beside_the_extension_s_own_models_once(publish, tmp_path, monkeypatch):
    resources, home = tmp_path / "MONAIAuto3DSeg" / "Resources", tmp_path / "home"
    resources.mkdir(parents=True)
    (resources / "Models.json").write_text(json.dumps({"models": [{"title": "Aorta", "versions": []}]}))
    module = SimpleNamespace(path=str(resources.parent / "MONAIAuto3DSeg.py"))
    slicer = SimpleNamespace(modules=SimpleNamespace(monaiauto3dseg=module))
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    monkeypatch.setattr(Path, "home", lambda: home)
    folder = export_model("auto3dseg", publish(), tmp_path / "export")
    assert 'runpy.run_path(r"FOLDER/install_in_slicer.py", run_name="__main__")' in (folder / "README.md").read_text()
    for _ in range(2):
        runpy.run_path(str(folder / "install_in_slicer.py"), run_name="__main__")
    listed = json.loads((resources / "Models.json").read_text())["models"]
    assert [each["title"] for each in listed] == ["Aorta", "FewLabel: organ, tumour"]
    assert listed[1]["versions"][0]["url"].endswith("/fewlabel-v0.3.0.zip")
    assert {"description", "subject", "imagingModality", "model_type", "segmentNames"} <= listed[1].keys()
    unpacked_files = {path.name for path in (home / ".MONAIAuto3DSeg" / "models" / "fewlabel-v0.3.0").iterdir()}
    assert unpacked_files == {"model.pt", "labels.csv"}
