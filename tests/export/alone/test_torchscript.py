"""The network as TorchScript, and the scripts beside it, without FewLabel and MONAI: the server's label maps."""

from __future__ import annotations

import ast
import importlib.metadata
import io
import json
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch

from fewlabel.export import sidecar
from fewlabel.export.comparing import compare_runs
from fewlabel.export.source import Source
from fewlabel.export.table import export_model
from fewlabel.export.torchscript import TORCHSCRIPT, traced
from fewlabel.networks import NETWORKS, divisor, find
from fewlabel.plan import Plan
from fewlabel.published import Published

FIVE = ("organ", "tumour", "vessel", "duct", "cyst")
WITHOUT = """
import runpy, sys
sys.modules.update(dict.fromkeys(("fewlabel", "monai", "monailabel", "ignite")))
sys.path.insert(0, sys.argv[1])
sys.argv = ["segment.py", *sys.argv[2:]]
runpy.run_path(sys.path[0] + "/segment.py", run_name="__main__")
"""


def model(network, classes=("a", "b")):
    side = divisor(network)
    torch.manual_seed(0)
    plan = Plan((1.0, 1.0, 1.0), (side, side, 2 * side), "meanstd", None, network, 1, classes)
    return Published(find(network)(len(classes) + 1).eval(), plan, {"version": 1})


def of_voxels(voxels, image):
    """Voxels (i, j, k) on the grid of a file."""
    scan = SimpleITK.GetImageFromArray(voxels.T)
    scan.CopyInformation(SimpleITK.ReadImage(str(image)))
    return scan


@pytest.mark.parametrize("network", [*NETWORKS, "unet_small+unet_small", "vnet+unet_small"])
@torch.no_grad()
def test_every_network_gives_the_same_logits_for_crops_of_another_size_and_number(network):
    published = model(network)
    loaded = torch.jit.load(io.BytesIO(traced(published)))
    side = divisor(network)
    crops = torch.randn(2, 1, 2 * side, side, side)
    for _ in range(3):  # torch rewrites a graph after it has seen it run
        assert torch.equal(loaded(crops), published.network(crops))


@pytest.mark.parametrize("classes", [("organ",), FIVE])
@pytest.mark.parametrize(("normalisation", "bounds"), [("meanstd", None), ("ct", (50.0, 450.0))])
def test_label_maps_are_the_server_s_on_every_grid(publish, scans, tmp_path, classes, normalisation, bounds):
    workspace = publish("unet_small", normalisation, bounds, classes)
    folder = export_model("torchscript", workspace, tmp_path / "export")
    with Source(workspace) as source:
        rows = compare_runs(source, folder, TORCHSCRIPT.run, scans)
        assert all(len(np.unique(source.segment(image).labels)) > 1 for _, image in scans)
    assert {row.case: row.differing for row in rows} == dict.fromkeys(dict(scans), 0)
    assert max(row.probability for row in rows) < 1e-6


def test_the_mean_of_two_networks_is_one_file_and_its_label_maps_are_the_server_s(publish, scans, tmp_path):
    workspace = publish("unet_small+unet_small")
    folder = export_model("torchscript", workspace, tmp_path / "export")
    with Source(workspace) as source:
        assert not [row for row in compare_runs(source, folder, TORCHSCRIPT.run, scans[:2]) if row.differing]


def test_nrrd_scaled_integers_missing_values_and_a_fourth_dimension_are_read_as_the_server_reads_them(
    publish, scans, tmp_path
):
    image = nibabel.load(dict(scans)["tilted"])
    voxels = np.asarray(image.dataobj)
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(dict(scans)["tilted"])), str(tmp_path / "as.nrrd"))
    scaled = nibabel.Nifti1Image((voxels * 10).astype(np.int16), image.affine)
    scaled.header.set_slope_inter(0.1, -7)
    holes = voxels.copy()
    holes[3:5, 2, :4] = np.nan
    SimpleITK.WriteImage(of_voxels(holes, dict(scans)["tilted"]), str(tmp_path / "holes.nrrd"))
    for name, saved in {
        "scaled.nii": scaled,
        "holes.nii.gz": nibabel.Nifti1Image(holes, image.affine),
        "frame.nii.gz": nibabel.Nifti1Image(voxels[..., None], image.affine),
    }.items():
        nibabel.save(saved, tmp_path / name)
    names = ("as.nrrd", "scaled.nii", "holes.nii.gz", "holes.nrrd", "frame.nii.gz")  # ITK mends NIfTI's holes itself
    images = [(name, tmp_path / name) for name in names]
    workspace = publish()
    folder = export_model("torchscript", workspace, tmp_path / "export")
    with Source(workspace) as source:
        rows = compare_runs(source, folder, TORCHSCRIPT.run, images)
    assert {row.case: row.differing for row in rows} == dict.fromkeys(dict(images), 0)


