"""The network as ONNX: hardly a voxel differs, whatever size the crops have."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import numpy as np
import pytest
import torch

from fewlabel.errors import Refusal
from fewlabel.export.comparing import Comparison, compare_runs
from fewlabel.export.onnx import LARGEST_SHARE, ONNX, agrees, as_onnx
from fewlabel.export.several import check_inputs
from fewlabel.export.source import Source
from fewlabel.export.table import export_model
from fewlabel.networks import NETWORKS, divisor, find
from fewlabel.plan import Plan
from fewlabel.published import Published

WITHOUT = """
import runpy, sys
sys.modules.update(dict.fromkeys(("fewlabel", "monai", "monailabel", "ignite", "torch", "onnx")))
sys.path.insert(0, sys.argv[1])
sys.argv = ["segment.py", *sys.argv[2:]]
runpy.run_path(sys.path[0] + "/segment.py", run_name="__main__")
"""


@pytest.fixture(name="onnxruntime")
def _onnxruntime():
    pytest.importorskip("onnx")
    return pytest.importorskip("onnxruntime")


def probabilities(logits):
    return torch.as_tensor(logits).softmax(1)


@pytest.mark.parametrize("network", [*NETWORKS, "unet_small+unet_small", "vnet+unet_small"])
@torch.no_grad()
def test_every_network_gives_the_same_probabilities_for_crops_of_another_size_and_number(network, onnxruntime):
    side = divisor(network)
    torch.manual_seed(0)
    plan = Plan((1.0, 1.0, 1.0), (side, side, 2 * side), "meanstd", None, network, 1, ("a", "b"))
    published = Published(find(network)(3).eval(), plan, {"version": 1})
    session = onnxruntime.InferenceSession(as_onnx(published), providers=["CPUExecutionProvider"])
    crops = torch.randn(2, 1, 2 * side, 2 * side, side)  # norms of two voxels at the coarsest level blow up rounding
    (logits,) = session.run(None, {"image": crops.numpy()})
    difference = (probabilities(logits) - probabilities(published.network(crops))).abs().max()
    assert difference < 1e-4


@pytest.mark.parametrize(
    ("classes", "normalisation", "bounds"),
    [(("organ",), "meanstd", None), (("organ", "tumour", "vessel", "duct", "cyst"), "ct", (50.0, 450.0))],
)
def test_label_maps_are_the_server_s_on_every_grid(
    publish, scans, tmp_path, onnxruntime, classes, normalisation, bounds
):
    workspace = publish("unet_small", normalisation, bounds, classes)
    folder = export_model("onnx", workspace, tmp_path / "export")
    with Source(workspace) as source:
        rows = compare_runs(source, folder, ONNX.run, scans)
    assert sum(row.differing for row in rows) <= LARGEST_SHARE * sum(row.voxels for row in rows)
    assert all(row.probability < 1e-4 for row in rows)


def test_the_scripts_need_neither_torch_nor_monai_nor_fewlabel(publish, volume, tmp_path, onnxruntime):
    folder = export_model("onnx", publish(), tmp_path / "export")
    (tmp_path / "images").mkdir()
    volume(tmp_path / "images" / "scan.nii.gz")
    command = [sys.executable, "-c", WITHOUT, str(folder), str(tmp_path / "images"), str(tmp_path / "labels")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [each.name for each in (tmp_path / "labels").iterdir()] == ["scan_seg.nii.gz"]


def test_its_operators_are_of_a_set_that_old_runtimes_have(publish, tmp_path, onnxruntime):
    import onnx

    network = onnx.load(export_model("onnx", publish(), tmp_path / "export") / "network.onnx")
    onnx.checker.check_model(network)
    assert [each.version for each in network.opset_import] == [17]
    shapes = [
        [size.dim_param or size.dim_value for size in each.type.tensor_type.shape.dim] for each in network.graph.input
    ]
    assert shapes == [["batch", 1, "i", "j", "k"]]


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_without_its_packages_it_is_refused_in_one_sentence_and_writes_nothing(publish, tmp_path, monkeypatch, missing):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == missing else found(name, *more)
    )
    with Source(publish()) as source, pytest.raises(Refusal, match=f"needs .*{missing}.*pip install"):
        check_inputs(source, {"onnx": tmp_path / "export"})
    assert not (tmp_path / "export").exists()


@pytest.mark.parametrize(("differing", "passes"), [(0, True), (1, True), (2, False)])
def test_at_most_one_voxel_in_ten_thousand_may_differ(differing, passes):
    said = agrees(Comparison("scan", 10_000, differing, 0.0))
    assert (said == "") == passes


def test_the_numbers_that_numpy_and_scipy_give_are_torch_s(publish, tmp_path, scripts, onnxruntime):
    in_numpy = scripts(export_model("onnx", publish(), tmp_path / "onnx")).predicted.__globals__
    in_torch = scripts(export_model("torchscript", publish(), tmp_path / "torch")).predicted.__globals__
    values = np.random.default_rng(0).normal(scale=9, size=(3, 7, 6, 5)).astype(np.float32)
    for name in ("exp", "sigmoid", "softmax", "mean_and_deviation"):
        np.testing.assert_allclose(in_numpy[name](values), in_torch[name](values), rtol=1e-5, atol=1e-7, err_msg=name)
    matrix = np.eye(4)
    matrix[:3] += np.random.default_rng(1).normal(scale=0.1, size=(3, 4))
    ours, theirs = (each["resampled"](values[0], matrix, (4, 9, 5)) for each in (in_numpy, in_torch))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