def test_the_scripts_need_neither_fewlabel_nor_monai(publish, scans, tmp_path):
    folder = export_model("torchscript", publish(), tmp_path / "export")
    images = dict(scans)["small"].parent
    for each in images.iterdir():
        if each.name != "small.nii.gz":
            each.unlink()
    command = [sys.executable, "-c", WITHOUT, str(folder), str(images), str(tmp_path / "labels")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [each.name for each in (tmp_path / "labels").iterdir()] == ["small_seg.nii.gz"]


def test_the_example_is_short():
    text = (Path(sidecar.__file__).with_name("alone") / "segment.py").read_text(encoding="utf-8")
    lines = {node.lineno for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)}
    assert len(lines) <= 45


FAULTS = {
    "spacing": {"spacing": [1.1, 0.9, 1.4]},
    "normalisation": {"intensity": {"normalisation": "ct", "window": [0.0, 300.0]}},
    "axes": {"axes": "LAS"},
    "order of the axes": {"axes": "ARS"},
    "overlap": {"windows": {"overlap": 0.25}},
    "patch": {"windows": {"patch": [16, 16, 16]}},
    "blending": {"windows": {"sigma": 0.5}},
    "order of the classes": {"classes": [{"value": 0}, {"value": 2}, {"value": 1}]},
}


def test_every_number_of_the_sidecar_counts(publish, scans, tmp_path, scripts):
    """None of them is a mere description: with another one the label maps are others."""
    workspace, image = publish(), dict(scans)["tilted"]
    example, scan = (
        scripts(export_model("torchscript", workspace, tmp_path / "export")),
        SimpleITK.ReadImage(str(image)),
    )
    sidecar, same = example.MODEL, []
    with Source(workspace) as source:
        right = source.segment(image).labels
    assert np.array_equal(example.segment(scan)[0], right)
    for fault, change in FAULTS.items():
        wrong = {key: {**sidecar[key], **value} if isinstance(value, dict) else value for key, value in change.items()}
        example.MODEL = {**sidecar, **wrong}
        example.VALUES = np.array([each["value"] for each in example.MODEL["classes"]], np.uint8)
        if np.array_equal(example.segment(scan)[0], right):
            same.append(fault)
    assert same == []


@pytest.mark.parametrize("axes", ["RAS", "LAS", "ARS", "SPL"])
def test_labels_lie_where_the_intensities_do_whatever_the_axes_of_the_network(publish, scans, tmp_path, scripts, axes):
    """With a network that only looks at one voxel, on the scan's own grid."""
    example = scripts(export_model("torchscript", publish(), tmp_path / "export"))
    scan = SimpleITK.ReadImage(str(dict(scans)["tilted"]))
    voxels = SimpleITK.GetArrayFromImage(scan).T
    example.MODEL = {**example.MODEL, "axes": axes}
    example.onto = lambda volume, matrix, shape: volume
    example.predicted = lambda model, volume: np.stack([-volume, volume])
    assert np.array_equal(example.segment(scan)[0], voxels > 0)
    assert (voxels > 0).any()
    assert (voxels <= 0).any()


def test_classes_may_have_any_values(publish, scans, tmp_path):
    workspace, image = publish(), dict(scans)["small"]
    folder = export_model("torchscript", workspace, tmp_path / "export")
    sidecar = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    for each, value in zip(sidecar["classes"], (0, 9, 4), strict=True):
        each["value"] = value
    (folder / "model.json").write_text(json.dumps(sidecar), encoding="utf-8")
    (tmp_path / "images").mkdir()
    image.rename(tmp_path / "images" / "small.nii.gz")
    TORCHSCRIPT.run(folder, tmp_path / "images", tmp_path / "labels")
    written = np.asarray(nibabel.load(tmp_path / "labels" / "small_seg.nii.gz").dataobj)
    with Source(workspace) as source:
        expected = source.segment(tmp_path / "images" / "small.nii.gz").labels
        np.testing.assert_array_equal(written, np.array([0, 9, 4])[expected])
    assert len(np.unique(written)) > 1


def test_the_sidecar_says_all_in_plain_json(publish, tmp_path):
    folder = export_model("torchscript", publish(normalisation="ct", bounds=(-175.0, 250.0)), tmp_path / "export")
    sidecar = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert sidecar["axes"] == "RAS"
    assert sidecar["spacing"] == [1.1, 0.9, 1.7]
    assert sidecar["intensity"]["window"] == [-175.0, 250.0]
    assert sidecar["windows"]["patch"] == [16, 24, 16]
    assert (sidecar["windows"]["overlap"], sidecar["windows"]["blending"]) == (0.5, "gaussian")
    assert [(each["name"], each["value"]) for each in sidecar["classes"]] == [
        ("background", 0),
        ("organ", 1),
        ("tumour", 2),
    ]
    assert sidecar["network"]["multiple_of"] == 8


def test_the_list_of_packages_names_what_the_export_was_made_with(publish, tmp_path):
    folder = export_model("torchscript", publish(), tmp_path / "export")
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line.partition("==")[0] for line in lines] == ["torch", "numpy", "nibabel", "SimpleITK"]
    assert f"numpy=={importlib.metadata.version('numpy')}" in lines
    assert not any("+" in line for line in lines)
